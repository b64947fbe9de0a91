"""The pace of requests: as fast as the server's rate limit allows, and hardly any beyond.

A server tells its rate limit only by turning requests down (HTTP 429). At the first of those
nothing is sent for a second, which shows how many are taken; from then on requests are spaced out
at that rate, at first growing fast to find the limit, then as CUBIC does for TCP (RFC 9438,
section 4.2): a little under the known limit, a plateau at it, then faster and faster in case it was
lifted. Some servers also turn requests down at random. The share of those is seen just under the
known limit, where a rate limit turns down none, and is not taken for a sign. Arithmetic on given
times only.
"""

from __future__ import annotations

import enum
from collections import deque

CUT = 0.97
"""The pace after a request was turned down, as a share of the rate at which they were taken."""

DOUBLING_SECONDS = 8.0
"""So long after the plateau the pace is twice the known limit."""

PLATEAU_SECONDS = DOUBLING_SECONDS * (1 - CUT) ** (1 / 3)
"""From a cut to the plateau: the cubic that begins at `CUT`."""

START_DOUBLING_SECONDS = 2.0
"""Before the limit was met a second time, the pace doubles in this."""

CUT_SECONDS = 1.0
"""Refusals within this time are one sign, not many."""

MANY = 0.1
"""This share of refusals means the rate at any time; fewer do only where the pace has passed the
known limit, since servers also turn down single requests for reasons of their own."""

MANY_AT_FIRST = 0.2
"""The share that means a limit where none was met yet: a pace that is a quarter beyond it."""

ENOUGH = 20
"""Requests that tell a share."""

NOISE = 0.04
"""A share of refusals below the known limit that is more than what a limit met unluckily gives."""

LATENESS_SECONDS = 0.1
"""What timers were late by is made up, up to this."""

SLOWEST = 0.1
"""Requests per second that are always tried."""


class RateState(enum.Enum):
    """The states of a pace."""

    UNLIMITED = "unlimited"
    COUNTING = "counting"
    STARTING = "starting"
    CUBIC = "cubic"


class CubicRate:
    """The pace of one stream of requests.

    =========  ======================================  =====================================
    state      the pace                                what ends it
    =========  ======================================  =====================================
    UNLIMITED  any                                     many are turned down: COUNTING
    COUNTING   nothing is sent                         `CUT_SECONDS` have passed: STARTING at
                                                       the rate of those that were taken
    STARTING   doubles in `START_DOUBLING_SECONDS`     many are turned down: CUBIC
    CUBIC      from `CUT` of the known limit by the    many are turned down, or a few beyond
               cubic through it                        the plateau: CUBIC anew
    =========  ======================================  =====================================

    Attributes:
        state: How the pace goes at present.
    """

    def __init__(self) -> None:
        self.state = RateState.UNLIMITED
        self._sent: deque[float] = deque()
        self._refused: deque[float] = deque()
        self._first: float | None = None
        self._learn_at = 0.0
        self._known: float | None = None
        self._cut_at = 0.0
        self._next = float("-inf")
        self._below_sent = self._below_refused = 0
        self._shares_below: deque[float] = deque(maxlen=3)

    def rate(self, now: float) -> float | None:
        """Requests per second at `now`; None for no limit."""
        if self._known is None:
            return None
        since = now - self._cut_at
        if self.state is RateState.STARTING:
            grown = 2 ** min(since / START_DOUBLING_SECONDS, 30)  # 30: as good as no limit
        else:
            grown = 1 + ((since - PLATEAU_SECONDS) / DOUBLING_SECONDS) ** 3
        return self._known * grown

    def wait(self, now: float) -> float:
        """Seconds until the next request may be sent."""
        if self.state is RateState.COUNTING:
            if now < self._learn_at:
                return self._learn_at - now
            self._cut(now)
        return max(0.0, self._next - now)

    def sent(self, now: float) -> None:
        """A request is sent."""
        if self._first is None:
            self._first = now
        self._sent.append(now)
        self._below_sent += self._is_below(now)
        self._forget(now)
        rate = self.rate(now)
        if rate is not None:
            self._next = max(self._next, now - LATENESS_SECONDS) + 1 / rate

    def turned_down(self, now: float, sent_at: float) -> None:
        """The request sent at `sent_at` was turned down because of its rate."""
        self._refused.append(sent_at)
        self._below_refused += self._is_below(sent_at)
        self._forget(now)
        by_chance = self._noise * len(self._sent)
        beyond = len(self._refused) - by_chance - 4 * by_chance**0.5
        many = beyond >= max(2, MANY * len(self._sent))
        if self._known is None:
            limit = MANY_AT_FIRST * len(self._sent)
            many = len(self._sent) >= 8 and beyond >= limit + 2 * limit**0.5
            if many and self.state is RateState.UNLIMITED:
                self.state, self._learn_at = RateState.COUNTING, now + CUT_SECONDS
        elif now - self._cut_at >= CUT_SECONDS and sent_at > self._cut_at:
            is_cubic = self.state is RateState.CUBIC
            is_past_plateau = is_cubic and now - self._cut_at >= PLATEAU_SECONDS
            if many or (is_past_plateau and beyond > 0):
                self._cut(now)

    @property
    def _noise(self) -> float:
        """The share that is turned down at any rate: the least of the latest ones seen."""
        share = min(self._shares_below) if len(self._shares_below) > 1 else 0.0
        return share if share >= NOISE else 0.0

    def _is_below(self, at: float) -> bool:
        """Whether the pace was under the known limit at this time."""
        is_cubic = self.state is RateState.CUBIC
        return is_cubic and self._cut_at <= at < self._cut_at + PLATEAU_SECONDS

    def _cut(self, now: float) -> None:
        self._forget(now)
        if self._below_sent >= ENOUGH:
            self._shares_below.append(min(0.9, self._below_refused / self._below_sent))
            self._below_sent = self._below_refused = 0
        first = now if self._first is None else self._first
        seconds = min(self._window(), max(1.0, now - first))
        taken = (len(self._sent) - len(self._refused)) / seconds / (1 - self._noise)
        rate = self.rate(now)
        self.state = RateState.STARTING if self._known is None else RateState.CUBIC
        self._known = max(SLOWEST, taken if rate is None else min(taken, rate))
        self._cut_at = now

    def _window(self) -> float:
        """Seconds over which what was taken is counted: enough for twenty requests."""
        return 2.0 if self._known is None else min(10.0, max(1.0, 20 / self._known))

    def _forget(self, now: float) -> None:
        for times in (self._sent, self._refused):
            while times and times[0] <= now - self._window():
                times.popleft()
