"""Measures how long one callback holds an event loop; the standard library only.

Counted is the processor time of the loop's own thread, which a busy machine does not lengthen, and
the wall time of callbacks that use none of it, which sleep or wait for a lock. Collections of
garbage are not counted: how long they take is a matter of what else the process holds.
"""

from __future__ import annotations

import gc
import threading
import time
from asyncio.events import Handle
from collections import defaultdict
from collections.abc import Callable

WALL_SECONDS = 0.5
"""A callback that took so long without using the processor was blocked, and not only displaced."""

RUNS = ("dataflow-run",)
"""The names of the threads whose loops drive runs."""

Hear = Callable[[float, str], None]
"""Hears for how many seconds a loop was held, and by which callback."""

_collecting: dict[int, float] = defaultdict(float)  # thread → seconds in the garbage collector
_began: dict[int, float] = {}


def _note_collection(phase: str, _: object) -> None:
    thread = threading.get_ident()
    if phase == "start":
        _began[thread] = time.thread_time()
    elif thread in _began:
        _collecting[thread] += time.thread_time() - _began.pop(thread)


def _name_of(handle: Handle) -> str:
    """The coroutine that a callback goes on with, or the callback."""
    task = getattr(handle._callback, "__self__", None)  # type: ignore[attr-defined]
    return repr(getattr(task, "get_coro", lambda: handle)())[:300]


def measure_loops(hear: Hear, *threads: str) -> Callable[[], None]:
    """Let `hear` hear of each callback of the loops in the threads of these names; none for all.

    Returns:
        What ends the measuring.
    """
    run = Handle._run
    if _note_collection not in gc.callbacks:
        gc.callbacks.append(_note_collection)

    def measured(handle: Handle) -> None:
        if threads and threading.current_thread().name not in threads:
            run(handle)
            return
        thread = threading.get_ident()
        collected = _collecting[thread]
        began, wall = time.thread_time(), time.monotonic()
        try:
            run(handle)
        finally:
            used, took = time.thread_time() - began, time.monotonic() - wall
            used -= _collecting[thread] - collected
            held = took if took > WALL_SECONDS and used < took / 10 else used
            if held > 0.001:
                hear(held, _name_of(handle))

    Handle._run = measured  # type: ignore[method-assign]

    def end() -> None:
        Handle._run = run  # type: ignore[method-assign]

    return end
