"""The road: every job from the intake through loading, asking and checking into the journal.

Bounded in every direction, so that memory does not grow with the dataset: `InFlightBound` bounds
what lies between loading and outcome, and no stage runs ahead of it. Rows finish in any order; the
journal keeps what came of each, and the output is assembled from it in the dataset's order.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any, cast

from dataflow.core.aio import Worker
from dataflow.core.errors import (
    DataflowError,
    RateLimitedError,
    RowError,
    StopRunError,
    TryAgainError,
    UnreachableError,
)
from dataflow.core.request import Reply, Request
from dataflow.core.serving import Client
from dataflow.engine.flow import retry_policy
from dataflow.engine.flow.adaptive_concurrency import START, AdaptiveConcurrency
from dataflow.engine.flow.admission import AdmissionController, Permit
from dataflow.engine.flow.backpressure import InFlightBound
from dataflow.engine.flow.circuit_breaker import CircuitBreaker
from dataflow.engine.flow.rate_limiter import RateLimiter
from dataflow.engine.job import Job, RetryState
from dataflow.engine.journal.journal import Journal
from dataflow.engine.pipeline import stages
from dataflow.engine.pipeline.budget import Budget, SpendReservation
from dataflow.engine.pipeline.intake import Intake
from dataflow.engine.pipeline.resume import ResumeState
from dataflow.engine.pipeline.row_loader import LOADERS, RowLoader
from dataflow.engine.plan import Plan
from dataflow.engine.quality.judge import Judge
from dataflow.images.loader import Loader

AHEAD = 64
"""Jobs loaded or loading beyond those in flight."""

AHEAD_BYTES = 128 * 1024 * 1024
"""Bytes of pictures on the road at most."""

VAGUE_ROWS = 3
"""So many rows turned down without a reason and without an answer between them stop the run."""

LONG_WAIT = 20.0
"""Seconds: a wait from here on is told."""

_log = logging.getLogger("dataflow")


class LivePipeline:
    """One run's way through the engine; lives in one event loop.

    Args:
        plan: The run.
        journal: Where outcomes go.
        recalled: The rows that need no looking at; None to look at each.
    """

    def __init__(self, plan: Plan, journal: Journal, recalled: ResumeState | None = None) -> None:
        self._plan = plan
        self._journal = journal
        self._progress = plan.progress
        self._concurrency = plan.concurrency or plan.serving.max_workers
        self._judge = Judge(plan)
        self._intake = Intake(plan, journal, recalled, judge=self._judge)
        self._gate = CircuitBreaker(plan.give_up_after)
        self._limiter = AdmissionController(
            AdaptiveConcurrency(self._concurrency, start=_first_level(plan)),
            RateLimiter(plan.requests_per_minute, plan.tokens_per_minute),
            learns=not plan.serving.self_limiting,
        )
        self._budget = Budget(plan)
        self._room = InFlightBound(self._concurrency + AHEAD, AHEAD_BYTES)
        self._inbox: asyncio.Queue[list[Job]] = asyncio.Queue(maxsize=2 * LOADERS)
        self._ready: asyncio.Queue[Job] = asyncio.Queue()
        self._first_ready = asyncio.Event()
        self._outstanding = 0
        self._fed = False
        self._all_done = asyncio.Event()
        self._rng = random.Random()
        self._tasks: set[asyncio.Task[None]] = set()
        self._busy: set[asyncio.Task[None]] = set()
        self._draining = asyncio.Event()
        self._error: BaseException | None = None
        self._vague = 0
        self._failing: set[bytes] = set()
        self._is_last_chance = False

    async def drive(self) -> None:
        """Take every row to its outcome.

        Raises:
            StopRunError: the run had to stop; every answer so far is in the journal.
        """
        async with Loader(self._plan.limits) as loader:
            self._start(self._feed())
            rows = RowLoader(self._room, self._intake.maker, start=self._start, loaded=self._loaded)
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
                    self._outstanding += len(jobs)
                    await self._inbox.put(jobs)
        finally:
            reader.close(wait=True)
        self._fed = True
        self._mark_if_done()

    async def _loaded(self, job: Job, problem: RowError | None) -> None:
        if problem is None:
            self._ready.put_nowait(job)
            self._first_ready.set()
        else:
            await self._settle(job, problem)

    # --- asking --------------------------------------------------------------------------------

    async def _ask_all(self) -> None:
        self._progress.phase = "starting engine"
        async with self._askers() as of_job:
            self._progress.phase, self._progress.fetched = "captioning", None
            self._progress.started = time.monotonic()
            askers = [asyncio.create_task(self._ask_jobs(of_job)) for _ in range(self._concurrency)]
            ending = set(askers)
            try:
                await self._until(self._all_done.wait())
                # a drain lets each asker end the request it is at; one that waits just ends
                ending -= self._busy
            finally:
                for task in ending:
                    task.cancel()
                await asyncio.gather(*askers, return_exceptions=True)

    @contextlib.asynccontextmanager
    async def _askers(self) -> AsyncIterator[Callable[[Job], Client]]:
        """Open the engine, and the fallback's where there is one: a job → who is asked."""
        fallback = self._plan.reject_policy.fallback
        async with contextlib.AsyncExitStack() as stack:
            asker = await stack.enter_async_context(self._plan.serving.connect())
            other = asker
            if fallback is not None:
                other = await stack.enter_async_context(fallback.serving.connect())
            yield lambda job: other if job.by_fallback else asker

    async def _ask_jobs(self, of_job: Callable[[Job], Client]) -> None:
        me = cast("asyncio.Task[None]", asyncio.current_task())
        try:
            while not self._draining.is_set():
                job = await self._ready.get()
                reserve = await self._budget.enter(job)
                given, probe = await self._admitted()
                if self._draining.is_set():
                    return
                self._busy.add(me)
                outcome = await self._ask_once(job, of_job(job), reserve, probe=probe)
                self._limiter.leave(given, outcome)
                self._busy.discard(me)
        except Exception as error:  # noqa: BLE001 - it ends the run and is raised there
            self._fail(error)

    async def _admitted(self) -> tuple[Permit, bool]:
        """Wait for gate and limiter; returns the limiter's pass, and whether it is for a probe."""
        while True:
            # the gate first: whoever waits there must not hold a place that the probe needs
            probe = await self._gate.enter()
            given = await self._limiter.enter()
            if probe or not self._gate.is_closed:
                return given, probe
            self._limiter.give_back(given)

    async def _ask_once(
        self, job: Job, asker: Client, reserve: SpendReservation, *, probe: bool
    ) -> Reply | TryAgainError | None:
        """Make one attempt; returns what came of it, None for an error of the row."""
        request = cast("Request", job.asking or job.request)
        job.first_asked = job.first_asked or time.monotonic()
        job.attempts += 1
        self._progress.requests += 1
        self._progress.in_flight += 1
        outcome = await _outcome_of(asker.send(request, job.pictures))
        stages.charge(job, outcome, self._plan.price_of(job), self._progress)
        try:
            if not isinstance(outcome, Reply):
                return await self._failed(job, outcome, probe=probe)
            self._answered()
            await self._settle(job, outcome)
            return outcome
        finally:
            self._progress.in_flight -= 1
            self._budget.leave(reserve, outcome)

    async def _failed(self, job: Job, error: DataflowError, *, probe: bool) -> TryAgainError | None:
        """Do about a failed attempt what its error asks for; returns it where it comes again."""
        if isinstance(error, TryAgainError):
            await self._try_again(job, error, probe=probe)
            return error
        if isinstance(error, RowError):
            self._answered()
        elif isinstance(error, StopRunError) and self._may_be_the_rows(error):
            self._gate.answered()
        else:
            raise error
        await self._settle(job, error)
        return None

    def _may_be_the_rows(self, error: StopRunError) -> bool:
        """Whether a server that answered others turned down this row alone, for all we know."""
        self._vague += 1
        return error.is_vague and self._others_answered and self._vague < VAGUE_ROWS

    @property
    def _others_answered(self) -> bool:
        """Whether the engine answered other rows, now or in a former run."""
        return self._gate.ever_answered or self._progress.reused > 0

    def _answered(self) -> None:
        self._vague = 0
        self._progress.answered = time.monotonic()
        self._progress.limited = None
        self._gate.answered()
        self._say_pause()

    def _say_pause(self) -> None:
        """Tell the person who watches when the gate closes and when it opens again."""
        reason = self._gate.closed_because
        if (reason is None) != (self._progress.paused is None):
            if reason is None:
                _log.warning("the engine answers again")
            else:
                _log.warning(
                    "waiting for the engine, for %g s at most: %s", self._plan.give_up_after, reason
                )
        self._progress.paused = reason

    async def _try_again(self, job: Job, error: TryAgainError, *, probe: bool) -> None:
        self._failing.add(job.key)
        says_something = self._is_told(error, job, probe=probe)
        self._say_pause()
        now = self._gate.clock()
        tries = job.retries.setdefault(retry_policy.kind_of(error), RetryState(now))
        tries.count += says_something
        wait = retry_policy.wait_before_next(
            error, max(1, tries.count), now - tries.since, rng=self._rng
        )
        if wait is None or self._is_last_chance:
            await self._settle(job, error)
        else:
            self._say_wait(error, now=time.monotonic(), wait=wait)
            # the asker is free for another row meanwhile; where the run ends before the wait does,
            # the row has no outcome in the journal and is asked by the next run
            asyncio.get_running_loop().call_later(wait, self._ready.put_nowait, job)

    def _say_wait(self, error: TryAgainError, *, now: float, wait: float) -> None:
        """Tell the person who watches when a rate limit lets nothing through, or for long."""
        since = self._progress.answered or self._progress.started or now
        if isinstance(error, RateLimitedError) and now - since >= LONG_WAIT:
            if self._progress.limited is None:
                _log.warning(
                    "the server has let nothing through for %.0f s: %s", now - since, error
                )
            self._progress.limited = error.message
        if error.retry_after is None or wait < LONG_WAIT:
            return
        if self._progress.waits_until < now:
            _log.warning("a row waits %.0f s, as the server asks: %s", wait, error.message)
        self._progress.waits_until = max(self._progress.waits_until, now + wait)

    def _is_told(self, error: TryAgainError, job: Job, *, probe: bool) -> bool:
        """Tell the gate; returns whether the failure says something about its row."""
        if self._is_last_chance:
            return True
        try:
            return self._gate.failed(error, row=job.key, probe=probe)
        except UnreachableError:
            if not (
                self._fed and self._others_answered and len(self._failing) == self._outstanding
            ):
                raise
        # only rows are left that the server never answers: each fails by itself, not the run
        self._is_last_chance = True
        self._gate.answered()
        return True

    # --- outcomes ------------------------------------------------------------------------------

    async def _settle(self, job: Job, outcome: Reply | DataflowError) -> None:
        """Keep what came of a job; one that is asked again goes back to the others."""
        asks_again = self._judge.hear(job, outcome)
        kept = self._judge.latest(job)
        if asks_again:
            await self._journal.put(*kept)
            self._progress.asked_again += 1
            self._failing.discard(job.key)
            self._ready.put_nowait(job)
            return
        entry = self._judge.entry(job, outcome if isinstance(outcome, DataflowError) else None)
        await self._journal.put(entry, *kept)
        stages.count(self._progress, entry)
        self._intake.finished(job.key)
        self._failing.discard(job.key)
        job.row_group.left -= 1
        self._room.leave(
            0 if job.row_group.left else job.row_group.size
        )  # the row's pictures with its last
        self._outstanding -= 1
        self._mark_if_done()

    def _mark_if_done(self) -> None:
        if self._fed and self._outstanding == 0:
            self._all_done.set()

    # --- tasks ---------------------------------------------------------------------------------

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        task.add_done_callback(self._ended)
        self._tasks.add(task)

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


async def _outcome_of(attempt: Awaitable[Reply]) -> Reply | DataflowError:
    """The attempt's reply, or the error that it failed with."""
    try:
        return await attempt
    except (RowError, TryAgainError, StopRunError) as error:
        return error


def _first_level(plan: Plan) -> int:
    if plan.concurrency is None and plan.serving.adaptive_concurrency:
        return START
    return plan.concurrency or plan.serving.max_workers
