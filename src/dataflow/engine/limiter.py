"""How many requests are in flight, and how fast they follow each other.

`Level` finds how many are worth having in flight, `Pace` how fast the server takes them; this is
where requests wait for both.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass

from dataflow.core.errors import (
    AskTimeoutError,
    OverloadedError,
    RateLimitedError,
    TryAgainError,
)
from dataflow.engine.level import Level
from dataflow.engine.pace import Pace


@dataclass(frozen=True, slots=True)
class Pass:
    """A request's right to be sent.

    Attributes:
        sent: `time.monotonic()` when it was given.
        was_full: Whether as many were in flight as are worth it.
    """

    sent: float
    was_full: bool


class Limiter:
    """One run's limiter, used from its event loop only.

    Args:
        level: How many requests are in flight.
        pace: How fast they follow each other.
    """

    def __init__(self, level: Level, pace: Pace) -> None:
        self._level = level
        self._pace = pace
        self._in_flight = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._pacing = asyncio.Lock()

    @property
    def limit(self) -> int:
        """Requests in flight at most, at this time."""
        return self._level.limit

    async def enter(self) -> Pass:
        """Wait, first come first served, until a request may be sent."""
        if self._waiting or self._in_flight >= self._level.limit:
            await self._turn()
        else:
            self._in_flight += 1
        try:
            was_full = self._in_flight >= self._level.limit
            async with self._pacing:  # one at a time, so that each sees the latest pace
                while (wait := self._pace.wait(time.monotonic())) > 0:  # noqa: ASYNC110 - a time
                    await asyncio.sleep(wait)
                now = time.monotonic()
                self._pace.sent(now)
        except asyncio.CancelledError:
            self.give_back()
            raise
        return Pass(now, was_full)

    def leave(self, given: Pass, error: TryAgainError | None = None) -> None:
        """The request that was sent with `given` has ended, well or with `error`."""
        now = time.monotonic()
        if isinstance(error, RateLimitedError):
            self._pace.turned_down(now, given.sent)
        else:
            self._level.finished(
                now,
                now - given.sent,
                was_full=given.was_full,
                too_much=isinstance(error, (OverloadedError, AskTimeoutError)),
            )
        self.give_back()

    async def _turn(self) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.give_back()
            raise

    def give_back(self) -> None:
        """One that entered makes no request after all, or has ended."""
        self._in_flight -= 1
        while self._waiting and self._in_flight < self._level.limit:
            turn = self._waiting.popleft()
            if not turn.done():
                self._in_flight += 1
                turn.set_result(None)
