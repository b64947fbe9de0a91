"""What is tried again, how often, how long, with what waits: one table.

Each kind of failure counts by itself: on a bad day a row meets several, and a reset should not use
up what is granted to a rate limit.

Errors that are not in the table are not tried again: a `RowError` fails its row, a `StopRunError`
stops the run.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from dataflow.core.errors import (
    AskTimeoutError,
    ConnectionLostError,
    GarbledReplyError,
    OverloadedError,
    RateLimitedError,
    TryAgainError,
)


@dataclass(frozen=True, slots=True)
class Rule:
    """How one kind of failure is tried again.

    Attributes:
        attempts: Requests of one row that may end so.
        seconds: From the first of them, no attempt starts later than this; the time in which the
            run pauses is not counted.
        base: Seconds; the first wait lies between 0 and this, each later bound is twice the last.
        cap: Seconds; no bound grows past this.
    """

    attempts: int
    seconds: float
    base: float
    cap: float


RULES: dict[type[TryAgainError], Rule] = {
    RateLimitedError: Rule(attempts=30, seconds=1800, base=1.0, cap=60),
    OverloadedError: Rule(attempts=10, seconds=900, base=0.5, cap=60),
    ConnectionLostError: Rule(attempts=12, seconds=900, base=0.5, cap=30),
    GarbledReplyError: Rule(attempts=6, seconds=300, base=0.5, cap=10),
    AskTimeoutError: Rule(attempts=4, seconds=7200, base=0.5, cap=10),
    TryAgainError: Rule(attempts=4, seconds=300, base=0.5, cap=10),
}

MAX_RETRY_AFTER = 600.0
"""Seconds: a server that asks for a longer wait than this is asked again after this."""

BREAKER_ERRORS = (ConnectionLostError, OverloadedError, AskTimeoutError, GarbledReplyError)
"""Failures that, many in a row, mean that the server itself is down; a page that says so in place
of answers is one of them."""

BREAKER_ROWS = 8
"""So many rows that fail without one answer between them pause the run; one request then probes."""

PROBE_WAITS = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
"""Seconds before each probe of a paused run; the last one repeats."""

FIRST_CONTACT_SECONDS = 5.0
"""An address at which nobody has answered yet, be it to say "busy", is given up after this."""

GIVE_UP_SECONDS = 600.0
"""A server that answered before and is down now is given up after this (`--give-up-after`)."""


def kind_of(error: TryAgainError) -> type[TryAgainError]:
    """The kind in `RULES` that this failure counts as."""
    return next((kind for kind in type(error).__mro__ if kind in RULES), TryAgainError)


def rule_for(error: TryAgainError) -> Rule:
    """The rule for this kind of error."""
    return RULES[kind_of(error)]


def wait_before_next(
    error: TryAgainError, attempts: int, elapsed: float, *, rng: random.Random
) -> float | None:
    """Seconds to wait before the next attempt, or None when there is to be none.

    Exponential backoff with full jitter (https://aws.amazon.com/blogs/architecture/
    exponential-backoff-and-jitter/); what the server asked for is waited at least, with up to a
    tenth more so that the waiting rows do not come back all at once.

    Args:
        error: The latest failure.
        attempts: The row's failures of this kind so far.
        elapsed: Seconds since the first of them.
        rng: Where the jitter comes from.
    """
    rule = rule_for(error)
    if attempts >= rule.attempts:
        return None
    wait = rng.uniform(0, min(rule.cap, rule.base * 2.0 ** (attempts - 1)))
    if error.retry_after is not None:
        asked = min(max(error.retry_after, 0.0), MAX_RETRY_AFTER)
        wait = max(wait, asked * rng.uniform(1.0, 1.1))
    return wait if elapsed + wait <= rule.seconds else None
