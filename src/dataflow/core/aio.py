"""One thread that does one thing after another, and that nobody has to wait for.

`concurrent.futures` cannot do this: the interpreter waits for its threads when it ends, so that one
that is stuck in a dead network disk or in another's code would keep the process for ever.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


class Worker:
    """A daemon thread for blocking work.

    Args:
        name: The thread's.
    """

    def __init__(self, name: str) -> None:
        self._work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    async def do(self, work: Callable[[], T]) -> T:
        """Do `work` in the thread, after what was asked before; returns or raises what it does.

        Where the waiting is cancelled, work that has begun goes on.
        """
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()

        def settled() -> None:
            if done.cancelled():
                return
            result, error = _outcome(work)
            with contextlib.suppress(RuntimeError):  # the loop may be closed: nobody waits
                loop.call_soon_threadsafe(_settle, done, result, error)

        self._work.put(settled)
        return await done

    def close(self, *, wait: bool) -> None:
        """Let the thread end after its present work; `wait` until it has."""
        self._work.put(None)
        if wait:
            self._thread.join()

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            work()


def _outcome(work: Callable[[], Any]) -> tuple[Any, BaseException | None]:
    try:
        return work(), None
    except BaseException as error:  # noqa: BLE001 - whatever it is, somebody waits for it
        return None, error


def _settle(done: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if done.done():
        return
    if error is None:
        done.set_result(result)
    else:
        done.set_exception(error)
