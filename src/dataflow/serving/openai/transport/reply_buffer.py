"""How much memory the replies in flight may hold together.

A small reply is read at once. The rest of a large one waits until its whole length fits into what
all replies of a client share, so that many of them at once cannot fill the memory. Meanwhile TCP
holds the server back.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator

FREE_BYTES = 256 * 2**10
"""Read of each reply without asking for room."""

LONGEST_BODY = 16 * 2**20
"""Bytes; a reply that is longer is no caption."""

SHARED_BYTES = 48 * 2**20
"""What all large replies of one client may hold together."""


class ReplyMemory:
    """Bytes that the large replies of one client share, first come, first served.

    Args:
        total: Bytes to share.
    """

    def __init__(self, total: int = SHARED_BYTES) -> None:
        self._free = total
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @contextlib.asynccontextmanager
    async def room(self, size: int) -> AsyncIterator[None]:
        """Hold `size` bytes; waits until they are free."""
        await self._acquire(size)
        try:
            yield
        finally:
            self._release(size)

    async def _acquire(self, size: int) -> None:
        if not self._waiting and size <= self._free:
            self._free -= size
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((size, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._release(size)
            else:
                self._next()
            raise

    def _release(self, size: int) -> None:
        self._free += size
        self._next()

    def _next(self) -> None:
        while self._waiting:
            size, turn = self._waiting[0]
            if turn.done():
                self._waiting.popleft()
            elif size <= self._free:
                self._waiting.popleft()
                self._free -= size
                turn.set_result(None)
            else:
                return
