"""How much may be on the road at once, in jobs and in bytes."""

from __future__ import annotations

import asyncio
from collections import deque


class InFlightBound:
    """A bound on the jobs between loading and their outcome.

    A job that is bigger than the whole bound is let in when it is alone.

    Args:
        jobs: Jobs at most.
        size: Bytes at most.
    """

    def __init__(self, jobs: int, size: int) -> None:
        self._jobs_left = jobs
        self._size_left = size
        self._inside = 0
        self._waiting: deque[tuple[int, int, asyncio.Future[None]]] = deque()

    async def enter(self, size: int, jobs: int = 1) -> None:
        """Wait, first come first served, until `jobs` of `size` bytes together fit in.

        Jobs that come together are let in together, where there is a place for one of them.
        """
        if not self._waiting and self._fits(size):
            self._take(size, jobs)
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append((size, jobs, turn))
        await turn

    def grow(self, size: int) -> None:
        """What is inside has become `size` bytes bigger."""
        self._size_left -= size

    def leave(self, size: int) -> None:
        """A job has left, and `size` bytes with it."""
        self._jobs_left += 1
        self._size_left += size
        self._inside -= 1
        while self._waiting and self._fits(self._waiting[0][0]):
            waiting_size, jobs, turn = self._waiting.popleft()
            if not turn.cancelled():
                self._take(waiting_size, jobs)
                turn.set_result(None)

    def _fits(self, size: int) -> bool:
        return self._inside == 0 or (self._jobs_left > 0 and size <= self._size_left)

    def _take(self, size: int, jobs: int) -> None:
        self._jobs_left -= jobs
        self._size_left -= size
        self._inside += jobs


class RowReservation:
    """One row's share of an `InFlightBound`; while it waits for a picture host it has none.

    Args:
        bound: The bound.
        size: Bytes of the row.
        jobs: Its jobs.
    """

    def __init__(self, bound: InFlightBound, size: int, jobs: int) -> None:
        self._bound = bound
        self._size = size
        self._jobs = jobs
        self._is_inside = False

    async def enter(self) -> None:
        """Wait until the row fits into the bound; nothing where it is inside already."""
        if not self._is_inside:
            await self._bound.enter(self._size, self._jobs)
            self._is_inside = True

    def leave(self) -> None:
        """Leave the bound to others; nothing where the row is not inside."""
        if self._is_inside:
            self._is_inside = False
            for left in reversed(range(self._jobs)):
                self._bound.leave(0 if left else self._size)
