"""Several endpoints of one model as one serving.

Each request goes where the least is waiting for its latency: a fast endpoint takes more, a slow one
less. Each has a tempo of its own, since a rate limit is an endpoint's or a key's. An endpoint that
fails several times in a row rests, longer each time, and is then tried with one request; its rows
go to the others, as any row that is tried again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from dataflow.core.errors import (
    AskTimeoutError,
    ConnectionLostError,
    OverloadedError,
    RateLimitedError,
    TryAgainError,
    UsageError,
)
from dataflow.core.picture import Picture
from dataflow.core.request import Reply, Request
from dataflow.core.serving import Asker, EngineServing
from dataflow.engine.limiter import LOOK_SECONDS, tokens_of
from dataflow.engine.tempo import Tempo
from dataflow.serving.lists import ListServing

FAILURES = 3
"""So many failures of an endpoint without an answer between them, and it rests."""

RESTS = (1.0, 2.0, 4.0, 8.0, 15.0)
"""Seconds of its first, second … rest; the last one repeats."""

RECENT = 0.1
"""Weight of the latest answer in an endpoint's latency."""


class SpreadServing(ListServing):
    """Endpoints of one model, as one serving.

    Args:
        endpoints: At least one; all with the same model and sampling.

    Raises:
        UsageError: there is none, or they differ in what determines an answer.
    """

    seeks_level = True
    keeps_tempo = True

    def __init__(self, endpoints: Sequence[EngineServing]) -> None:
        if not endpoints:
            raise UsageError("no endpoint is given")
        if any(e.settings() != endpoints[0].settings() for e in endpoints):
            raise UsageError("the endpoints differ in model or sampling; captions would, too")
        self._endpoints = tuple(endpoints)
        self.model = endpoints[0].model
        self.api_urls = [url for endpoint in endpoints for url in endpoint.api_urls]
        self.max_workers = sum(e.max_workers for e in endpoints)

    def settings(self) -> Mapping[str, Any]:
        """Model and sampling, which are the same at every endpoint."""
        return self._endpoints[0].settings()

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Asker]:
        """Open every endpoint for the running event loop."""
        async with AsyncExitStack() as stack:
            yield _Spread(
                [
                    _Endpoint(await stack.enter_async_context(e.connect()), e.max_workers)
                    for e in self._endpoints
                ]
            )

    def cleanup(self) -> None:
        """Clean up every endpoint."""
        for endpoint in self._endpoints:
            endpoint.cleanup()


class _Endpoint:
    """One endpoint: what is waiting for it, how long it takes, whether it rests."""

    def __init__(self, asker: Asker, places: int) -> None:
        self._asker = asker
        self._places = places
        self._outstanding = 0
        self._tempo = Tempo()
        self._pacing = asyncio.Lock()
        self._latency = 0.0
        self._failures = 0
        self._rests = 0
        self._rests_until = float("-inf")

    @property
    def is_free(self) -> bool:
        return self._outstanding < self._places

    def is_resting(self, now: float) -> bool:
        """Resting, or tried with one request that has not come back."""
        return self._failures >= FAILURES and (now < self._rests_until or self._outstanding > 0)

    def rank(self) -> tuple[float, int]:
        """The least is asked next: about how soon it will have answered all and one more."""
        wait = self._tempo.wait(time.monotonic())
        return (self._outstanding + 1) * self._latency + wait, self._outstanding

    def back_at(self) -> float:
        """When its rest ends."""
        return self._rests_until

    async def ask(self, request: Request, pictures: Sequence[Picture]) -> Reply:
        self._outstanding += 1
        outcome: Reply | TryAgainError | None = None
        try:
            began, tokens = await self._turn()
            try:
                outcome = await self._asker.ask(request, pictures)
            except TryAgainError as error:
                outcome = error
                raise
            finally:
                self._ended(began, tokens, outcome)
        finally:
            self._outstanding -= 1
        return outcome

    async def _turn(self) -> tuple[float, float]:
        """Wait until its tempo allows a request; the time, and the tokens it is taken to cost."""
        async with self._pacing:
            while (wait := self._tempo.wait(time.monotonic())) > 0:  # noqa: ASYNC110 - a time
                await asyncio.sleep(min(wait, LOOK_SECONDS))
            now = time.monotonic()
            return now, self._tempo.sent(now)

    def _ended(self, began: float, tokens: float, outcome: Reply | TryAgainError | None) -> None:
        now = time.monotonic()
        self._tempo.ended(now, taken_to_cost=tokens, cost=tokens_of(outcome))
        if isinstance(outcome, Reply):
            self._answered(now - began)
            if outcome.allowance is not None:
                self._tempo.told(now, outcome.allowance, self._outstanding - 1)
        elif isinstance(outcome, RateLimitedError):
            self._tempo.turned_down(now, began)
        elif isinstance(outcome, (ConnectionLostError, OverloadedError, AskTimeoutError)):
            self._failed()

    def _answered(self, seconds: float) -> None:
        self._failures = self._rests = 0
        if not self._latency:
            self._latency = seconds
        self._latency += RECENT * (seconds - self._latency)

    def _failed(self) -> None:
        self._failures += 1
        if self._failures >= FAILURES:
            rest = RESTS[min(self._rests, len(RESTS) - 1)]
            self._rests += 1
            self._rests_until = time.monotonic() + rest


class _Spread:
    """The open endpoints."""

    def __init__(self, endpoints: Sequence[_Endpoint]) -> None:
        self._endpoints = endpoints

    async def ask(self, request: Request, pictures: Sequence[Picture]) -> Reply:
        """One attempt at the endpoint that will be done first."""
        return await self._next().ask(request, pictures)

    def _next(self) -> _Endpoint:
        now = time.monotonic()
        awake = [e for e in self._endpoints if not e.is_resting(now)]
        if not awake:
            return min(self._endpoints, key=_Endpoint.back_at)
        return min((e for e in awake if e.is_free), key=_Endpoint.rank, default=awake[0])
