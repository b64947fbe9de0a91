"""Asks a run's jobs: sends them, retries them, and asks those a second time that hang."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, cast

from dataflow.core.aio import as_ordinary, now
from dataflow.core.errors import (
    AskTimeoutError,
    DataflowError,
    EmptyCaptionError,
    RateLimitedError,
    ReplyReuseError,
    RowError,
    StopRunError,
    TryAgainError,
)
from dataflow.core.protocols.serving import Client
from dataflow.core.request import Reply, Request
from dataflow.engine.flow.hedging import HedgePolicy
from dataflow.engine.job import Job
from dataflow.engine.pipeline import stages
from dataflow.engine.pipeline.admission import Admission, Attempt
from dataflow.engine.pipeline.health import RunHealth
from dataflow.engine.pipeline.hedged_call import HedgedCall
from dataflow.engine.pipeline.refusals import RefusalHandler
from dataflow.engine.plan import Plan
from dataflow.engine.quality.reply_reuse import ReplyReuseDetector

LOOK_SECONDS = 0.5
"""How often requests in flight are looked at."""

DRAIN_SECONDS = 10.0
"""What is in flight when the run ends early is finished within this …"""

DRAIN_MULTIPLE = 3.0
"""… or this many times what nearly all answers took, whichever is longer."""

UNMEASURED_DRAIN_SECONDS = 20.0
"""Where no answer has told yet how long one takes."""

_log = logging.getLogger("dataflow")


class Asking:
    """Asks the jobs that are put into `ready`; used from one event loop only.

    Args:
        plan: The run.
        admission: What each request waits for.
        health: What failures mean for the run.
        settle: Commits a job's outcome; returns whether the job is to be asked again instead.
        are_left: Whether no job but those of the given keys is without an outcome.
        reopen: Takes back the outcomes of the given keys, so that a later run asks again.
    """

    def __init__(
        self,
        plan: Plan,
        admission: Admission,
        health: RunHealth,
        *,
        settle: Callable[[Job, Reply | DataflowError], Awaitable[bool]],
        are_left: Callable[[set[bytes]], bool],
        reopen: Callable[[set[bytes]], Awaitable[None]],
    ) -> None:
        self._plan = plan
        self._progress = plan.progress
        self._admission = admission
        self._health = health
        self._settle_outcome = settle
        self._are_left = are_left
        self._reopen = reopen
        self.ready: asyncio.Queue[Job] = asyncio.Queue()
        self._calls: dict[HedgedCall, None] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._hedging = HedgePolicy()
        self._reuse = ReplyReuseDetector()
        self._is_stopping = False
        self._is_admitting = False
        self._refusals = RefusalHandler(
            health,
            stops_where_all_fail=plan.stops_where_all_fail,
            settle=self._settle,
            ask_later=self._ask_later,
            ask_control=self._ask_control,
        )

    @contextlib.asynccontextmanager
    async def running(
        self, client_of: Callable[[Job], Client], on_error: Callable[[BaseException], None]
    ) -> AsyncIterator[None]:
        """Ask jobs during the block; when it ends, what is in flight is finished for a while.

        Args:
            client_of: Who is asked about a job.
            on_error: Called with what ends the run.
        """
        self._client_of = client_of
        self._on_error = on_error
        helpers = [asyncio.create_task(self._dispatch()), asyncio.create_task(self._look_around())]
        is_whole = False
        try:
            yield
            is_whole = True
        finally:
            self._is_stopping = True
            await _cancel(helpers)
            tasks = list(self._tasks)
            if tasks and is_whole:
                await asyncio.wait(tasks, timeout=self._drain_seconds)
            await _cancel(tasks)

    @property
    def _drain_seconds(self) -> float:
        if not self._hedging.usual:
            return UNMEASURED_DRAIN_SECONDS
        return max(DRAIN_SECONDS, DRAIN_MULTIPLE * self._hedging.usual)

    def _stop(self, error: BaseException) -> None:
        """Send nothing more; the run ends with `error`."""
        self._is_stopping = True
        self._on_error(error)

    # --- sending -------------------------------------------------------------------------------

    async def _dispatch(self) -> None:
        """Admit one job after another, each as a task of its own.

        Where nothing has to be waited for, the event loop is not gone through between two jobs.
        """
        while True:
            await self._refusals.settled.wait()
            call = HedgedCall(await self.ready.get())
            self._is_admitting = True
            try:
                attempt = await call.admission.enter_async_context(self._admission(call.job))
                client = await call.slot.enter_async_context(self._slot(call.job))
            except (asyncio.CancelledError, KeyboardInterrupt):
                await call.leave()
                raise
            except BaseException as error:  # noqa: BLE001 - it ends the run and is raised there
                await call.leave()
                self._stop(as_ordinary(error))
                return
            finally:
                self._is_admitting = False
            task = asyncio.create_task(self._run(call, attempt, client))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _run(self, call: HedgedCall, attempt: Attempt, client: Client) -> None:
        """One attempt at a job, or two where it hangs, and what follows from it."""
        try:
            if self._is_stopping:
                return  # the run ended while this one waited
            call.start(self._first(call, attempt, client))
            attempt = await call.result()
            self._calls.pop(call, None)
            # still admitted: nothing else is sent in its place before it is known what this means
            await self._conclude(call.job, attempt)
        except asyncio.CancelledError as error:
            if not self._is_stopping:  # the serving raised it: nobody else cancels this task
                self._stop(as_ordinary(error))
            raise
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - it ends the run and is raised there
            self._stop(as_ordinary(error))
        finally:
            self._calls.pop(call, None)
            await call.leave()

    async def _first(self, call: HedgedCall, attempt: Attempt, client: Client) -> Attempt:
        try:
            attempt.sent_at = now()
            call.first = attempt
            self._calls[call] = None
            await self._send(call.job, attempt, client)
        finally:
            await call.slot.aclose()
        return attempt

    async def _second(self, call: HedgedCall) -> Attempt:
        async with self._admission(call.job) as attempt, self._slot(call.job) as client:
            attempt.sent_at = now()
            call.second = attempt
            await self._send(call.job, attempt, client)
        return attempt

    def _slot(self, job: Job) -> contextlib.AbstractAsyncContextManager[Client]:
        """What a request waits for where other runs share the serving, and the client behind it.

        It waits here and not in the client, so that a run that stops sends nothing of what waits.
        """
        client = self._client_of(job)
        slot = getattr(client, "slot", None)
        return contextlib.nullcontext(client) if slot is None else slot()

    async def _send(self, job: Job, attempt: Attempt, client: Client) -> None:
        """Make one attempt; what it used is on the bill however it ends."""
        job.first_asked = job.first_asked or time.monotonic()
        job.attempts += 1
        self._progress.requests += 1
        self._progress.in_flight += 1
        self._hedging.record_sent()
        request = cast("Request", job.asking or job.request)
        price = self._plan.price_of(job)
        try:
            attempt.outcome = await _outcome_of(client.send(request, job.pictures))
        finally:
            self._progress.in_flight -= 1
            stages.charge(job, attempt.outcome, price, self._progress)
            self._progress.retried += isinstance(attempt.outcome, TryAgainError)
            self._progress.refused += isinstance(attempt.outcome, RateLimitedError)
        if isinstance(attempt.outcome, Reply):
            self._hedging.record_reply(attempt.seconds)

    async def _ask_control(self, job: Job) -> Reply | DataflowError:
        """Ask a request once more that was answered before, in the slot of the refused one."""
        control = Job(job.key, job.request, pictures=job.pictures, by_fallback=job.by_fallback)
        attempt = Attempt(now(), False, AskTimeoutError("the control was given up"))
        async with self._slot(job) as client:
            await self._send(control, attempt, client)
        return attempt.outcome

    # --- hung requests -------------------------------------------------------------------------

    async def _look_around(self) -> None:
        """From time to time, ask again what hangs, and decide about rows that wait in vain."""
        try:
            while True:
                await asyncio.sleep(LOOK_SECONDS)
                self._progress.rate_limit = self._admission.learned_rate
                self._progress.endpoints = self._plan.serving.endpoint_counts()
                if self.ready.empty():
                    self._look_for_hung()
                    await self._look_for_last()
        except Exception as error:  # noqa: BLE001 - it ends the run and is raised there
            self._stop(error)

    def _look_for_hung(self) -> None:
        """Ask those a second time that are out too long; give up those that hang twice."""
        if self._plan.serving.is_local:
            return  # it is restarted where it hangs, and its requests wait for that
        for call in self._calls:
            if call.first is None or call.first.seconds < self._hedging.hedge_after:
                continue
            if not call.is_hedged and self._hedging.may_hedge:
                self._hedge(call, call.first.seconds)
            elif call.second and call.second.seconds >= self._hedging.give_up_after:
                call.give_up()

    def _hedge(self, call: HedgedCall, seconds: float) -> None:
        if not self._progress.hedged:
            _log.warning(
                "a request has had no answer for %.0f s, and nearly all others took %.1f s: such "
                "requests are asked again, and the first answer counts",
                seconds,
                self._hedging.usual,
            )
        self._hedging.record_hedge()
        self._progress.hedged += 1
        call.is_hedged = True
        call.start(self._second(call))

    # --- outcomes ------------------------------------------------------------------------------

    async def _conclude(self, job: Job, attempt: Attempt) -> None:
        """Do what the outcome of a job's attempt asks for."""
        outcome = attempt.outcome
        if isinstance(outcome, TryAgainError):
            await self._try_again(job, outcome, attempt)
        elif isinstance(outcome, (Reply, EmptyCaptionError)):
            self._health.record_answer(attempt)
            await self._answered(job, outcome)
        else:
            self._health.record_answer(attempt)
            await self._refusals.take(job, outcome)

    async def _answered(self, job: Job, outcome: Reply | DataflowError) -> None:
        if isinstance(outcome, Reply):
            try:
                # two files may hold the same picture
                asked = hash(job.content_key or (job.request and job.request.turns))
                self._reuse.record(job.key, asked, outcome)
            except ReplyReuseError:
                await self._reopen(self._reuse.keys_of(outcome))
                raise
        self._refusals.record_answer(job)  # before it waits for checks and disk
        await self._settle(job, outcome)
        await self._refusals.release(by_fallback=job.by_fallback)

    async def _try_again(self, job: Job, error: TryAgainError, attempt: Attempt) -> None:
        wait = self._health.wait_before_retry(job, error, attempt, are_left=self._are_left)
        if wait is None or (isinstance(error, AskTimeoutError) and attempt.is_given_up):
            await self._settle(job, error)
        else:
            # the slot is free for another row meanwhile; where the run ends before the wait does,
            # the row has no outcome in the journal and is asked by the next run
            self._ask_later(job, wait)

    def _ask_later(self, job: Job, wait: float) -> None:
        asyncio.get_running_loop().call_later(wait, self.ready.put_nowait, job)

    async def _settle(self, job: Job, outcome: Reply | DataflowError) -> None:
        """Commit what came of a job; one that is asked again goes back to the others."""
        asks_again = await self._settle_outcome(job, outcome)
        self._health.forget(job)
        if asks_again:
            self.ready.put_nowait(job)

    async def _look_for_last(self) -> None:
        """Decide about rows that wait for others, where there are no others."""
        if not self._calls and not self._tasks and not self._is_admitting:
            await self._refusals.decide_last(self._are_left)


async def _outcome_of(attempt: Awaitable[Reply]) -> Reply | DataflowError:
    """The attempt's reply, or the error that it failed with."""
    try:
        return await attempt
    except (RowError, TryAgainError, StopRunError) as error:
        return error


async def _cancel(tasks: Sequence[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
