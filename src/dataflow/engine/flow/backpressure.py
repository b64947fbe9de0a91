"""Backpressure: how much may be between loading and outcome at once, in jobs and in bytes."""

from __future__ import annotations

import asyncio

from dataflow.core.aio import FifoWaiters


class InFlightBound:
    """A bound on the jobs between loading and their outcome.

    A job that is bigger than the whole bound is admitted when it is alone.

    Args:
        jobs: Jobs at most.
        size: Bytes at most.
    """

    def __init__(self, jobs: int, size: int) -> None:
        self._jobs_left = jobs
        self._size_left = size
        self._inside = 0
        self._waiting: FifoWaiters[tuple[int, int], None] = FifoWaiters()

    async def acquire(self, size: int, jobs: int = 1) -> None:
        """Wait, first come first served, until `jobs` of `size` bytes together fit in.

        Jobs that come together are admitted together, where one of them fits.
        """
        if not self._waiting and self._fits(size):
            self._take(size, jobs)
            return
        await self._waiting.wait((size, jobs), hand_back=lambda _: self._hand_back(size, jobs))

    def grow(self, size: int) -> None:
        """What is inside has become `size` bytes bigger."""
        self._size_left -= size

    def release(self, size: int) -> None:
        """A job has its outcome, and frees `size` bytes."""
        self._hand_back(size, 1)

    def _hand_back(self, size: int, jobs: int) -> None:
        self._jobs_left += jobs
        self._size_left += size
        self._inside -= jobs
        while (first := self._waiting.first) is not None and self._fits(first[0]):
            self._take(*first)
            self._waiting.grant(None)

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
            await self._bound.acquire(self._size, self._jobs)
            self._is_inside = True

    def leave(self) -> None:
        """Leave the bound to others; nothing where the row is not inside."""
        if self._is_inside:
            self._is_inside = False
            for left in reversed(range(self._jobs)):
                self._bound.release(0 if left else self._size)


class SlotReservation:
    """One of the slots of a semaphore, given back while the row waits for a picture host.

    Args:
        slots: The semaphore.
    """

    def __init__(self, slots: asyncio.Semaphore) -> None:
        self._slots = slots
        self._is_inside = False

    async def enter(self) -> None:
        """Wait for a slot; nothing where the row has one."""
        if not self._is_inside:
            await self._slots.acquire()
            self._is_inside = True

    def leave(self) -> None:
        """Give the slot back; nothing where the row has none."""
        if self._is_inside:
            self._is_inside = False
            self._slots.release()
