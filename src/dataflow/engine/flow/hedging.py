"""Hedging: a request that is out far longer than the others is asked once more beside itself.

A lost connection, a half-open socket or a worker that hangs holds a request until its timeout,
and with it the end of the run. When nothing else is left to send, such a request gets a second
attempt; the first answer wins, and the other attempt is cancelled (J. Dean and L. A. Barroso, "The
Tail at Scale", https://doi.org/10.1145/2408776.2408794). Arithmetic on given times only.
"""

from __future__ import annotations

import math
from collections import deque

LEAST_SECONDS = 30.0
"""No request is asked twice before it has been out for this."""

MULTIPLE = 3.0
"""Nor before it has been out this many times as long as nearly all others took."""

NEARLY_ALL = 0.95
"""The share of the latest answers that the multiple is taken of."""

LATEST = 256
"""Answers that are looked at."""

ENOUGH = 8
"""Answers that tell how long one takes."""

GIVE_UP_SHARE = 0.75
"""The second attempt is given up after this share of what the first was given …"""

GIVE_UP_MULTIPLE = 4.0
"""… and not before this many times the longest answer of the run."""

FREE_HEDGES, HEDGED_SHARE = 24, 0.02
"""Second attempts of one run at most: so many, or this share of its requests."""


class HedgePolicy:
    """Which requests are asked twice, by the latencies of one run.

    Args:
        least_seconds: See `LEAST_SECONDS`.
    """

    def __init__(self, least_seconds: float = LEAST_SECONDS) -> None:
        self._least_seconds = least_seconds
        self._latest: deque[float] = deque(maxlen=LATEST)
        self._longest = 0.0
        self._requests = 0
        self._hedges = 0

    def record_sent(self) -> None:
        """A request was sent."""
        self._requests += 1

    def record_reply(self, seconds: float) -> None:
        """A request was answered after this many seconds."""
        self._latest.append(seconds)
        self._longest = max(self._longest, seconds)

    def record_hedge(self) -> None:
        """A second attempt was made."""
        self._hedges += 1

    @property
    def may_hedge(self) -> bool:
        """Whether one more second attempt stays within the bound on their cost."""
        return self._hedges < max(FREE_HEDGES, HEDGED_SHARE * self._requests)

    @property
    def hedge_after(self) -> float:
        """Seconds after which a request is asked a second time; infinite where none can tell."""
        if len(self._latest) < ENOUGH:
            return math.inf
        return max(self._least_seconds, MULTIPLE * self.usual)

    @property
    def give_up_after(self) -> float:
        """Seconds after which a second attempt is given up too."""
        return max(GIVE_UP_SHARE * self.hedge_after, GIVE_UP_MULTIPLE * self._longest)

    @property
    def usual(self) -> float:
        """Seconds in which nearly all of the latest requests were answered; 0 before any was."""
        if not self._latest:
            return 0.0
        ordered = sorted(self._latest)
        return ordered[min(len(ordered) - 1, math.ceil(NEARLY_ALL * len(ordered)) - 1)]
