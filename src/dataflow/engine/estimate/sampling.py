"""Distinct keys, counted and sampled in constant memory however many there are.

Keys are digests, so their bits are as good as drawn by lot: keeping the keys below a bound is a
fair sample of the distinct ones, however often each comes
(https://en.wikipedia.org/wiki/Count-distinct_problem).
"""

from __future__ import annotations

import heapq
from typing import Generic, TypeVar

T = TypeVar("T")

EXACT_KEYS = 200_000
"""So many distinct keys are counted exactly; beyond, within about half a per cent."""

_BITS = 64


class DistinctCounter:
    """How many distinct keys there are."""

    def __init__(self, most: int = EXACT_KEYS) -> None:
        self._most = most
        self._kept: set[int] = set()
        self._shift = 0

    def add(self, key: bytes) -> None:
        """Count `key`, unless it was counted before."""
        value = int.from_bytes(key[:8], "big")
        if value >> (_BITS - self._shift):
            return
        self._kept.add(value)
        while len(self._kept) > self._most:
            self._shift += 1
            self._kept = {v for v in self._kept if not v >> (_BITS - self._shift)}

    @property
    def is_exact(self) -> bool:
        """Whether every key was counted."""
        return self._shift == 0

    @property
    def count(self) -> int:
        """Distinct keys, about this many where it is not exact."""
        return len(self._kept) << self._shift


class BottomKSample(Generic[T]):
    """So many distinct keys, each as likely as any other, with a value each."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._values: dict[int, T] = {}
        self._heap: list[int] = []  # negated, so that the greatest comes first

    def wants(self, key: bytes) -> bool:
        """Whether `key` belongs into the sample as it stands, and is not in it."""
        rank = _rank(key)
        if rank in self._values:
            return False
        return len(self._heap) < self._size or rank < -self._heap[0]

    def put(self, key: bytes, value: T) -> None:
        """Take in a key that is wanted; another leaves where the sample is full."""
        rank = _rank(key)
        self._values[rank] = value
        heapq.heappush(self._heap, -rank)
        if len(self._heap) > self._size:
            del self._values[-heapq.heappop(self._heap)]

    def values(self) -> list[T]:
        """The values, in an order drawn by lot."""
        return [self._values[rank] for rank in sorted(self._values)]


def _rank(key: bytes) -> int:
    return int.from_bytes(key[8:], "big")  # not the bits by which they are counted
