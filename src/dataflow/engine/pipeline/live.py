"""The live pipeline: every job through loading, asking and checking into the journal.

Bounded in every direction, so that memory does not grow with the dataset: `InFlightBound` bounds
what lies between loading and outcome, and no stage runs ahead of it. Rows finish in any order; the
journal keeps what came of each, and the output is assembled from it in the dataset's order.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from typing import Any

from dataflow.checks.rules.empty import empty
from dataflow.core.aio import Worker
from dataflow.core.errors import DataflowError, FaultAlarmError, RowError
from dataflow.core.protocols.serving import Client
from dataflow.core.request import Reply
from dataflow.engine.flow.adaptive_concurrency import START, AdaptiveConcurrency
from dataflow.engine.flow.admission import AdmissionController
from dataflow.engine.flow.backpressure import InFlightBound
from dataflow.engine.flow.circuit_breaker import CircuitBreaker
from dataflow.engine.flow.rate_limiter import RateLimiter
from dataflow.engine.job import Job
from dataflow.engine.journal.journal import Journal
from dataflow.engine.journal.records import ResultRecord
from dataflow.engine.pipeline import stages
from dataflow.engine.pipeline.admission import Admission
from dataflow.engine.pipeline.asking import Asking
from dataflow.engine.pipeline.budget import Budget
from dataflow.engine.pipeline.content_reuse import ContentReuse
from dataflow.engine.pipeline.health import RunHealth
from dataflow.engine.pipeline.intake import Intake, judge_for
from dataflow.engine.pipeline.resume import ResumeState
from dataflow.engine.pipeline.row_loader import LOADERS, RowLoader
from dataflow.engine.pipeline.stages import RowOutcome
from dataflow.engine.plan import Plan
from dataflow.engine.quality.fault_alarm import FaultAlarm
from dataflow.engine.quality.judge import REOPENED
from dataflow.images.loader import Loader

AHEAD = 64
"""Jobs loaded or loading beyond those in flight."""

AHEAD_BYTES = 128 * 1024 * 1024
"""Bytes of pictures between loading and outcome at most."""


class LivePipeline:
    """One run's way through the engine; lives in one event loop.

    Args:
        plan: The run.
        journal: Where outcomes go.
        recalled: The rows that need no looking at; None to look at each.
        on_outcome: Called with each outcome, once it is committed.
    """

    def __init__(
        self,
        plan: Plan,
        journal: Journal,
        recalled: ResumeState | None = None,
        *,
        on_outcome: Callable[[RowOutcome], None] | None = None,
    ) -> None:
        self._plan = plan
        self._journal = journal
        self._progress = plan.progress
        self._concurrency = plan.concurrency or plan.serving.max_workers
        self._is_elsewhere = plan.serving.loads_pictures
        self._judge = judge_for(plan)
        self._alarm = FaultAlarm(
            # who wants nothing checked but that there is an answer takes one text for all, too
            plan.fault_alarm,
            compares_texts=any(check is not empty for check in plan.checks),
        )
        self._intake = Intake(plan, journal, recalled, judge=self._judge)
        self._reuse = ContentReuse(plan, journal, self._intake.maker)
        self._bound = InFlightBound(self._concurrency + AHEAD, AHEAD_BYTES)
        self._inbox: asyncio.Queue[list[Job]] = asyncio.Queue(maxsize=2 * LOADERS)
        self._first_ready = asyncio.Event()
        self._outstanding: set[bytes] = set()
        self._fed = False
        self._all_done = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._draining = asyncio.Event()
        self._error: BaseException | None = None
        self._on_outcome = on_outcome
        breaker = CircuitBreaker(plan.give_up_after)
        controller = AdmissionController(
            AdaptiveConcurrency(self._concurrency, start=_first_level(plan)),
            RateLimiter(plan.requests_per_minute, plan.tokens_per_minute),
            learns=not plan.serving.self_limiting,
        )
        self._asking = Asking(
            plan,
            Admission(Budget(plan), breaker, controller),
            RunHealth(plan, breaker),
            settle=self._settle,
            are_left=self._are_left,
            reopen=self._reopen,
        )

    async def drive(self) -> None:
        """Take every row to its outcome.

        Raises:
            StopRunError: the run had to stop; every answer so far is in the journal.
        """
        async with Loader(self._plan.limits) as loader:
            self._start(self._feed())
            rows = RowLoader(
                self._bound,
                self._intake.maker,
                start=self._start,
                loaded=self._loaded,
                is_elsewhere=self._is_elsewhere,
            )
            rows.run(self._inbox, loader)
            try:
                await self._until(self._first_ready.wait(), self._all_done.wait())
                if self._first_ready.is_set() and not self._draining.is_set():
                    await self._ask_all()
            finally:
                await self._end_tasks()
        if self._error is not None:
            raise self._error

    def drain(self) -> None:
        """Ask nothing more; what is in flight is finished and kept. Call from the loop."""
        self._draining.set()

    # --- feeding -------------------------------------------------------------------------------

    async def _feed(self) -> None:
        reader = Worker("dataflow-reader")
        try:
            while (rows := await reader.do(self._intake.next_rows)) is not None:
                for jobs in rows:
                    self._outstanding.update(job.key for job in jobs)
                    await self._inbox.put(jobs)
        finally:
            reader.close(wait=True)
        self._fed = True
        self._mark_if_done()

    async def _loaded(self, job: Job, problem: RowError | None) -> None:
        copy = None
        if problem is None and not self._is_elsewhere:
            copy = await self._reuse.find(job)
        if copy is not None:
            await self._journal.put(copy)
            self._progress.reused += 1
            self._finish(job)
        elif problem is None:
            self._asking.ready.put_nowait(job)
            self._first_ready.set()
        else:
            await self._settle(job, problem)

    # --- asking --------------------------------------------------------------------------------

    async def _ask_all(self) -> None:
        self._progress.phase = "starting engine"
        async with self._clients() as client_of:
            self._progress.phase, self._progress.fetched = "captioning", None
            self._progress.started = time.monotonic()
            async with self._asking.running(client_of, self._fail):
                await self._until(self._all_done.wait())

    @contextlib.asynccontextmanager
    async def _clients(self) -> AsyncIterator[Callable[[Job], Client]]:
        """Open the engine, and the fallback's where there is one: a job → who is asked."""
        fallback = self._plan.reject_policy.fallback
        async with contextlib.AsyncExitStack() as stack:
            client = await stack.enter_async_context(self._plan.serving.connect())
            other = client
            if fallback is not None:
                other = await stack.enter_async_context(fallback.serving.connect())
            yield lambda job: other if job.by_fallback else client

    # --- outcomes ------------------------------------------------------------------------------

    async def _settle(self, job: Job, outcome: Reply | DataflowError) -> bool:
        """Commit what came of a job; returns whether it is to be asked again instead."""
        if self._is_elsewhere:
            outcome = stages.checked_reply(job, outcome, self._intake.maker)
        try:
            settled = await stages.settle(
                job,
                outcome,
                judge=self._judge,
                journal=self._journal,
                progress=self._progress,
                alarm=self._alarm,
            )
        except FaultAlarmError:
            await self._reopen(self._alarm.suspects)
            raise
        if settled is None:
            return True
        if self._on_outcome is not None:
            self._on_outcome(settled)
        self._finish(job)
        return False

    def _finish(self, job: Job) -> None:
        """Let go of a job whose outcome is in the journal."""
        self._intake.finished(job.key)
        job.row_group.left -= 1
        # the row's pictures go with its last job
        self._bound.release(0 if job.row_group.left else job.row_group.size)
        self._outstanding.discard(job.key)
        self._mark_if_done()

    async def _reopen(self, keys: Iterable[bytes]) -> None:
        """Take back what came of these requests, so that the next run asks them again."""
        await self._journal.put(
            *(
                ResultRecord(key, error_kind=REOPENED, error="the engine was at fault")
                for key in keys
            )
        )

    def _are_left(self, keys: set[bytes]) -> bool:
        """Whether no job but those of `keys` is without an outcome."""
        return self._fed and self._outstanding <= keys

    def _mark_if_done(self) -> None:
        if self._fed and not self._outstanding:
            self._all_done.set()

    # --- tasks ---------------------------------------------------------------------------------

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        if self._error is None:
            self._error = error
        self._draining.set()

    async def _until(self, *events: Coroutine[Any, Any, Any]) -> None:
        """Wait for the first of `events`, or for the drain."""
        tasks = [asyncio.create_task(e) for e in (*events, self._draining.wait())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()

    async def _end_tasks(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._intake.close()
        self._judge.close()


def _first_level(plan: Plan) -> int:
    if plan.concurrency is None and plan.serving.adaptive_concurrency:
        return START
    return plan.concurrency or plan.serving.max_workers
