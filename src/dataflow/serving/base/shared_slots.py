"""A serving's `max_workers`, held for all runs and threads that share it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections import deque
from collections.abc import Sequence
from typing import Any

from dataflow.core.picture import Picture
from dataflow.core.request import Reply, Request
from dataflow.core.serving import Client


class SharedSlots:
    """Slots for requests in flight, first come first served across event loops and threads.

    A copy, a pickle and a forked process have slots of their own.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process = os.getpid()
        self._taken = 0
        self._waiting: deque[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = deque()

    def __reduce__(self) -> tuple[Any, ...]:
        return (SharedSlots, ())

    async def acquire(self, most: int) -> None:
        """Take a slot; waits while `most` are taken. A waiter that is cancelled takes none."""
        self._renew()
        with self._lock:
            if self._taken < most:
                self._taken += 1
                return
            loop = asyncio.get_running_loop()
            turn: asyncio.Future[None] = loop.create_future()
            self._waiting.append((loop, turn))
        try:
            await turn
        except asyncio.CancelledError:
            with self._lock:
                is_waiting = (loop, turn) in self._waiting
                if is_waiting:
                    self._waiting.remove((loop, turn))
            if not is_waiting:
                self.release()  # it was handed a slot that nobody uses now
            raise

    def release(self) -> None:
        """Give a slot back, to the one who waits for longest."""
        with self._lock:
            while self._waiting:
                loop, turn = self._waiting.popleft()
                with contextlib.suppress(RuntimeError):  # its loop is closed: nobody waits
                    loop.call_soon_threadsafe(_grant, turn)
                    return
            self._taken = max(0, self._taken - 1)

    def _renew(self) -> None:
        if self._process != os.getpid():  # forked: the lock and the slots are the parent's
            self.__init__()  # type: ignore[misc]


def _grant(turn: asyncio.Future[None]) -> None:
    if not turn.done():
        turn.set_result(None)


class SlottedClient:
    """A client whose requests take a slot each; all else is its own.

    Args:
        client: The client.
        slots: The serving's.
        most: Slots at most.
    """

    def __init__(self, client: Client, slots: SharedSlots, most: int) -> None:
        self._client = client
        self._slots = slots
        self._most = most

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def send(self, request: Request, pictures: Sequence[Picture]) -> Reply:
        """Make one attempt once there is a slot; see `core.serving.Client`."""
        await self._slots.acquire(self._most)
        try:
            return await self._client.send(request, pictures)
        finally:
            self._slots.release()
