"""An event loop whose clock jumps to the next timer, so that tests of long waits take no time."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class FakeClockLoop(asyncio.SelectorEventLoop):
    """Runs timers in their order, each as soon as nothing else is left to do.

    For code that takes its time from the loop (`core.aio.now`, `asyncio.sleep`) and uses no thread.
    """

    def __init__(self) -> None:
        self._seconds = 1_000.0
        super().__init__()

    def time(self) -> float:
        """Seconds of the fake clock."""
        return self._seconds

    def _run_once(self) -> None:
        ready, timers = self._ready, self._scheduled  # type: ignore[attr-defined]
        while timers and timers[0]._cancelled:
            break
        if not ready and timers:
            self._seconds = max(self._seconds, timers[0]._when)
        super()._run_once()  # type: ignore[misc]


def run_fast(scene: Coroutine[Any, Any, T]) -> T:
    """`asyncio.run` under a clock of its own."""
    loop = FakeClockLoop()
    try:
        return loop.run_until_complete(scene)
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
