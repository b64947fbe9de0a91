"""Measures how long one callback holds an event loop, while the code under test runs.

Counted is the processor time of the loop's own thread, which a busy machine does not lengthen, and
the wall time of callbacks that use none of it, which sleep or wait for a lock.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

WALL_SECONDS = 0.5
"""A callback that took so long without using the processor was blocked, and not only displaced."""


@dataclass
class Longest:
    """The longest hold of any loop so far.

    Attributes:
        seconds: How long.
        where: By which callback.
        threads: The names of the threads whose loops are looked at; empty for all.
    """

    seconds: float = 0.0
    where: str = ""
    threads: tuple[str, ...] = ()


@contextlib.contextmanager
def loop_guard(*threads: str) -> Iterator[Longest]:
    """Measure each callback of the loops in these threads, by their names, during the block."""
    longest = Longest(threads=threads)
    run = asyncio.Handle._run

    def measured(handle: asyncio.Handle) -> None:
        began, wall = time.thread_time(), time.monotonic()
        try:
            run(handle)
        finally:
            used, took = time.thread_time() - began, time.monotonic() - wall
            held = took if took > WALL_SECONDS and used < took / 10 else used
            is_meant = not threads or threading.current_thread().name in threads
            if held > longest.seconds and is_meant:
                longest.seconds, longest.where = held, repr(handle)[:300]

    asyncio.Handle._run = measured  # type: ignore[method-assign]
    try:
        yield longest
    finally:
        asyncio.Handle._run = run  # type: ignore[method-assign]
