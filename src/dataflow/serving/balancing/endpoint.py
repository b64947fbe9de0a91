"""One endpoint of several: what is in flight there, how long it takes, whether it rests."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

from dataflow.core.aio import now
from dataflow.core.errors import RateLimitedError, StopRunError, TryAgainError
from dataflow.core.picture import Picture
from dataflow.core.protocols.serving import Client
from dataflow.core.request import Reply, Request
from dataflow.engine.flow.adaptive_concurrency import AdaptiveConcurrency
from dataflow.engine.flow.admission import AdmissionController, Permit
from dataflow.engine.flow.rate_limiter import RateLimiter
from dataflow.engine.flow.retry_policy import BREAKER_ERRORS

FAILURES = 3
"""So many failures of an endpoint without an answer between them, and it rests.

A row that it turned down and another endpoint answered is one of its failures."""

RESTS = (1.0, 2.0)
"""Seconds of its first, second … rest; the last one repeats."""

RECENT = 0.1
"""Weight of the latest answer in an endpoint's latency."""

LONG_LIMIT = 20.0
"""Seconds: an endpoint whose rate limit lifts only later than this rests until then."""

_log = logging.getLogger("dataflow")


class BalancedEndpoint:
    """One endpoint.

    Args:
        name: Its address.
        client: Open.
        slots: Requests in flight at most.
        start: Requests in flight at first; `slots` where the best number is not searched for.
        has_joined: Whether it was not there when the run began.

    Attributes:
        latency: Seconds of an answer, about; 0 before the first.
        has_answered: Whether it answered anything.
        ended_because: Why it is left out for good; empty where it is not.
        has_left: Whether it was taken off the list: it is asked nothing more.
    """

    def __init__(
        self, name: str, client: Client, slots: int, *, start: int, has_joined: bool = False
    ) -> None:
        self.name = name
        self._client = client
        self.has_joined = has_joined
        self.has_left = False
        self.limiter = AdmissionController(AdaptiveConcurrency(slots, start), RateLimiter())
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
        """Whether it is left out for good: its key, its quota or its model ended, or it left."""
        return bool(self.ended_because) or self.has_left

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
        """Make one attempt, with a permit of its `limiter`.

        Raises:
            RowError: see `core.protocols.serving.Client`.
            TryAgainError: likewise.
            StopRunError: likewise, with the endpoint's name.
        """
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
        if self.has_left:
            return ""
        if self.ended_because:
            return f"the endpoint {self.name} was left out: {self.ended_because}"
        if self.failing_because:
            return (
                f"the endpoint {self.name} did not answer any more "
                f"({self.failed_requests:,} requests failed): {self.failing_because}"
            )
        return ""
