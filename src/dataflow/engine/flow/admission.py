"""Admission: a request waits here until it may be sent.

`AdaptiveConcurrency` finds how many requests are worth having in flight, `RateLimiter` when the
next one may be sent; a request waits for both. One that is out far longer than the others (a lost
connection, a worker that hangs) is nothing that the server works at: another takes its slot.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from dataflow.core.aio import FifoWaiters, now
from dataflow.core.errors import (
    AskTimeoutError,
    ConnectionLostError,
    OverloadedError,
    RateLimitedError,
    TryAgainError,
)
from dataflow.core.request import Reply
from dataflow.engine.flow.adaptive_concurrency import AdaptiveConcurrency
from dataflow.engine.flow.rate_limiter import RateLimiter

LOOK_SECONDS = 0.5
"""How often requests in flight are looked at while others wait, and the rate while one waits for
it."""


@dataclass(frozen=True, slots=True, eq=False)
class Permit:
    """A request's right to be sent.

    Attributes:
        sent: When it was given, in seconds of the event loop's clock.
        was_full: Whether there were at least as many requests as slots.
        tokens: What it is taken to cost.
    """

    sent: float
    was_full: bool
    tokens: float


class AdmissionController:
    """Admits the requests of one run, or of one endpoint; used from one event loop only.

    Args:
        concurrency: How many requests are in flight.
        rate: How fast they follow each other.
        learns: Whether what becomes of the requests changes both; several endpoints, each with
            a controller of its own, do that themselves.
    """

    def __init__(
        self, concurrency: AdaptiveConcurrency, rate: RateLimiter, *, learns: bool = True
    ) -> None:
        self._concurrency = concurrency
        self._rate = rate
        self._learns = learns
        self._in_flight = 0
        self._in_use: dict[Permit, None] = {}
        self._look: asyncio.TimerHandle | None = None
        self._waiting: FifoWaiters[None, None] = FifoWaiters()
        self._pacing = asyncio.Lock()

    @property
    def in_flight(self) -> int:
        """Requests in flight, but for those that are stuck."""
        return self._in_flight

    @property
    def limit(self) -> int:
        """How many requests it lets be in flight at present."""
        return self._concurrency.limit

    @property
    def is_free(self) -> bool:
        """Whether `acquire` returns at once."""
        has_slot = not self._waiting and self._in_flight < self._concurrency.limit
        return has_slot and self._rate.wait(now()) <= 0

    @property
    def requests_per_second(self) -> float | None:
        """The rate that the server's refusals leave, and nothing else; None where it has none."""
        return self._rate.learned_rate(now())

    async def acquire(self, *, others_wait: bool = False) -> Permit:
        """Wait, first come first served, until a request may be sent.

        Args:
            others_wait: Whether more requests wait elsewhere for a slot here.
        """
        if self._waiting or self._in_flight >= self._concurrency.limit:
            await self._turn()
        else:
            self._in_flight += 1
        try:
            was_full = others_wait or self._in_flight >= self._concurrency.limit
            async with self._pacing:  # one at a time, so that each sees the latest rate
                while (wait := self._rate.wait(now())) > 0:  # noqa: ASYNC110 - a time
                    await asyncio.sleep(min(wait, LOOK_SECONDS))
                at = now()
                tokens = self._rate.sent(at)
        except asyncio.CancelledError:
            self._free_slot()
            raise
        permit = Permit(at, was_full, tokens)
        self._in_use[permit] = None
        return permit

    def release(self, permit: Permit, outcome: Reply | TryAgainError | None = None) -> None:
        """The request that was sent with `permit` has ended; None where the row has an error."""
        at = now()
        self._rate.ended(at, taken_to_cost=permit.tokens, cost=tokens_of(outcome))
        if self._learns:
            self._learn(at, permit, outcome)
        self.release_slot(permit)

    def _learn(self, at: float, permit: Permit, outcome: Reply | TryAgainError | None) -> None:
        if isinstance(outcome, Reply) and outcome.rate_limit is not None:
            self._rate.observe(at, outcome.rate_limit, self._in_flight - 1)
        if isinstance(outcome, RateLimitedError):
            self._rate.turned_down(at, permit.sent)
        elif not isinstance(outcome, ConnectionLostError):  # which tells nothing of the engine
            self._concurrency.finished(
                at,
                at - permit.sent,
                was_full=permit.was_full,
                too_much=isinstance(outcome, (OverloadedError, AskTimeoutError)),
            )

    def release_slot(self, permit: Permit) -> None:
        """Give its slot to another, unless that was done already."""
        if permit in self._in_use:
            del self._in_use[permit]
            self._free_slot()

    async def _turn(self) -> None:
        if self._look is None:
            self._look = asyncio.get_running_loop().call_later(LOOK_SECONDS, self._look_for_stuck)
        await self._waiting.wait(None, hand_back=lambda _: self._free_slot())

    def release_stuck(self) -> None:
        """Give the slots of requests that are stuck to others."""
        before = now() - self._concurrency.stuck_seconds
        for permit in [permit for permit in self._in_use if permit.sent < before]:
            self.release_slot(permit)

    def _look_for_stuck(self) -> None:
        self.release_stuck()
        self._look = None
        if self._waiting:
            self._look = asyncio.get_running_loop().call_later(LOOK_SECONDS, self._look_for_stuck)

    def _free_slot(self) -> None:
        self._in_flight -= 1
        while self._in_flight < self._concurrency.limit and self._waiting.grant(None):
            self._in_flight += 1


def tokens_of(outcome: Reply | TryAgainError | None) -> int | None:
    """The tokens that a request cost, as far as the server said."""
    if isinstance(outcome, RateLimitedError):
        return 0
    if not isinstance(outcome, Reply) or outcome.usage.prompt_tokens is None:
        return None
    return outcome.usage.prompt_tokens + (outcome.usage.completion_tokens or 0)
