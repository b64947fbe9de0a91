"""How many requests to keep in flight: as many as still bring more answers per second.

Latency alone does not tell: a batching engine answers each request more slowly the more it has, and
yet all of them faster. So the level rises while a rise is worth it in answers per second, goes back
to the last level that was, and looks again from time to time. Overloads lower the level; where that
only brings fewer answers and no fewer overloads, they have another reason. Arithmetic on given
times only.
"""

from __future__ import annotations

import enum
import math
from collections import deque
from statistics import median

FAST_RISE, SLOW_RISE = 2.0, 1.25
"""The next level, as a multiple; the slow one looks more closely where the fast one overshot."""

WORTH = 0.4
"""A rise pays when it brings at least this share of what a perfect engine would give."""

START = 16
"""Requests in flight at the start of a search."""

HOLD_SECONDS = 30.0
"""From a level that was found to the next look above it."""

MIN_EPOCH_SECONDS = 0.5
"""A level is judged over at least this, two answers for each place, and two latencies."""

MANY = 0.1
"""This share of overloads lowers the level; single ones have reasons of their own."""

FORGET = 0.1
"""How fast a share of overloads that is not the level's fault is forgotten, for each judgement."""

FALL = 0.7
"""The level after the server was overloaded, as a multiple."""

LATEST = 64
"""Answers whose median is the typical latency."""

STUCK, STUCK_SECONDS = 10.0, 1.0
"""A request out for this many typical latencies, and so long, is one that nobody is working at."""


class ConcurrencyState(enum.Enum):
    """The states of an adaptive concurrency."""

    SEARCHING = "searching"
    HOLDING = "holding"
    BACKED_OFF = "backed off"


class AdaptiveConcurrency:
    """The level of one run.

    ==========  ===========================  ====================================================
    state       what the level does          what ends it
    ==========  ===========================  ====================================================
    SEARCHING   it rises while that pays     two rises in turn do not pay: HOLDING; overloads:
                                             BACKED_OFF
    HOLDING     it stays                     `HOLD_SECONDS` have passed: SEARCHING; overloads:
                                             BACKED_OFF
    BACKED_OFF  it is `FALL` of what it was  few overloads: HOLDING; as many, and fewer answers:
                                             SEARCHING at the former level; else it falls again
    ==========  ===========================  ====================================================

    Args:
        most: Requests in flight at most.
        start: The first level; `most` where the level is not to be searched.

    Attributes:
        limit: The level: requests in flight.
        state: What it does at present.
    """

    def __init__(self, most: int, start: int) -> None:
        self._most = most
        self.limit = min(start, most)
        self.state = ConcurrencyState.SEARCHING
        self._ratio = FAST_RISE
        self._below: tuple[int, float] | None = None
        self._hold_until = 0.0
        self._since = 0.0
        self._answers = self._full = self._too_much = 0
        self._settling = True
        self._latencies: deque[float] = deque(maxlen=LATEST)
        self._fallen = (0, 0.0, 0.0)  # before it backed off: level, share of overloads, answers
        self._noise = 0.0

    def finished(self, now: float, seconds: float, *, was_full: bool, too_much: bool) -> None:
        """A request was answered.

        Args:
            now: Seconds on a clock that never goes back.
            seconds: How long it took.
            was_full: Whether the level was reached when it was sent.
            too_much: Whether the server was overloaded by it, or did not answer in time.
        """
        self._latencies.append(seconds)
        if self._settling:
            # what was sent at the former level must come back first
            if now - self._since >= 1.5 * seconds:
                self._since, self._settling = now, False
            return
        self._answers += 1
        self._full += was_full
        self._too_much += too_much
        long_enough = now - self._since >= max(MIN_EPOCH_SECONDS, 2 * seconds)
        if long_enough and self._answers >= 2 * self.limit:
            self._take_epoch(now)
            self._restart(now)

    def _take_epoch(self, now: float) -> None:
        """Set the level by what came of the epoch that ends now."""
        share = self._too_much / self._answers
        good = (self._answers - self._too_much) / (now - self._since)
        self._noise += min(0.0, share - self._noise) * FORGET
        if self._fell_in_vain(share, good):
            self.limit, self._noise = self._fallen[0], share
            self.state, self._ratio = ConcurrencyState.SEARCHING, FAST_RISE
        elif self._is_too_much():
            self._fallen = (self.limit, share, good)
            self._fall(now)
        else:
            if self.state is ConcurrencyState.BACKED_OFF:
                self.state = ConcurrencyState.HOLDING
            if self._full >= 0.8 * self._answers:
                self._judge(now, good)

    @property
    def stuck_seconds(self) -> float:
        """Out for longer than this, a request is stuck: it takes no place of the level's."""
        if not self._latencies:
            return math.inf
        return max(STUCK_SECONDS, STUCK * median(self._latencies))

    def _is_too_much(self) -> bool:
        by_chance = (MANY + self._noise) * self._answers
        return self._too_much >= by_chance + 2 * math.sqrt(by_chance)

    def _fell_in_vain(self, share: float, good: float) -> bool:
        if self.state is not ConcurrencyState.BACKED_OFF:
            return False
        level, share_before, good_before = self._fallen
        expected = (1 + self.limit / level) / 2  # halfway between no loss and a loss in full
        is_as_bad = 0.8 * share_before <= share < 0.5
        return is_as_bad and good < expected * good_before

    def _judge(self, now: float, rate: float) -> None:
        if self._below is not None and self.limit > self._below[0]:
            level, before = self._below
            if rate / before - 1 < WORTH * (self.limit / level - 1):
                self._step_back(now, level)
                return
        if self.state is ConcurrencyState.HOLDING and now >= self._hold_until:
            self.state = ConcurrencyState.SEARCHING
        if self.limit < self._most and self.state is ConcurrencyState.SEARCHING:
            self._below = (self.limit, rate)
            self.limit = min(self._most, max(self.limit + 1, int(self.limit * self._ratio)))

    def _fall(self, now: float) -> None:
        self.limit = max(1, int(self.limit * FALL))
        self._below = None
        self._ratio = SLOW_RISE
        self._hold_until = now + HOLD_SECONDS
        self.state = ConcurrencyState.BACKED_OFF

    def _step_back(self, now: float, level: int) -> None:
        self.limit = level
        self._below = None
        if self._ratio > SLOW_RISE:
            self._ratio = SLOW_RISE
        else:
            self._hold_until = now + HOLD_SECONDS
            self.state = ConcurrencyState.HOLDING

    def _restart(self, now: float) -> None:
        self._since = now
        self._answers = self._full = self._too_much = 0
        self._settling = True
