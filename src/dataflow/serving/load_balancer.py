"""Several endpoints of one model as one serving.

Each endpoint has a concurrency and a rate of its own, as a run with one endpoint has: so a fast one
takes more and a slow one less, and a rate limit, which is an endpoint's or a key's, slows down no
other. A request goes to the endpoint with a free slot that will answer soonest. An endpoint that
fails several times in a row rests, and is then tried with one request. One whose key, quota or
model ends is left out, by name, while the others finish.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any

from dataflow.core.aio import now
from dataflow.core.errors import (
    ConnectionLostError,
    EngineFailedError,
    GarbledReplyError,
    OutOfMoneyError,
    OverloadedError,
    RateLimitedError,
    RowError,
    StopRunError,
    TryAgainError,
    UnknownModelError,
    UnreachableError,
    UsageError,
    WrongKeyError,
)
from dataflow.core.picture import Picture
from dataflow.core.protocols.serving import AsyncServing, Client
from dataflow.core.request import Reply, Request
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

LONG_LIMIT = 20.0
"""Seconds: an endpoint whose rate limit lifts only later than this rests until then."""

FAILOVER_ERRORS = (ConnectionLostError, OverloadedError, GarbledReplyError)
"""Failures after which a request is sent to another endpoint at once."""

OWN_ENDINGS = (
    WrongKeyError, UnknownModelError, OutOfMoneyError, EngineFailedError, UnreachableError,
)  # fmt: skip
"""Errors that are one endpoint's own; others, such as a wrong parameter, are the run's."""

_log = logging.getLogger("dataflow")


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
        self._client: _BalancedClient | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Without the open client, which belongs to one event loop."""
        return {**self.__dict__, "_client": None}

    @property
    def notes(self) -> Sequence[str]:
        """The endpoints that were left out or stopped answering, and what was learned of all."""
        own = self._client.notes if self._client is not None else []
        return tuple(dict.fromkeys([*own, *(n for e in self._endpoints for n in e.notes)]))

    def learned(self) -> Mapping[str, Mapping[str, Any]]:
        """What was learned at all endpoints."""
        return {name: one for e in self._endpoints for name, one in e.learned().items()}

    def recall(self, learned: Mapping[str, Mapping[str, Any]]) -> None:
        """Each endpoint begins with what was learned of it."""
        for endpoint in self._endpoints:
            endpoint.recall(learned)

    def settings(self) -> Mapping[str, Any]:
        """Model and sampling, which are the same at every endpoint."""
        return self._endpoints[0].settings()

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Client]:
        """Open every endpoint for the running event loop."""
        async with AsyncExitStack() as stack:
            self._client = _BalancedClient(
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
            yield self._client

    def cleanup(self) -> None:
        """Clean up every endpoint."""
        for endpoint in self._endpoints:
            endpoint.cleanup()


class _Endpoint:
    """One endpoint: what is in flight there, how long it takes, whether it rests or has ended."""

    def __init__(
        self, name: str, client: Client, slots: int, *, adaptive_concurrency: bool
    ) -> None:
        self.name = name
        self._client = client
        concurrency = AdaptiveConcurrency(slots, START if adaptive_concurrency else slots)
        self.limiter = AdmissionController(concurrency, RateLimiter())
        self.latency = 0.0
        self.has_answered = False
        self.ended_because = ""
        self.failing_because = ""
        self.failed_requests = 0
        self.refusals = 0
        self._failures = 0
        self._rests = 0
        self._rests_until = float("-inf")

    @property
    def has_ended(self) -> bool:
        """Whether it is left out for good: its key, its quota or its model ended."""
        return bool(self.ended_because)

    @property
    def is_failing(self) -> bool:
        """Whether it rests, or is tried after a rest, or has ended."""
        return self._failures >= FAILURES or self.has_ended

    def is_free(self, at: float) -> bool:
        """Whether it takes a request now; one that rested is tried with one alone."""
        has_rested = at >= self._rests_until and self.limiter.in_flight == 0
        is_open = not self.has_ended and (has_rested or not self.is_failing)
        return is_open and self.limiter.is_free

    def rank(self, usual: float) -> tuple[float, int]:
        """The least is asked first: how soon it answers, about.

        Args:
            usual: Seconds that an endpoint is taken to need that has not answered yet.
        """
        in_flight = self.limiter.in_flight
        return (in_flight + 1) * (self.latency or usual), in_flight

    async def send(self, permit: Permit, request: Request, pictures: Sequence[Picture]) -> Reply:
        outcome: Reply | TryAgainError | None = None
        try:
            reply = await self._client.send(request, pictures)
            outcome = replace(reply, endpoint=self.name)
        except TryAgainError as error:
            outcome = error
            raise
        except StopRunError as error:
            raise error.with_message(f"the endpoint {self.name}: {error.message}") from error
        finally:
            self._record(permit, outcome)
        return outcome

    def _record(self, permit: Permit, outcome: Reply | TryAgainError | None) -> None:
        self.limiter.release(permit, outcome)
        if isinstance(outcome, Reply):
            if self.failing_because and self.is_failing:
                _log.warning("the endpoint %s answers again", self.name)
            self._failures = self._rests = self.refusals = 0
            self.has_answered, self.failing_because = True, ""
            seconds = now() - permit.sent
            self.latency += (RECENT if self.latency else 1.0) * (seconds - self.latency)
        elif isinstance(outcome, BREAKER_ERRORS):
            self.record_failure(outcome.message)
        elif isinstance(outcome, RateLimitedError) and (outcome.retry_after or 0) > LONG_LIMIT:
            self._failures = max(self._failures, FAILURES)
            self._rests_until = now() + (outcome.retry_after or 0)

    def record_failure(self, reason: str) -> None:
        """Something went wrong that is the endpoint's own fault."""
        self._failures += 1
        self.failed_requests += 1
        if not self.is_failing:
            return
        if not self.failing_because:
            _log.warning("the endpoint %s does not answer, and rests: %s", self.name, reason)
        self.failing_because = reason
        self._rests_until = now() + RESTS[min(self._rests, len(RESTS) - 1)]
        self._rests += 1

    @property
    def note(self) -> str:
        """What a person should know of it after the run; empty where it does well."""
        if self.ended_because:
            return f"the endpoint {self.name} was left out: {self.ended_because}"
        if self.failing_because:
            return (
                f"the endpoint {self.name} did not answer any more "
                f"({self.failed_requests:,} requests failed): {self.failing_because}"
            )
        return ""


class _BalancedClient:
    """The open endpoints."""

    def __init__(self, endpoints: Sequence[_Endpoint]) -> None:
        self._endpoints = endpoints
        self._choosing = asyncio.Lock()
        self._changed = asyncio.Event()
        self._waiting = 0

    @property
    def notes(self) -> list[str]:
        """What a person should know of the endpoints."""
        return [endpoint.note for endpoint in self._endpoints if endpoint.note]

    async def send(self, request: Request, pictures: Sequence[Picture]) -> Reply:
        """One attempt at the endpoint that has a free slot and answers soonest.

        A row that it rejects, or that it does not answer, is sent to one other before it fails: an
        endpoint may be down, or set up otherwise, and reject what the others take. An endpoint
        whose key, quota or model has ended is left out, as long as another is left.
        """
        while True:
            endpoint, permit = await self._acquire()
            try:
                return await self._send_to(endpoint, permit, request, pictures)
            except StopRunError as error:
                if not self._goes_on_without(endpoint, error):
                    raise
            except RateLimitedError as error:
                is_alone = all(e is endpoint or e.is_failing for e in self._endpoints)
                if is_alone or (error.retry_after or 0) <= LONG_LIMIT:
                    raise
                # the run need not wait for this one's limit
                raise RateLimitedError(error.message) from error
            except (RowError, *FAILOVER_ERRORS) as error:
                reply = await self._send_elsewhere(endpoint, request, pictures)
                if reply is None:
                    raise
                if isinstance(error, RowError):
                    endpoint.record_failure(error.message)
                return reply

    async def _acquire(self) -> tuple[_Endpoint, Permit]:
        self._waiting += 1
        try:
            async with self._choosing:  # first come first served
                endpoint = await self._free_one()
                return endpoint, await endpoint.limiter.acquire(others_wait=self._waiting > 1)
        finally:
            self._waiting -= 1

    async def _send_to(
        self, endpoint: _Endpoint, permit: Permit, request: Request, pictures: Sequence[Picture]
    ) -> Reply:
        try:
            return await endpoint.send(permit, request, pictures)
        finally:
            self._changed.set()

    async def _send_elsewhere(
        self, first: _Endpoint, request: Request, pictures: Sequence[Picture]
    ) -> Reply | None:
        """The reply of another endpoint; None where there is none that does well."""
        others = [e for e in self._endpoints if e is not first and not e.is_failing]
        if not others:
            return None
        other = self._soonest(others)
        with contextlib.suppress(RowError, TryAgainError):
            permit = await other.limiter.acquire()
            return await self._send_to(other, permit, request, pictures)
        return None

    def _goes_on_without(self, endpoint: _Endpoint, error: StopRunError) -> bool:
        """Whether the others take over what `endpoint` refuses.

        One that never answered is set up wrongly, and the run stops. A refusal that may be a stray
        one counts only when it comes again and again.

        Raises:
            StopRunError: the endpoint never answered.
        """
        others = [e for e in self._endpoints if e is not endpoint and not e.has_ended]
        if not others or (not isinstance(error, OWN_ENDINGS) and not error.is_vague):
            return False
        endpoint.refusals += 1
        if error.is_vague and endpoint.refusals < FAILURES:
            endpoint.record_failure(error.message)
        elif not endpoint.has_answered:
            raise type(error)(error.message) from error
        elif not endpoint.has_ended:
            endpoint.ended_because = error.message.partition(": ")[2] or error.message
            _log.warning(
                "the endpoint %s is left out, and %d of %d go on: %s",
                endpoint.name, len(others), len(self._endpoints), endpoint.ended_because,
            )  # fmt: skip
        self._changed.set()
        return True

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
