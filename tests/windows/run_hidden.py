"""Run a Python file, or the command line with what follows ``--``, without POSIX-only names."""

from __future__ import annotations

import runpy
import sys

from tests.windows.hide import install

install()
if sys.argv[1] == "--":
    sys.argv[:] = ["dataflow", *sys.argv[2:]]
    from dataflow.cli.main import main

    main()
else:
    sys.argv[:] = sys.argv[1:]
    runpy.run_path(sys.argv[0], run_name="__main__")
