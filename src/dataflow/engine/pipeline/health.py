"""What failed requests mean for the run: the row waits, the row fails, or the run stops."""

from __future__ import annotations

import datetime
import logging
import random
import time
from collections.abc import Callable

from dataflow.core.aio import now
from dataflow.core.errors import (
    QuotaError,
    RateLimitedError,
    StopRunError,
    TryAgainError,
    UnreachableError,
)
from dataflow.engine.flow import retry_policy
from dataflow.engine.flow.circuit_breaker import CircuitBreaker
from dataflow.engine.flow.complaints import ComplaintTracker, signature
from dataflow.engine.job import Job, RetryState
from dataflow.engine.pipeline.admission import Attempt
from dataflow.engine.plan import Plan

LONG_WAIT = 20.0
"""Seconds: a longer wait is shown, and where the server asks for it the whole run waits."""

CONFIRM_SECONDS = 1.0
"""After the first word of a quota that lifts only later than the run waits, it is asked again."""

LONG_LIMITS = 2
"""So many such refusals without an answer between them are believed."""

QUOTA_SECONDS = {"day": 86_400.0, "week": 7 * 86_400.0, "month": 30 * 86_400.0}
"""Seconds of the windows of quotas; one that is used up may be so for as long."""

UNKNOWN_LIMITS = 3
"""So many refusals of such a quota are believed where the server does not say when it is back."""

LOOK_SECONDS = 600.0
"""So often such a quota is tried where the run may wait for it."""

PERMANENT_STATUSES = frozenset({500, 501, 505})
"""5xx that may as well be for good; 502, 503, 504 and 529 say that they pass."""

PERMANENT_SECONDS = 20.0
"""So long the same of them for every row, and never an answer, stop the run."""

_log = logging.getLogger("dataflow")


class RunHealth:
    """How the engine is, by what became of one run's requests; used from its event loop only.

    Args:
        plan: The run.
        breaker: The run's.
    """

    def __init__(self, plan: Plan, breaker: CircuitBreaker) -> None:
        self._plan = plan
        self._progress = plan.progress
        self._breaker = breaker
        self.trackers = {
            False: ComplaintTracker(lambda: plan.progress.reused > 0),
            True: ComplaintTracker(),
        }
        self._rng = random.Random()
        self._failing: set[bytes] = set()
        self._long_limits = 0
        self._first_failure: tuple[tuple[str, str, str], float] | None = None
        self.is_last_chance = False

    @property
    def others_answered(self) -> bool:
        """Whether the engine answered other rows, now or in a former run."""
        return self._breaker.ever_answered or self._progress.reused > 0

    def record_answer(self, attempt: Attempt) -> None:
        """The server is there: it answered a request, be it with an error about its row."""
        self._progress.answered = time.monotonic()
        self._progress.limited = None
        self._breaker.record_success(sent_at=attempt.sent_at)
        if not self._breaker.is_open:
            self._long_limits = 0
            self._first_failure = None
        self.show_pause()

    def forget(self, job: Job) -> None:
        """The job has its outcome, or a new question."""
        self._failing.discard(job.key)

    def wait_before_retry(
        self,
        job: Job,
        error: TryAgainError,
        attempt: Attempt,
        *,
        are_left: Callable[[set[bytes]], bool],
    ) -> float | None:
        """Seconds until the job is asked again; None where it fails.

        Args:
            job: Whose request failed.
            error: How.
            attempt: The request.
            are_left: Whether only the rows of these keys are left to the run.

        Raises:
            StopRunError: the server has been down too long, or its quota is used up.
        """
        self._failing.add(job.key)
        if isinstance(error, RateLimitedError):
            if error.retry_after is None and error.quota in QUOTA_SECONDS:
                self._heed_unknown_limit(error, attempt)
            elif (error.retry_after or 0) > LONG_WAIT:
                self._heed_long_limit(error)
        elif (error.retry_after or 0) > self._plan.give_up_after:
            self._heed_long_limit(error)
        self._look_for_permanent(error)
        says_something = self._record(job, error, attempt, are_left)
        self.show_pause()
        at = self._breaker.clock()
        state = job.retries.setdefault(retry_policy.kind_of(error), RetryState(at))
        state.count += says_something
        wait = retry_policy.wait_before_next(
            error, max(1, state.count), at - state.since, rng=self._rng
        )
        if wait is None or self.is_last_chance:
            return None
        if self._long_limits and self._breaker.is_open:
            return 0.0  # it waits at the breaker
        self._show_wait(error, wait)
        return wait

    def show_pause(self) -> None:
        """Tell the person who watches when the run pauses and when it continues."""
        reason = self._breaker.open_reason
        if (reason is None) != (self._progress.paused is None):
            if reason is None:
                _log.warning("the engine answers again")
            else:
                most = self._plan.give_up_after
                _log.warning("waiting for the engine, for %g s at most: %s", most, reason)
        self._progress.paused = reason

    def _heed_long_limit(self, error: TryAgainError) -> None:
        """Pause the run until the limit or the outage ends, or stop it where that is too long."""
        seconds = error.retry_after or 0.0
        self._long_limits += 1
        if seconds > self._plan.give_up_after:
            if self._long_limits >= LONG_LIMITS:
                kind = QuotaError if isinstance(error, RateLimitedError) else UnreachableError
                raise kind(_wait_text(error)) from error
            self._breaker.open_for(CONFIRM_SECONDS, error.message)
        elif self._long_limits >= LONG_LIMITS:
            self._breaker.open_for(seconds, error.message)

    def _heed_unknown_limit(self, error: RateLimitedError, attempt: Attempt) -> None:
        """Pause the run, or stop it, for the quota of a day or longer that names no end.

        Of the requests that were in flight together one counts: the window in the server's words
        need not be that of the limit which was met.
        """
        if self._long_limits and not attempt.is_probe:
            return
        self._long_limits += 1
        if self._long_limits < UNKNOWN_LIMITS:
            self._breaker.open_for(CONFIRM_SECONDS * 30 ** (self._long_limits - 1), error.message)
        elif QUOTA_SECONDS[error.quota] <= self._plan.give_up_after:
            self._breaker.open_for(LOOK_SECONDS, error.message)
        else:
            raise QuotaError(
                f"the server's limit for the {error.quota} is used up, and the server does not say "
                "when it lifts. Run the same command again then: what is answered is kept. To "
                f"wait here instead, give --give-up-after {QUOTA_SECONDS[error.quota]:.0f}. The "
                f"server says: {error.message}"
            ) from error

    def _look_for_permanent(self, error: TryAgainError) -> None:
        """Stop where every row gets the same 500, and never was an answer."""
        if error.status not in PERMANENT_STATUSES or self.others_answered:
            return
        mark = signature(error)
        if self._first_failure is None or self._first_failure[0] != mark:
            self._first_failure = (mark, now())
        elif now() - self._first_failure[1] >= PERMANENT_SECONDS:
            raise StopRunError(
                f"the server answers every request with {error.message}; mend the server or the "
                "model's name, then run the same command again"
            ) from error

    def _record(
        self,
        job: Job,
        error: TryAgainError,
        attempt: Attempt,
        are_left: Callable[[set[bytes]], bool],
    ) -> bool:
        """Tell the breaker; returns whether the failure says something about its row."""
        if self.is_last_chance:
            return True
        are_all = not self.others_answered and are_left(self._failing)
        try:
            return self._breaker.record_failure(
                error, row=job.key, probe=attempt.is_probe, are_all=are_all
            )
        except UnreachableError:
            if not (self.others_answered and are_left(self._failing)):
                raise
        # only rows are left that the server never answers: each fails by itself, not the run
        self.is_last_chance = True
        self._breaker.record_success()
        return True

    def _show_wait(self, error: TryAgainError, wait: float) -> None:
        """Tell the person who watches when a rate limit lets nothing through, or for long.

        Raises:
            QuotaError: it has let nothing through for longer than the run waits.
        """
        at = time.monotonic()
        since = self._progress.answered or self._progress.started or at
        if isinstance(error, RateLimitedError) and at - since >= LONG_WAIT:
            if self._progress.limited is None:
                _log.warning("the server has let nothing through for %.0f s: %s", at - since, error)
            self._progress.limited = error.message
            if at - since > self._plan.give_up_after:
                raise QuotaError(
                    f"the server's limit has let nothing through for {at - since:.0f} s. Run the "
                    "same command again later: what is answered is kept. To wait longer, give a "
                    f"higher --give-up-after. The server says: {error.message}"
                ) from error
        if error.retry_after is None or wait < LONG_WAIT:
            return
        if self._progress.waits_until < at:
            _log.warning("a row waits %.0f s, as the server asks: %s", wait, error.message)
        self._progress.waits_until = max(self._progress.waits_until, at + wait)


def _wait_text(error: TryAgainError) -> str:
    """When the server answers again, what to do, and its own words."""
    seconds = error.retry_after or 0.0
    is_limit = isinstance(error, RateLimitedError)
    what = "the server's limit lifts at" if is_limit else "the server does not answer until"
    lifts = datetime.datetime.now().astimezone() + datetime.timedelta(seconds=seconds)
    hours, minutes = divmod(int(seconds // 60) + 1, 60)
    took = f"{hours} h {minutes} min" if hours else f"{minutes} min"
    return (
        f"{what} {lifts:%Y-%m-%d %H:%M} (in {took}). Run the same command "
        f"again then: what is answered is kept. To wait here instead, give --give-up-after "
        f"{int(seconds) + 60}. The server says: {error.message}"
    )
