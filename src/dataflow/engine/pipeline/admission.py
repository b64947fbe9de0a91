"""One request's admission: everything that it waits for before it is sent, in one place."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from dataflow.core.aio import now
from dataflow.core.errors import AskTimeoutError, DataflowError, TryAgainError
from dataflow.core.request import Reply
from dataflow.engine.flow.admission import AdmissionController, Permit
from dataflow.engine.flow.circuit_breaker import CircuitBreaker
from dataflow.engine.job import Job
from dataflow.engine.pipeline.budget import Budget


@dataclass(slots=True)
class Attempt:
    """A request that may be sent now.

    Attributes:
        sent_at: When it was admitted, in seconds of the event loop's clock.
        is_probe: Whether it probes a server that is down.
        outcome: What came of it; as it stands here where it was given up.
        is_given_up: Whether it is waited for no longer, as the second one beside it hangs too.
    """

    sent_at: float
    is_probe: bool
    outcome: Reply | DataflowError
    is_given_up: bool = False

    @property
    def seconds(self) -> float:
        """How long it is out."""
        return now() - self.sent_at


class Admission:
    """Composes what a request waits for: the budget, the circuit breaker, rate and concurrency.

    Use it as ``async with admission(job) as attempt:``, and set `Attempt.outcome` in the block; on
    the way out every one of them learns of the outcome.

    Args:
        budget: What the run may spend.
        breaker: Pauses while the server is down.
        controller: Concurrency and rate.
    """

    def __init__(
        self, budget: Budget, breaker: CircuitBreaker, controller: AdmissionController
    ) -> None:
        self._budget = budget
        self._breaker = breaker
        self._controller = controller

    @property
    def learned_rate(self) -> float | None:
        """Requests per second that the server takes, by its refusals; None before any."""
        return self._controller.requests_per_second

    @contextlib.asynccontextmanager
    async def __call__(self, job: Job) -> AsyncIterator[Attempt]:
        """Wait until `job`'s request may be sent.

        Raises:
            LimitReachedError: what is left of the budget cannot pay for it.
        """
        given_up = AskTimeoutError("the request was given up before it was answered")
        reservation = await self._budget.acquire(job)
        sent = False
        attempt = Attempt(0.0, False, given_up)
        try:
            permit, attempt.is_probe = await self._permit()
            attempt.sent_at, sent = permit.sent, True
            try:
                yield attempt
            finally:
                outcome = attempt.outcome
                if outcome is given_up:
                    self._controller.release_slot(permit)
                elif isinstance(outcome, (Reply, TryAgainError)):
                    self._controller.release(permit, outcome)
                else:
                    self._controller.release(permit)
        finally:
            if sent:
                self._budget.release(reservation, attempt.outcome)
            else:
                self._budget.hand_back(reservation)

    async def _permit(self) -> tuple[Permit, bool]:
        """Wait for breaker and controller; also returns whether the permit is for a probe."""
        while True:
            # the breaker first: whoever waits there must not hold a slot that the probe needs
            is_probe = await self._breaker.acquire()
            try:
                permit = await self._controller.acquire()
            except BaseException:
                if is_probe:
                    self._breaker.give_up_probe()
                raise
            if is_probe or not self._breaker.is_open:
                return permit, is_probe
            self._controller.release_slot(permit)
