"""Judges answers: runs the checks, has rejected ones asked again, and makes the result record."""

from __future__ import annotations

import asyncio
import inspect
import threading
import time
from collections.abc import Awaitable, Sequence
from dataclasses import replace
from typing import Any

from dataflow.core.aio import Worker
from dataflow.core.errors import (
    BadRequestError,
    DataflowError,
    EmptyCaptionError,
    RowError,
    TooLongError,
)
from dataflow.core.protocols.check import Check, CheckContext, Verdict
from dataflow.core.protocols.serving import AsyncServing
from dataflow.core.request import Reply, Request, Usage
from dataflow.core.text import error_text
from dataflow.engine.job import Job
from dataflow.engine.journal.codec import utf8
from dataflow.engine.journal.records import OPEN, AttemptRecord, ResultRecord
from dataflow.engine.quality.reask import (
    CHECK_FAILED,
    NO_CAPTION,
    EngineCapabilities,
    best_of,
    next_request,
)
from dataflow.engine.quality.reject_policy import RejectPolicy

REOPENED = "engine_fault"
"""The kind of error of a row whose answers were the broken engine's: they count for nothing."""


class Judge:
    """Judges the answers of one run; from any thread.

    Checks and refinements of this package run on the event loop: they are linear in the text, and
    take microseconds. Those that a user wrote run in one thread beside it, one answer after
    another, so that a slow one holds up no request; one that is a coroutine function is awaited
    there, in an event loop of that thread.

    Args:
        serving: The engine.
        checks: Run over each answer.
        reject_policy: What becomes of an answer that one of them rejects.
        retry_failed: Whether rows that failed for good in a former run are asked again.
    """

    def __init__(
        self,
        serving: AsyncServing,
        checks: Sequence[Check],
        reject_policy: RejectPolicy,
        *,
        retry_failed: bool = False,
    ) -> None:
        self._serving = serving
        self._checks = checks
        self._rejects = reject_policy
        self._retries = retry_failed
        self._lock = threading.Lock()  # a check may remember what it has seen
        self._has_foreign = any(map(_is_foreign, [*checks, *reject_policy.refine]))
        self._beside: Worker | None = None

    def close(self) -> None:
        """Let the thread beside the event loop end."""
        if self._beside is not None:
            self._beside.close(wait=False)
            self._beside = None

    async def take_reply(self, job: Job, outcome: Reply | DataflowError) -> bool:
        """Take in what came back for a job; returns whether it is to be asked again.

        Then its request is changed. Where the outcome is an answer, it is the job's last one now,
        with all that was spent on it.
        """
        if isinstance(outcome, Reply) and self._runs_foreign_code(job):
            self._beside = self._beside or Worker("dataflow-checks")
            answer = await self._beside.do(lambda: self._answer(job, outcome))
        else:
            answer = self._answer(job, outcome)
        if answer is None:
            return False
        job.answers.append(answer)
        job.usage, job.cost, job.attempts = Usage(), None, 0
        return self._asks_again(job)

    def _runs_foreign_code(self, job: Job) -> bool:
        request = job.request
        if request is None or (request.checks is None and request.refine is None):
            return self._has_foreign
        own = [*(request.checks or ()), *(request.refine or ())]
        return self._has_foreign or any(map(_is_foreign, own))

    def records_of_latest(self, job: Job) -> list[AttemptRecord]:
        """A job's latest answer, where the journal is to keep it beside the job's entry."""
        return [answer for answer in job.answers[-1:] if answer.must_be_kept]

    def resume(
        self, job: Job, former: ResultRecord | None, answers: Sequence[AttemptRecord]
    ) -> bool:
        """Judge what a former run left of a job; returns whether it is to be asked now.

        Args:
            job: Its answers are `answers` then; where they are turned down its request is changed.
            former: The journal's entry of it.
            answers: Those that are in the journal.
        """
        if job.request is None:
            return True
        if former is not None and former.error_kind == OPEN:
            job.first_ask = 1 + max((answer.ask for answer in answers), default=-1)
            return True
        if not answers and former is not None and former.caption is not None:
            # the first answer was kept as it was, and stands in its entry alone
            answers = [
                AttemptRecord(
                    job.key, 0, former.caption, finish_reason=former.finish_reason,
                    model=former.model, seconds=former.seconds,
                )
            ]  # fmt: skip
            job.billed = 1
        elif former is not None:
            job.billed = sum(answer.ask < former.asks for answer in answers)
        job.answers = [self._judged(answer, job.request) for answer in answers]
        is_reopened = former is not None and former.error_kind == REOPENED
        if answers:
            job.first_fresh = len(answers) if is_reopened else None
        if former is not None and (self._retries or former.error_kind == REOPENED):
            job.more_asks = len(answers)
        return not answers or self._asks_again(job)

    def record(self, job: Job, error: DataflowError | None = None) -> ResultRecord:
        """A job's outcome, as the journal keeps it: by its best answer, where it has one.

        Args:
            job: The job.
            error: What ended it, where that was no answer.
        """
        best = best_of(job.answers)
        spent = job.spent()
        if best is None:
            return _failed(spent, error or RowError("no answer came"), job)
        entry = replace(
            spent,
            is_final=True,
            finish_reason=best.finish_reason,
            seconds=spent.seconds or best.seconds,
            model=best.model,
            check_fingerprint=self._rejects.mark or 0,
        )
        if not best.verdicts:
            return replace(entry, caption=utf8(best.caption))
        first = best.verdicts[0]
        kinds = {verdict.kind for verdict in best.verdicts}
        is_kept = self._rejects.then == "flag" and not kinds & {*NO_CAPTION, CHECK_FAILED}
        # what time may cure, and what broke down, a later run takes up where this one left it
        is_cured_by_time = error is not None and not _is_final(error, job)
        is_open = CHECK_FAILED in kinds or is_cured_by_time
        return replace(
            entry,
            caption=utf8(best.caption) if is_kept else None,
            error_kind=first.kind,
            error=utf8(first.reason),
            is_final=not is_open,
            check_fingerprint=0 if is_open else entry.check_fingerprint,
        )

    def _answer(self, job: Job, outcome: Reply | DataflowError) -> AttemptRecord | None:
        if job.request is None:
            return None
        reply = outcome
        if isinstance(outcome, EmptyCaptionError):
            reply = Reply("")
        if not isinstance(reply, Reply):
            return None
        answer = AttemptRecord(
            job.key,
            job.answers[-1].ask + 1 if job.answers else job.first_ask,
            utf8(reply.text),
            changed=job.changed,
            finish_reason=reply.finish_reason,
            usage=job.usage,
            cost=None if job.cost is None else float(job.cost),
            attempts=job.attempts,
            seconds=time.monotonic() - job.first_asked if job.first_asked else 0.0,
            model=reply.model,
        )
        if isinstance(outcome, EmptyCaptionError):
            return replace(answer, verdicts=(Verdict("empty", outcome.message),))
        return self._judged(answer, job.asking or job.request, job.digests)

    def _judged(
        self, answer: AttemptRecord, request: Request, digests: tuple[bytes, ...] = ()
    ) -> AttemptRecord:
        caption = answer.text
        for refine in self._rejects.refine if request.refine is None else request.refine:
            caption = refine(caption)
        reply = Reply(answer.text, answer.finish_reason)
        checks = self._checks if request.checks is None else request.checks
        verdicts = self._verdicts(caption, _context_of(reply, request, digests), checks)
        return replace(answer, caption=caption, verdicts=verdicts)

    def _verdicts(
        self, text: str, context: CheckContext, checks: Sequence[Check]
    ) -> tuple[Verdict, ...]:
        found = []
        with self._lock:
            for check in checks:
                try:
                    verdict = check(text, context)
                    if verdict is None:
                        continue
                    verdict = _awaited(verdict)
                    if not _is_one(verdict):
                        raise TypeError(f"it is to return a Verdict or None, not {verdict!r:.80}")
                except KeyboardInterrupt:
                    raise
                except BaseException as error:  # noqa: BLE001 - a user's code
                    name = getattr(check, "__name__", type(check).__name__)
                    reason = f"the check {name} broke down: {error_text(error)}"
                    return (Verdict(CHECK_FAILED, reason),)
                if verdict is not None:
                    found.append(verdict)
                    if verdict.kind == "empty":
                        break  # there is nothing that the others could look at
        return tuple(found)

    def _asks_again(self, job: Job) -> bool:
        """Whether the job is to be asked again; its request is changed then."""
        if job.request is None or any(not answer.verdicts for answer in job.answers):
            return False
        most = self._rejects.max_asks + job.more_asks
        fallback = self._rejects.fallback
        if fallback is not None and not fallback.has_answered(job.answers):
            # all asks may have been another model's, in a run that had no fallback
            most = max(most, len(job.answers) + 1)
        job.by_fallback = fallback is not None and len(job.answers) == most - 1
        serving = fallback.serving if fallback and job.by_fallback else self._serving
        takes = EngineCapabilities.by(serving, job.request)
        found = next_request(job.request, job.answers, takes, max_asks=most)
        if found is None:
            return False
        job.asking, job.changed = found
        if job.by_fallback:
            job.changed["model"] = serving.model
        job.retries = {}
        return True


def _is_one(verdict: object) -> bool:
    """Whether a check may return this: a verdict in words, or None."""
    if verdict is None:
        return True
    return isinstance(verdict, Verdict) and all(
        isinstance(part, str) for part in (verdict.kind, verdict.reason, verdict.follow_up)
    )


def _failed(entry: ResultRecord, error: DataflowError, job: Job) -> ResultRecord:
    message, is_final = utf8(error.message), _is_final(error, job)
    return replace(entry, error_kind=error.kind, error=message, is_final=is_final)


def _is_final(error: DataflowError, job: Job) -> bool:
    # a failure that cost no request, or that time may cure, is looked at again by a later run; so
    # is a refusal of the request without a known reason, which a person may mend at the server,
    # and a context that is too short, where it is a setting of ours
    is_open = isinstance(error, BadRequestError) or (
        isinstance(error, TooLongError) and error.is_adjustable
    )
    is_rows = isinstance(error, RowError) and not is_open
    return is_rows and job.attempts > 0


def _is_foreign(code: object) -> bool:
    """Whether a check or a refinement is not this package's own."""
    module = getattr(code, "__module__", None) or type(code).__module__
    return not module.startswith("dataflow.")


def _awaited(verdict: Any) -> Any:
    """What a check returned; where that is a coroutine, what it returns."""
    return asyncio.run(_outcome_of(verdict)) if inspect.isawaitable(verdict) else verdict


async def _outcome_of(verdict: Awaitable[Any]) -> Any:
    return await verdict


def _context_of(reply: Reply, request: Request, digests: tuple[bytes, ...]) -> CheckContext:
    """What the checks may know about the text of `reply`."""
    asked = (part for turn in request.turns if turn.role != "assistant" for part in turn.parts)
    return CheckContext(
        finish_reason=reply.finish_reason,
        prompts=tuple(part for part in asked if isinstance(part, str)),
        pictures=request.pictures,
        digests=digests,
    )
