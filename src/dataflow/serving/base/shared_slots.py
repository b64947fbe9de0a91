"""A serving's `max_workers`, held for all runs and threads that share it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections import Counter, deque
from collections.abc import Sequence
from typing import Any

from dataflow.core.picture import Picture
from dataflow.core.protocols.serving import Client
from dataflow.core.request import Reply, Request

HANG_SECONDS = 30.0
"""A request that is out for longer gives its slot to another run."""


class SharedSlots:
    """Slots for requests in flight, first come first served across event loops and threads.

    One run alone needs none: its own admission bounds what it has in flight, and sends others in
    the place of requests that hang. A copy, a pickle and a forked process have slots of their own.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process = os.getpid()
        self._taken = 0
        self._of_owner: Counter[int] = Counter()
        self._waiting: deque[tuple[asyncio.AbstractEventLoop, asyncio.Future[None], int]] = deque()

    def __reduce__(self) -> tuple[Any, ...]:
        return (SharedSlots, ())

    async def acquire(self, most: int, owner: int) -> None:
        """Take a slot; waits while `most` are taken. A waiter that is cancelled takes none.

        Args:
            most: Slots of all runs together.
            owner: Of which run it is; where no other has a slot, it waits for none.
        """
        self._renew()
        with self._lock:
            if self._taken < most or self._taken == self._of_owner[owner]:
                self._taken += 1
                self._of_owner[owner] += 1
                return
            loop = asyncio.get_running_loop()
            turn: asyncio.Future[None] = loop.create_future()
            self._waiting.append((loop, turn, owner))
        try:
            await turn
        except asyncio.CancelledError:
            with self._lock:
                is_waiting = (loop, turn, owner) in self._waiting
                if is_waiting:
                    self._waiting.remove((loop, turn, owner))
            if not is_waiting:
                self.release(owner)  # it was handed a slot that nobody uses now
            raise

    def release(self, owner: int) -> None:
        """Give a slot of a run back, to the one who waits for longest."""
        with self._lock:
            self._of_owner[owner] -= 1
            if self._of_owner[owner] <= 0:
                del self._of_owner[owner]
            while self._waiting:
                loop, turn, other = self._waiting.popleft()
                with contextlib.suppress(RuntimeError):  # its loop is closed: no caller waits
                    loop.call_soon_threadsafe(_grant, turn)
                    self._of_owner[other] += 1
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
        async with self.slot() as client:
            return await client.send(request, pictures)

    def slot(self) -> contextlib.AbstractAsyncContextManager[Client]:
        """Wait for a slot; gives the client that sends in it without waiting for another."""
        return _Slot(self._client, self._slots, self._most, id(self))


class _Slot(contextlib.AbstractAsyncContextManager[Client]):
    """A slot while it is entered, or until its request hangs; then another run may have it."""

    def __init__(self, client: Client, slots: SharedSlots, most: int, owner: int) -> None:
        self._client = client
        self._slots = slots
        self._most = most
        self._owner = owner
        self._hung: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> Client:
        await self._slots.acquire(self._most, self._owner)
        self._hung = asyncio.get_running_loop().call_later(HANG_SECONDS, self._give_back)
        return self._client

    async def __aexit__(self, *_error: object) -> None:
        self._give_back()

    def _give_back(self) -> None:
        hung, self._hung = self._hung, None
        if hung is not None:
            hung.cancel()
            self._slots.release(self._owner)
