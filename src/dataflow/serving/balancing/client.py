"""The open endpoints: each request goes to the one that answers soonest, or to another."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence

from dataflow.core.aio import now
from dataflow.core.errors import (
    ConnectionLostError,
    DataflowError,
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
    WrongKeyError,
)
from dataflow.core.picture import Picture
from dataflow.core.request import Reply, Request
from dataflow.engine.flow.admission import Permit
from dataflow.serving.balancing.endpoint import FAILURES, LONG_LIMIT, BalancedEndpoint

LOOK_SECONDS = 0.25
"""How often the endpoints are looked at while a request waits for a free one."""

NONE_SECONDS = 2.0
"""A request waits so long while all endpoints have left; then it fails, and comes back later."""

FAILOVER_ERRORS = (ConnectionLostError, OverloadedError, GarbledReplyError)
"""Failures after which a request is sent to another endpoint at once."""

OWN_ENDINGS = (
    WrongKeyError, UnknownModelError, OutOfMoneyError, EngineFailedError, UnreachableError,
)  # fmt: skip
"""Errors that are one endpoint's own; others, such as a wrong parameter, are the run's."""

_log = logging.getLogger("dataflow")


class BalancedClient:
    """The open endpoints, some of which may come and go.

    Args:
        endpoints: Those that are there at first.
    """

    def __init__(self, endpoints: Sequence[BalancedEndpoint]) -> None:
        self._endpoints = list(endpoints)
        self._choosing = asyncio.Lock()
        self._changed = asyncio.Event()
        self._waiting = 0

    @property
    def notes(self) -> list[str]:
        """What a person should know of the endpoints."""
        return [endpoint.note for endpoint in self._endpoints if endpoint.note]

    @property
    def names(self) -> list[str]:
        """The addresses of those that are there."""
        return [endpoint.name for endpoint in self._endpoints if not endpoint.has_left]

    @property
    def counts(self) -> tuple[int, int]:
        """How many endpoints answer, and how many there are; those that left are none."""
        there = [endpoint for endpoint in self._endpoints if not endpoint.has_left]
        return sum(not endpoint.is_failing for endpoint in there), len(there)

    @property
    def usual_level(self) -> int:
        """The most requests in flight that an endpoint was found to take, with which others begin.

        0 where none is there.
        """
        there = [one.limiter.limit for one in self._endpoints if not one.is_failing]
        return max(there, default=0)

    def join(self, endpoint: BalancedEndpoint) -> None:
        """Ask this one too from now on."""
        self._endpoints.append(endpoint)
        self._changed.set()

    def leave(self, name: str) -> BalancedEndpoint | None:
        """Ask the one at this address nothing more; what is in flight there may finish."""
        found = next((one for one in self._endpoints if one.name == name), None)
        if found is not None:
            found.has_left = True
            self._endpoints.remove(found)
            self._changed.set()
        return found

    async def send(self, request: Request, pictures: Sequence[Picture]) -> Reply:
        """One attempt at the endpoint that has a free slot and answers soonest.

        A row that it rejects, or that it does not answer, is sent to one other before it fails: an
        endpoint may be down, or set up otherwise, and reject what the others take. An endpoint
        whose key, quota or model has ended is left out, as long as another is left. What one that
        has left did not finish is sent to another as if it had never been sent.
        """
        while True:
            endpoint, permit = await self._acquire()
            try:
                return await self._send_to(endpoint, permit, request, pictures)
            except (RowError, TryAgainError, StopRunError) as error:
                reply = await self._after(error, endpoint, request, pictures)
            if reply is not None:
                return reply

    async def _after(
        self,
        error: DataflowError,
        endpoint: BalancedEndpoint,
        request: Request,
        pictures: Sequence[Picture],
    ) -> Reply | None:
        """Another endpoint's reply after `error`; None where the request takes another turn."""
        if endpoint.has_left and self._endpoints and not isinstance(error, RowError):
            return None
        if isinstance(error, StopRunError):
            if not self._goes_on_without(endpoint, error):
                raise error
            return None
        if isinstance(error, RateLimitedError):
            is_alone = all(e is endpoint or e.is_failing for e in self._endpoints)
            if is_alone or (error.retry_after or 0) <= LONG_LIMIT:
                raise error
            # the run need not wait for this one's limit
            raise RateLimitedError(error.message) from error
        reply = None
        if isinstance(error, (RowError, *FAILOVER_ERRORS)):
            reply = await self._send_elsewhere(endpoint, request, pictures)
        if reply is None:
            raise error
        if isinstance(error, RowError):
            endpoint.record_failure(error.message)
        return reply

    async def _acquire(self) -> tuple[BalancedEndpoint, Permit]:
        self._waiting += 1
        try:
            async with self._choosing:  # first come first served
                endpoint = await self._free_one()
                return endpoint, await endpoint.limiter.acquire(others_wait=self._waiting > 1)
        finally:
            self._waiting -= 1

    async def _send_to(
        self,
        endpoint: BalancedEndpoint,
        permit: Permit,
        request: Request,
        pictures: Sequence[Picture],
    ) -> Reply:
        try:
            return await endpoint.send(permit, request, pictures)
        finally:
            self._changed.set()

    async def _send_elsewhere(
        self, first: BalancedEndpoint, request: Request, pictures: Sequence[Picture]
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

    def _goes_on_without(self, endpoint: BalancedEndpoint, error: StopRunError) -> bool:
        """Whether the others take over what `endpoint` refuses.

        One that never answered is set up wrongly, and the run stops; where it joined later, it is
        left out. A refusal that may be a stray
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
        elif not endpoint.has_answered and not endpoint.has_joined:
            raise type(error)(error.message) from error
        elif not endpoint.has_ended:
            endpoint.ended_because = error.message.partition(": ")[2] or error.message
            _log.warning(
                "the endpoint %s is left out, and %d of %d go on: %s",
                endpoint.name, len(others), len(self._endpoints), endpoint.ended_because,
            )  # fmt: skip
        self._changed.set()
        return True

    def _soonest(self, endpoints: Sequence[BalancedEndpoint]) -> BalancedEndpoint:
        usual = max((endpoint.latency for endpoint in self._endpoints), default=0.0)
        return min(endpoints, key=lambda endpoint: endpoint.rank(usual))

    async def _free_one(self) -> BalancedEndpoint:
        since = now()
        while True:
            at = now()
            if not self._endpoints and at - since >= NONE_SECONDS:
                raise ConnectionLostError("all servers have left, and none joined", was_made=False)
            free = [endpoint for endpoint in self._endpoints if endpoint.is_free(at)]
            if free:
                return self._soonest(free)
            self._changed.clear()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._changed.wait(), LOOK_SECONDS)
            for endpoint in self._endpoints:
                endpoint.limiter.release_stuck()
