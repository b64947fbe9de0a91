"""Rows whose requests were refused: each fails, or waits until it is known whose fault that is."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from dataflow.core.errors import DataflowError, StopRunError, TooLongError, TryAgainError
from dataflow.core.request import Reply
from dataflow.engine.flow.complaints import RefusalDecision, signature
from dataflow.engine.job import Job
from dataflow.engine.pipeline.health import RunHealth
from dataflow.engine.reporting.failure_messages import cure_of

MOST_TRIES = 3
"""So often a row is asked that gets a refusal which others do not get."""

RETRY_SECONDS = 1.0
"""Before it is asked again."""


class RefusalHandler:
    """Holds refused rows until an answer, a control or their number tells whose fault it is.

    A row that waits has no outcome in the journal, so that the next run asks it again where the
    run stops.

    Args:
        health: The run's.
        stops_where_all_fail: See `Plan`.
        settle: Commits a job's outcome.
        ask_later: Puts a job back to the others after this many seconds.
        ask_control: Asks a job once more that was answered before.

    Attributes:
        settled: Set while no control is under way; nothing else is sent meanwhile.
    """

    def __init__(
        self,
        health: RunHealth,
        *,
        stops_where_all_fail: bool,
        settle: Callable[[Job, DataflowError], Awaitable[None]],
        ask_later: Callable[[Job, float], None],
        ask_control: Callable[[Job], Awaitable[Reply | DataflowError]],
    ) -> None:
        self._trackers = health.trackers
        self._stops_where_all_fail = stops_where_all_fail
        self._settle = settle
        self._ask_later = ask_later
        self._ask_control = ask_control
        self._waiting: list[tuple[Job, DataflowError]] = []
        self._tries: dict[bytes, int] = {}
        self._controls: dict[bool, Job] = {}
        self.settled = asyncio.Event()
        self.settled.set()

    def record_answer(self, job: Job) -> None:
        """A job was answered; it can be the control."""
        self._controls[job.by_fallback] = job
        self._tries.pop(job.key, None)
        self._trackers[job.by_fallback].record_reply()

    async def take(self, job: Job, error: DataflowError) -> None:
        """A job's request was refused.

        Raises:
            StopRunError: it is the run's fault: a person must act.
        """
        decision = self._trackers[job.by_fallback].decide(job.key, error)
        if decision is RefusalDecision.FAIL:
            await self._settle(job, error)
            return
        if decision is RefusalDecision.STOP:
            raise _stopping(error)
        self._waiting.append((job, error))
        if decision is RefusalDecision.CONTROL:
            await self._compare(error, by_fallback=job.by_fallback)

    async def decide_last(self, are_left: Callable[[set[bytes]], bool]) -> None:
        """Decide about the rows that wait, where nothing else moves.

        Args:
            are_left: Whether no job but those of the given keys is without an outcome.

        Raises:
            StopRunError: it is the run's fault: a person must act.
        """
        if not self._waiting or not self.settled.is_set():
            return
        job, error = self._waiting[-1]
        are_all = are_left({waiting.key for waiting, _ in self._waiting})
        decision = self._trackers[job.by_fallback].decide_last(
            error, are_all=are_all and self._stops_where_all_fail
        )
        if decision is RefusalDecision.STOP:
            raise _stopping(error)
        if decision is RefusalDecision.CONTROL:
            await self._compare(error, by_fallback=job.by_fallback)
        else:
            await self.release(by_fallback=job.by_fallback)

    async def _compare(self, error: DataflowError, *, by_fallback: bool) -> None:
        """Ask an answered request again, and find by it whose fault the refusals are."""
        if not self.settled.is_set():
            return  # the control that is under way will tell
        self.settled.clear()
        try:
            found = await self._ask_control(self._controls[by_fallback])
            if isinstance(found, TryAgainError):
                return  # nothing is known yet; the next refusal asks once more
            if isinstance(found, DataflowError) and _is_same(found, error):
                raise _stopping(error)
            self._trackers[by_fallback].record_control_reply()
            await self.release(by_fallback=by_fallback)
        finally:
            self.settled.set()

    async def release(self, *, by_fallback: bool) -> None:
        """The refusals are the rows' own: ask them again, or fail those that were asked enough."""
        mine = [one for one in self._waiting if one[0].by_fallback == by_fallback]
        self._waiting = [one for one in self._waiting if one[0].by_fallback != by_fallback]
        for job, error in mine:
            tries = self._tries[job.key] = self._tries.get(job.key, 0) + 1
            if isinstance(error, StopRunError) and tries < MOST_TRIES:
                self._ask_later(job, RETRY_SECONDS)
            else:
                self._tries.pop(job.key, None)
                await self._settle(job, error)


def _is_same(found: DataflowError, error: DataflowError) -> bool:
    """Whether the control got the refusal, or another that a person must act on."""
    return isinstance(found, StopRunError) or signature(found) == signature(error)


def _stopping(error: DataflowError) -> StopRunError:
    """The error that ends the run because every row gets `error`."""
    if isinstance(error, StopRunError):
        return error
    advice = cure_of(error.kind, error.message) if isinstance(error, TooLongError) else ""
    advice = advice or (
        "mend what it complains of (the model's name, an option, the server's settings)"
    )
    stop = StopRunError(
        f"the server refuses every request in the same way, so nothing is asked any more: "
        f"{error.message.rstrip('.')}. What to do: {advice}. Then run the same command again"
    )
    stop.__cause__ = error
    return stop
