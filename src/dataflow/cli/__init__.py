"""The command line: arguments in, progress and summary out."""

from __future__ import annotations

import signal
import sys


def start() -> None:
    """Run the command line and leave with its exit code."""
    try:
        from dataflow.cli.main import main  # Ctrl-C may come while it loads
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    main()
