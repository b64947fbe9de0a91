"""Several endpoints of one model as one serving.

Each endpoint has a level and a tempo of its own, as a run with one endpoint has: so a fast one
takes more and a slow one less, and a rate limit, which is an endpoint's or a key's, slows nobody
else. A request goes to the endpoint with a free place that will answer soonest. An endpoint that
fails several times in a row rests, and is then tried with one request; its rows go to the others,
as any row that is tried again.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from dataflow.core.aio import now
from dataflow.core.errors import RowError, StopRunError, TryAgainError, UsageError
from dataflow.core.picture import Picture
from dataflow.core.request import Reply, Request
from dataflow.core.serving import AsyncServing, Client
from dataflow.engine.flow.adaptive_concurrency import START, AdaptiveConcurrency
from dataflow.engine.flow.admission import AdmissionController, Permit
from dataflow.engine.flow.rate_limiter import RateLimiter
from dataflow.engine.flow.retry_policy import BREAKER_ERRORS
from dataflow.serving.base.list_serving import ListServing

FAILURES = 3
"""So many failures of an endpoint without an answer between them, and it rests.

A row that it turned down and another endpoint answered is one of its failures."""

RESTS = (1.0, 2.0)
"""Seconds of its first, second … rest; the last one repeats."""

RECENT = 0.1
"""Weight of the latest answer in an endpoint's latency."""

LOOK_SECONDS = 0.25
"""How often the endpoints are looked at while a request waits for a free one."""


class LoadBalancedServing(ListServing):
    """Endpoints of one model, as one serving.

    Args:
        endpoints: At least one; all with the same model and sampling.

    Raises:
        UsageError: there is none, or they differ in what determines an answer.
    """

    self_limiting = True

    def __init__(self, endpoints: Sequence[AsyncServing]) -> None:
        if not endpoints:
            raise UsageError("no endpoint is given")
        if any(e.settings() != endpoints[0].settings() for e in endpoints):
            raise UsageError("the endpoints differ in model or sampling; captions would, too")
        self._endpoints = tuple(endpoints)
        self.model = endpoints[0].model
        self.penalty = endpoints[0].penalty
        self.api_urls = [url for endpoint in endpoints for url in endpoint.api_urls]
        self.max_workers = sum(e.max_workers for e in endpoints)

    def settings(self) -> Mapping[str, Any]:
        """Model and sampling, which are the same at every endpoint."""
        return self._endpoints[0].settings()

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Client]:
        """Open every endpoint for the running event loop."""
        async with AsyncExitStack() as stack:
            yield _Spread(
                [
                    _Endpoint(
                        next(iter(e.api_urls), e.model),
                        await stack.enter_async_context(e.connect()),
                        e.max_workers,
                        adaptive_concurrency=e.adaptive_concurrency,
                    )
                    for e in self._endpoints
                ]
            )

    def cleanup(self) -> None:
        """Clean up every endpoint."""
        for endpoint in self._endpoints:
            endpoint.cleanup()


class _Endpoint:
    """One endpoint: what is under way there, how long it takes, whether it rests."""

    def __init__(
        self, name: str, client: Client, places: int, *, adaptive_concurrency: bool
    ) -> None:
        self._name = name
        self._client = client
        level = AdaptiveConcurrency(places, START if adaptive_concurrency else places)
        self.limiter = AdmissionController(level, RateLimiter())
        self.latency = 0.0
        self._failures = 0
        self._rests = 0
        self._rests_until = float("-inf")

    @property
    def is_failing(self) -> bool:
        """Whether it rests, or is tried after a rest."""
        return self._failures >= FAILURES

    def is_free(self, at: float) -> bool:
        """Whether it takes a request now; one that rested is tried with one alone."""
        has_rested = at >= self._rests_until and self.limiter.in_flight == 0
        return self.limiter.is_free and (has_rested or not self.is_failing)

    def rank(self, usual: float) -> tuple[float, int]:
        """The least is asked first: how soon it answers, about.

        Args:
            usual: Seconds that an endpoint is taken to need that has not answered yet.
        """
        in_flight = self.limiter.in_flight
        return (in_flight + 1) * (self.latency or usual), in_flight

    async def send(self, given: Permit, request: Request, pictures: Sequence[Picture]) -> Reply:
        outcome: Reply | TryAgainError | None = None
        try:
            outcome = await self._client.send(request, pictures)
        except TryAgainError as error:
            outcome = error
            raise
        except StopRunError as error:
            raise type(error)(
                f"the endpoint {self._name}: {error.message}", is_vague=error.is_vague
            ) from error
        finally:
            self._ended(given, outcome)
        return outcome

    def _ended(self, given: Permit, outcome: Reply | TryAgainError | None) -> None:
        self.limiter.release(given, outcome)
        if isinstance(outcome, Reply):
            self._failures = self._rests = 0
            seconds = now() - given.sent
            self.latency += (RECENT if self.latency else 1.0) * (seconds - self.latency)
        elif isinstance(outcome, BREAKER_ERRORS):
            self.failed()

    def failed(self) -> None:
        """Something went wrong that is the endpoint's own fault."""
        self._failures += 1
        if self.is_failing:
            rest = RESTS[min(self._rests, len(RESTS) - 1)]
            self._rests += 1
            self._rests_until = now() + rest


class _Spread:
    """The open endpoints."""

    def __init__(self, endpoints: Sequence[_Endpoint]) -> None:
        self._endpoints = endpoints
        self._choosing = asyncio.Lock()
        self._changed = asyncio.Event()
        self._waiting = 0

    async def send(self, request: Request, pictures: Sequence[Picture]) -> Reply:
        """One attempt at the endpoint that has a free place and answers soonest.

        A row that it turns down is asked at one other before it is failed: an endpoint may be set
        up otherwise, and reject what the others take.
        """
        self._waiting += 1
        try:
            async with self._choosing:  # first come first served
                endpoint = await self._free_one()
                given = await endpoint.limiter.acquire(others_wait=self._waiting > 1)
        finally:
            self._waiting -= 1
        try:
            return await self._asked(endpoint, given, request, pictures)
        except RowError:
            others = [e for e in self._endpoints if e is not endpoint and not e.is_failing]
            if not others:
                raise
            other = self._soonest(others)
            with contextlib.suppress(RowError, TryAgainError):
                given = await other.limiter.acquire()
                reply = await self._asked(other, given, request, pictures)
                endpoint.failed()
                return reply
            raise

    async def _asked(
        self, endpoint: _Endpoint, given: Permit, request: Request, pictures: Sequence[Picture]
    ) -> Reply:
        try:
            return await endpoint.send(given, request, pictures)
        finally:
            self._changed.set()

    def _soonest(self, endpoints: Sequence[_Endpoint]) -> _Endpoint:
        usual = max(endpoint.latency for endpoint in self._endpoints)
        return min(endpoints, key=lambda endpoint: endpoint.rank(usual))

    async def _free_one(self) -> _Endpoint:
        while True:
            at = now()
            free = [endpoint for endpoint in self._endpoints if endpoint.is_free(at)]
            if free:
                return self._soonest(free)
            self._changed.clear()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._changed.wait(), LOOK_SECONDS)
            for endpoint in self._endpoints:
                endpoint.limiter.release_stuck()
