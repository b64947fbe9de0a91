"""When the next request may be sent: what the user allows, the server says, its refusals teach.

Three limits on one stream of requests: `--rpm` and `--tpm` of the user, which are never passed;
what the server says is left until its own limit is filled up again, which is spread evenly over
that time; and the pace that is learned from refusals. Arithmetic on given times only.
"""

from __future__ import annotations

from dataflow.core.request import RateLimitStatus
from dataflow.engine.flow.cubic_rate import CubicRate

FIRST_TOKENS = 1500.0
"""Tokens that a request is taken to cost before one has told: a picture and a long caption."""

RECENT = 0.05
"""Weight of the latest answer in what a request is taken to cost."""

LONGEST_WINDOW = 120.0
"""Seconds; the quota of an hour or a day sets no pace. It is used up, and its refusal heeded."""

LATENESS_SECONDS = 0.1
"""What timers were late by is made up, up to this."""


class TokenBucket:
    """Something that may be used at so much a second; what was used too early is waited for.

    Args:
        most: So much a second, never to be passed; None for no limit.
    """

    def __init__(self, most: float | None) -> None:
        self._most = most
        self._observed: float | None = None
        self._debt = 0.0
        self._at: float | None = None  # before the first use no timer can have been late

    @property
    def rate(self) -> float | None:
        """So much a second; None for no limit."""
        return min((r for r in (self._most, self._observed) if r is not None), default=None)

    def wait(self, now: float) -> float:
        """Seconds until nothing is owed."""
        self._pay(now)
        return max(0.0, self._debt) / rate if (rate := self.rate) is not None else 0.0

    def use(self, amount: float, now: float) -> None:
        """So much is used; a negative amount gives back what was counted too much."""
        self._pay(now)
        self._at = now
        self._debt += amount

    def observe(self, rate: float, now: float) -> None:
        """The server's limit as it stands now."""
        self._pay(now)
        self._observed = rate

    def _pay(self, now: float) -> None:
        if self._at is None:
            return
        rate = self.rate
        if rate is None:
            self._debt = 0.0
        elif now > self._at:
            least = min(self._debt, -LATENESS_SECONDS * rate)
            self._debt = max(least, self._debt - (now - self._at) * rate)
        self._at = now


class RateLimiter:
    """The tempo of one stream of requests.

    Args:
        per_minute: Requests a minute that the user allows; None for any number.
        tokens_per_minute: Tokens a minute, those read and those written; None for any number.
    """

    def __init__(
        self, per_minute: float | None = None, tokens_per_minute: float | None = None
    ) -> None:
        self._pace = CubicRate()
        self._requests = TokenBucket(None if per_minute is None else per_minute / 60)
        self._tokens = TokenBucket(None if tokens_per_minute is None else tokens_per_minute / 60)
        self._usual: float | None = None

    def learned_rate(self, now: float) -> float | None:
        """Requests per second that the server takes, by its refusals; None before any."""
        return self._pace.rate(now)

    def wait(self, now: float) -> float:
        """Seconds until the next request may be sent."""
        return max(self._pace.wait(now), self._requests.wait(now), self._tokens.wait(now))

    def sent(self, now: float) -> float:
        """A request is sent; returns the tokens that it is taken to cost."""
        self._pace.sent(now)
        self._requests.use(1, now)
        tokens = FIRST_TOKENS if self._usual is None else self._usual
        self._tokens.use(tokens, now)
        return tokens

    def ended(self, now: float, *, taken_to_cost: float, cost: int | None) -> None:
        """A request ended.

        Args:
            now: Seconds on a clock that never goes back.
            taken_to_cost: What `sent` returned.
            cost: Tokens as the server counted them; 0 where it did no work; None where it did not
                say, so that what was taken stays.
        """
        if cost is None:
            return
        self._tokens.use(cost - taken_to_cost, now)
        if cost > 0:
            usual = cost if self._usual is None else self._usual
            self._usual = usual + RECENT * (cost - usual)

    def observe(self, now: float, allowance: RateLimitStatus, in_flight: int) -> None:
        """The server said what is left; those in flight may not be in its count yet."""
        if allowance.requests is not None and allowance.requests_seconds <= LONGEST_WINDOW:
            left = max(1.0, allowance.requests - in_flight)
            self._requests.observe(left / allowance.requests_seconds, now)
        is_pace = allowance.tokens_seconds <= LONGEST_WINDOW
        if allowance.tokens is not None and is_pace and self._usual is not None:
            left = max(self._usual, allowance.tokens - in_flight * self._usual)
            self._tokens.observe(left / allowance.tokens_seconds, now)

    def turned_down(self, now: float, sent_at: float) -> None:
        """The request sent at `sent_at` was turned down because of its rate."""
        self._pace.turned_down(now, sent_at)
