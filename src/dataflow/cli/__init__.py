"""The command line: arguments in, progress and summary out."""

from __future__ import annotations

import signal
import sys


def __getattr__(name: str) -> object:
    """``app``, which the command `dataflow` of another distribution imports from here.

    It says that the files of the two are mixed, and what to do.
    """
    if name == "app":
        from dataflow_caption import start as start_whole

        return start_whole
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def start() -> None:
    """Run the command line and leave with its exit code."""
    try:
        from dataflow.cli.main import main  # Ctrl-C may come while it loads
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    main()
