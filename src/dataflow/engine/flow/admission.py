"""How many requests are in flight, and how fast they follow each other.

`AdaptiveConcurrency` finds how many are worth having in flight, `RateLimiter` when the next one
may be sent; this is where requests wait for both. A request that is out far longer than the others
(a lost connection, a worker that hangs) is nothing that the server is working at: its place is
given to another.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass

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
"""How often requests that are out are looked at while others wait, and the tempo while one waits
for it."""


@dataclass(frozen=True, slots=True, eq=False)
class Permit:
    """A request's right to be sent.

    Attributes:
        sent: `time.monotonic()` when it was given.
        was_full: Whether there were at least as many requests as places.
        tokens: What it is taken to cost.
    """

    sent: float
    was_full: bool
    tokens: float


class AdmissionController:
    """One run's limiter, used from its event loop only.

    Args:
        level: How many requests are in flight.
        tempo: How fast they follow each other.
        learns: Whether what becomes of the requests changes level and tempo; several endpoints,
            each with its own, see to that themselves.
    """

    def __init__(
        self, level: AdaptiveConcurrency, tempo: RateLimiter, *, learns: bool = True
    ) -> None:
        self._level = level
        self._tempo = tempo
        self._learns = learns
        self._in_flight = 0
        self._out: dict[Permit, None] = {}
        self._look: asyncio.TimerHandle | None = None
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._pacing = asyncio.Lock()

    @property
    def in_flight(self) -> int:
        """Requests in flight, but for those that are stuck."""
        return self._in_flight

    @property
    def is_free(self) -> bool:
        """Whether `enter` returns at once."""
        has_place = not self._waiting and self._in_flight < self._level.limit
        return has_place and self._tempo.wait(time.monotonic()) <= 0

    async def enter(self, *, others_wait: bool = False) -> Permit:
        """Wait, first come first served, until a request may be sent.

        Args:
            others_wait: Whether more requests wait elsewhere for a place here.
        """
        if self._waiting or self._in_flight >= self._level.limit:
            await self._turn()
        else:
            self._in_flight += 1
        try:
            was_full = others_wait or self._in_flight >= self._level.limit
            async with self._pacing:  # one at a time, so that each sees the latest tempo
                while (wait := self._tempo.wait(time.monotonic())) > 0:  # noqa: ASYNC110 - a time
                    await asyncio.sleep(min(wait, LOOK_SECONDS))
                now = time.monotonic()
                tokens = self._tempo.sent(now)
        except asyncio.CancelledError:
            self._give_place()
            raise
        given = Permit(now, was_full, tokens)
        self._out[given] = None
        return given

    def leave(self, given: Permit, outcome: Reply | TryAgainError | None = None) -> None:
        """The request that was sent with `given` has ended; None where the row has an error."""
        now = time.monotonic()
        self._tempo.ended(now, taken_to_cost=given.tokens, cost=tokens_of(outcome))
        if self._learns:
            self._learn(now, given, outcome)
        self.give_back(given)

    def _learn(self, now: float, given: Permit, outcome: Reply | TryAgainError | None) -> None:
        if isinstance(outcome, Reply) and outcome.rate_limit is not None:
            self._tempo.told(now, outcome.rate_limit, self._in_flight - 1)
        if isinstance(outcome, RateLimitedError):
            self._tempo.turned_down(now, given.sent)
        elif not isinstance(outcome, ConnectionLostError):  # which tells nothing of the engine
            self._level.finished(
                now,
                now - given.sent,
                was_full=given.was_full,
                too_much=isinstance(outcome, (OverloadedError, AskTimeoutError)),
            )

    def give_back(self, given: Permit) -> None:
        """Give its place to another, unless that was done already."""
        if given in self._out:
            del self._out[given]
            self._give_place()

    async def _turn(self) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        if self._look is None:
            self._look = asyncio.get_running_loop().call_later(LOOK_SECONDS, self._look_for_stuck)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._give_place()
            raise

    def release_stuck(self) -> None:
        """Give the places of requests that are stuck to others."""
        before = time.monotonic() - self._level.stuck_seconds
        for given in [given for given in self._out if given.sent < before]:
            self.give_back(given)

    def _look_for_stuck(self) -> None:
        self.release_stuck()
        self._look = None
        if self._waiting:
            self._look = asyncio.get_running_loop().call_later(LOOK_SECONDS, self._look_for_stuck)

    def _give_place(self) -> None:
        self._in_flight -= 1
        while self._waiting and self._in_flight < self._level.limit:
            turn = self._waiting.popleft()
            if not turn.done():
                self._in_flight += 1
                turn.set_result(None)


def tokens_of(outcome: Reply | TryAgainError | None) -> int | None:
    """The tokens that a request cost, as far as the server said."""
    if isinstance(outcome, RateLimitedError):
        return 0
    if not isinstance(outcome, Reply) or outcome.usage.prompt_tokens is None:
        return None
    return outcome.usage.prompt_tokens + (outcome.usage.completion_tokens or 0)
