"""Keeps the memory of all decodes together under one limit."""

from __future__ import annotations

import threading
from collections import deque


class ByteSemaphore:
    """A number of bytes that threads share; who comes first is served first.

    First come, first served keeps a large picture from waiting for ever behind small ones.

    Args:
        total: Bytes to share.
    """

    def __init__(self, total: int) -> None:
        self._total = total
        self._used = 0
        self._queue: deque[object] = deque()
        self._changed = threading.Condition()

    def acquire(self, cost: int) -> None:
        """Wait until `cost` bytes are free and take them; more than all there is takes all."""
        ticket = object()
        with self._changed:
            self._queue.append(ticket)
            while self._queue[0] is not ticket or self._used + self._share(cost) > self._total:
                self._changed.wait()
            self._queue.popleft()
            self._used += self._share(cost)
            self._changed.notify_all()

    def release(self, cost: int) -> None:
        """Give back what `acquire(cost)` took."""
        with self._changed:
            self._used -= self._share(cost)
            self._changed.notify_all()

    def _share(self, cost: int) -> int:
        return min(cost, self._total)
