"""Measures how long one callback holds an event loop, while the code under test runs.

`loop_guard` measures a block of one test. `LoopWatch` measures every run of every test, in the
tests' own processes and in the commands that they start.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.loop_hook.loop_measure import RUNS, measure_loops

LONGEST_HOLD = 0.05
"""Seconds of processor time for which one callback of a run may hold its event loop."""

LONGEST_FIRST = 3.0
"""The same for a whole session: a module of a fresh clone is compiled where it is first used."""

_HOOK = Path(__file__).with_name("loop_hook")
_REPORTS = "DATAFLOW_TEST_LOOPS"  # the folder into which started commands write their holds


@dataclass
class Longest:
    """The longest hold of any loop so far.

    Attributes:
        seconds: How long.
        where: By which callback, in which test.
    """

    seconds: float = 0.0
    where: str = ""

    def hear(self, seconds: float, where: str) -> None:
        """Keep the longer one."""
        if seconds > self.seconds:
            test = os.environ.get("PYTEST_CURRENT_TEST", "")
            self.seconds, self.where = seconds, f"{where} {test}".strip()


@contextlib.contextmanager
def loop_guard(*threads: str) -> Iterator[Longest]:
    """Measure each callback of the loops in these threads, by their names, during the block."""
    longest = Longest()
    end = measure_loops(longest.hear, *threads)
    try:
        yield longest
    finally:
        end()


class LoopWatch:
    """The longest hold of any run of a whole session of tests."""

    def __init__(self) -> None:
        self._longest = Longest()
        self._commands = 0
        self._folder: Path | None = None
        self._end: Callable[[], None] | None = None

    def begin(self) -> None:
        """Measure all runs from now on, here and in the commands that the tests start."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="dataflow-loops-"))
            os.environ[_REPORTS] = str(self._folder)
            paths = [str(_HOOK), *filter(None, [os.environ.get("PYTHONPATH")])]
            os.environ["PYTHONPATH"] = os.pathsep.join(paths)
            self._end = measure_loops(self._longest.hear, *RUNS)

    def end(self) -> tuple[float, str, int]:
        """Stop measuring: seconds, where, and how many commands were measured."""
        if self._folder is not None and self._folder.is_dir():
            for file in self._folder.iterdir():
                self._commands += 1
                with contextlib.suppress(ValueError):  # of one that was killed as it wrote
                    seconds, _, where = file.read_text(encoding="utf-8").partition(" ")
                    self._longest.hear(float(seconds), where)
            shutil.rmtree(self._folder, ignore_errors=True)
        if self._end is not None:
            self._end()
            self._end = None
        return self._longest.seconds, self._longest.where, self._commands

    def hear(self, measured: tuple[float, str, int] | None) -> None:
        """Take in what another process of the session measured, as `end` returned it."""
        if measured:
            self._longest.hear(*measured[:2])
            self._commands += measured[2]

    @property
    def is_too_long(self) -> bool:
        """Whether a callback held a loop for longer than first imports can."""
        return self._longest.seconds > LONGEST_FIRST

    def report(self) -> str:
        """One line for people."""
        return (
            f"longest hold of a run's event loop: {self._longest.seconds * 1000:.0f} ms "
            f"({self._commands} commands measured, too): {self._longest.where}"
        )
