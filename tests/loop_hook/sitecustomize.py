"""Measures the runs of a command that a test starts: Python imports this by its name at start.

Nothing is imported here that the command does not import: the measuring begins with asyncio.
"""

from __future__ import annotations

import os
import sys

FOLDER = os.environ.get("DATAFLOW_TEST_LOOPS")


class _WhenImported:
    """Begins the measuring once ``asyncio`` is there."""

    def find_spec(self, name, path=None, target=None):
        if name != "asyncio.base_events":
            return None
        sys.meta_path.remove(self)
        from importlib.util import find_spec

        spec = find_spec(name)
        run = spec.loader.exec_module

        def exec_module(module):
            run(module)
            _begin()

        spec.loader.exec_module = exec_module
        return spec


def _begin():
    sys.path.append(os.path.dirname(__file__))  # a spawned process has its parent's path by now
    try:
        from loop_measure import RUNS, measure_loops
    finally:
        sys.path.pop()

    longest = 0.0

    def hear(seconds, where):
        nonlocal longest
        if seconds > longest:
            longest = seconds
            # at once: the command may be killed at any moment
            with open(os.path.join(FOLDER, str(os.getpid())), "w", encoding="utf-8") as file:
                file.write(f"{seconds} {where}")

    measure_loops(hear, *RUNS)


if FOLDER and os.path.isdir(FOLDER):
    sys.meta_path.insert(0, _WhenImported())
