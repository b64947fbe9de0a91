"""Answers that arrive together are committed together, by one thread."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Generic, TypeAlias, TypeVar

T = TypeVar("T")
_Waiter: TypeAlias = "tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]"


class GroupCommit(Generic[T]):
    """Collects what is put while a commit runs, and writes it in the next one.

    Args:
        thread: Where `write` is called, one call at a time.
        write: Writes and commits, or raises.

    Attributes:
        unsaved: What `write` failed to keep.
    """

    def __init__(self, thread: Executor, write: Callable[[Sequence[T]], None]) -> None:
        self._thread = thread
        self._write = write
        self._lock = threading.Lock()
        self._items: list[T] = []
        self._waiters: list[_Waiter] = []
        self.unsaved: list[T] = []

    async def put(self, items: Sequence[T]) -> None:
        """Write `items`, all or none; returns when they are committed.

        Raises:
            Exception: as `write` raises it.
        """
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        with self._lock:
            self._items += items
            self._waiters.append((loop, done))
            is_first = len(self._waiters) == 1
        if is_first:
            self._thread.submit(self._commit)
        await asyncio.shield(done)

    def _commit(self) -> None:
        with self._lock:
            items, self._items = self._items, []
            waiters, self._waiters = self._waiters, []
        failure: BaseException | None = None
        try:
            self._write(items)
        except BaseException as error:  # noqa: BLE001 - whoever waits must hear of it
            failure = error
            self.unsaved += items
        by_loop: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}
        for loop, done in waiters:
            by_loop.setdefault(loop, []).append(done)
        for loop, futures in by_loop.items():
            with contextlib.suppress(RuntimeError):  # a loop that is closed waits for nothing
                loop.call_soon_threadsafe(_resolve, futures, failure)


def _resolve(futures: Sequence[asyncio.Future[None]], failure: BaseException | None) -> None:
    for future in futures:
        if future.done():
            continue
        if failure is None:
            future.set_result(None)
        else:
            future.set_exception(failure)
