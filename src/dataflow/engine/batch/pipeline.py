"""The batch pipeline: every job into a batch's file, and what comes back into the journal.

A sibling of `live.LivePipeline` for servings that take many requests in one file and answer within
hours. It goes over the dataset in rounds. In a round each row without an outcome is settled where
its answer has come back, left alone where its batch is under way, and written into a new batch
otherwise. Then it waits for the batches, and begins the next round, until a round asks nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from dataflow.core.aio import Worker
from dataflow.core.errors import (
    DataflowError,
    GarbledReplyError,
    PictureTooLargeError,
    RowError,
    StopRunError,
    TryAgainError,
    UnderWayError,
    UnreachableError,
)
from dataflow.core.protocols.batch import BatchApi, BatchServing
from dataflow.core.request import Reply, Request
from dataflow.engine.batch.custom_ids import custom_id_of
from dataflow.engine.batch.manager import BatchManager
from dataflow.engine.batch.request_file import RequestFile, clear
from dataflow.engine.flow import retry_policy
from dataflow.engine.flow.backpressure import SlotReservation
from dataflow.engine.flow.retry import Retrier
from dataflow.engine.job import Job
from dataflow.engine.journal.batch_tables import BatchRequest, BatchTables
from dataflow.engine.journal.codec import from_text, spent_from_text, spent_to_text
from dataflow.engine.journal.journal import Journal
from dataflow.engine.pipeline import stages
from dataflow.engine.pipeline.content_reuse import ContentReuse
from dataflow.engine.pipeline.intake import Intake, judge_for
from dataflow.engine.pipeline.live import LivePipeline
from dataflow.engine.plan import Plan
from dataflow.engine.reporting.progress import Progress
from dataflow.images.loader import Loader

LOADERS = 16
"""Jobs loading at once."""

_log = logging.getLogger("dataflow")


class BatchPipeline:
    """One run's way through batches; lives in one event loop.

    Args:
        plan: The run; its serving is a `BatchServing`.
        journal: Where outcomes go.
    """

    def __init__(self, plan: Plan, journal: Journal) -> None:
        self._plan = plan
        self._journal = journal
        self._serving = cast("BatchServing", plan.serving)
        self._progress = plan.progress
        self._judge = judge_for(plan)
        self._ledger = BatchTables(journal.path)
        self._live: LivePipeline | None = None
        self._draining = False

    async def drive(self) -> None:
        """Take every row to its outcome.

        Raises:
            UnderWayError: batches are under way, and no caller waits for them.
            StopRunError: the run had to stop; every answer so far is kept.
        """
        with contextlib.ExitStack() as held:
            held.callback(self._ledger.close)
            folder = self._plan.output.files.batches
            if self._journal.path is None:
                folder = Path(held.enter_context(tempfile.TemporaryDirectory()))
            self._progress.started = time.monotonic()
            try:
                async with self._serving.connect_batches() as desk:
                    left = await self._rounds(desk, folder)
                clear(folder, keep=set())
            except TryAgainError as error:
                raise UnreachableError(
                    f"{error.message}; batches go on at the server meanwhile: run the same command "
                    "again"
                ) from error
        if left and not self._draining:
            await self._ask_live()
        done = self._progress.captioned + self._progress.failed
        self._progress.reused = max(0, (self._progress.wanted or 0) - done)

    def drain(self) -> None:
        """Ask nothing more; what is in flight is finished and kept. Call from the loop."""
        self._draining = True
        if self._live is not None:
            self._live.drain()

    async def _rounds(self, desk: BatchApi, folder: Path) -> int:
        """Go on until no batch is under way; returns the rows left to the live pipeline."""
        persistence = Retrier(self._plan.give_up_after, self._progress)
        batches = BatchManager(
            desk,
            self._ledger,
            self._serving.batching,
            folder=folder,
            persistence=persistence,
            give_up_after=self._plan.give_up_after,
        )
        async with Loader(self._plan.limits) as loader:
            await batches.recover()
            if self._plan.cancel_batches:
                await batches.cancel()
                await self._wait_for(batches)
            await batches.advance()
            is_first = True
            while True:
                turn = _Round(self, desk, batches, folder, loader)
                batches.has_given_back = False
                left = await turn.go(is_first=is_first)
                if not self._ledger.under_way() and not batches.has_given_back:
                    if turn.unasked:
                        raise UnderWayError(
                            f"the batches are cancelled; what they answered is kept, and "
                            f"{turn.unasked:,} requests are still to be asked"
                        )
                    return left
                if self._plan.detach:
                    raise UnderWayError(self._where(turn.unasked))
                await self._wait_for(batches)
                is_first = False

    async def _wait_for(self, batches: BatchManager) -> None:
        def nothing_under_way() -> bool:
            self._show()
            return not self._ledger.under_way()

        await batches.until(nothing_under_way)

    def _show(self) -> None:
        under_way = self._ledger.under_way()
        asked, done = sum(b.requests for b in under_way), sum(b.done for b in under_way)
        self._progress.in_flight = asked - done
        self._progress.phase = (
            f"waiting for {_batches(len(under_way))}, {done:,} of {asked:,} requests done"
        )

    def _where(self, unasked: int) -> str:
        under_way = self._ledger.under_way()
        asked = sum(batch.requests for batch in under_way)
        more = f"; the server takes no more now, {unasked:,} are still to be handed in"
        return (
            f"{asked:,} requests are in {_batches(len(under_way))} at {under_way[0].server}"
            f"{more if unasked else ''}; the same command again takes in what is done"
        )

    async def _ask_live(self) -> None:
        reused = self._progress.reused
        live = dataclasses.replace(self._plan, price=self._plan.live_price)
        self._live = LivePipeline(live, self._journal)
        await self._live.drive()
        self._progress.reused = reused
        BatchTables(self._journal.path).close()  # drops what has its outcome now


def _batches(count: int) -> str:
    return "1 batch" if count == 1 else f"{count} batches"


class _Round:
    """One pass over the dataset."""

    def __init__(
        self,
        pipeline: BatchPipeline,
        desk: BatchApi,
        batches: BatchManager,
        folder: Path,
        loader: Loader,
    ) -> None:
        self._plan = pipeline._plan
        self._progress = pipeline._progress
        self._journal = pipeline._journal
        self._judge = pipeline._judge
        self._ledger = pipeline._ledger
        self._desk = desk
        self._batches = batches
        self._batching = pipeline._serving.batching
        self._folder = folder
        self._loader = loader
        self._intake: Intake
        self._shard: RequestFile | None = None
        self._writing = asyncio.Lock()
        self._loading = asyncio.Semaphore(LOADERS)
        self._left = 0
        self._asks_no_more = self._plan.cancel_batches
        self.unasked = 0

    async def go(self, *, is_first: bool) -> int:
        """Settle what came back, ask the rest in batches; returns how many are left to ask live."""
        # the rows that need no asking are counted once, in the first round
        plan = self._plan if is_first else dataclasses.replace(self._plan, progress=Progress())
        self._intake = Intake(plan, self._journal, judge=self._judge)
        self._reuse = ContentReuse(plan, self._journal, self._intake.maker)
        self._progress.phase = "preparing batches"
        reader = Worker("dataflow-reader")
        try:
            while (rows := await reader.do(self._intake.next_rows)) is not None:
                await self._take(rows)
            await self._hand_in()
        finally:
            reader.close(wait=True)
            if self._shard is not None:
                self._shard.abandon()
            self._intake.close()
        return self._left

    async def _take(self, rows: list[list[Job]]) -> None:
        known = self._ledger.find([job.key for jobs in rows for job in jobs])
        tasks = [asyncio.create_task(self._consider(jobs, known)) for jobs in rows]
        try:
            done = [key for keys in await asyncio.gather(*tasks) for key in keys]
        finally:  # where one stops the run, the others must not begin another file
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        self._ledger.settled(key for key in done if key in known)
        for key in done:
            self._intake.finished(key)

    async def _consider(self, jobs: list[Job], known: Mapping[bytes, BatchRequest]) -> list[bytes]:
        """Do what is to be done for a row's jobs; returns the keys of those with an outcome now."""
        done: list[bytes] = []
        to_write: list[Job] = []
        for job in jobs:
            asked = known.get(job.key)
            answer = None if asked is None else self._came_back(job, asked)
            if asked is None or (answer is None and not asked.is_under_way):
                if job.by_fallback:  # another model, which is asked one by one
                    self._left += 1
                else:
                    to_write.append(job)
            elif answer is None:
                self._intake.finished(job.key)
            elif self._is_outcome(answer, job) and await self._settle(job, answer):
                done.append(job.key)
            elif self._batching.then_live:
                self._left += 1
            else:
                to_write.append(job)
        if to_write:
            slot = SlotReservation(self._loading)
            try:
                done += await self._write(to_write, slot)
            finally:
                slot.leave()
        return done

    def _came_back(self, job: Job, asked: BatchRequest) -> Reply | DataflowError | None:
        """What came back for a job that was in a batch, put on its bill; None for nothing yet."""
        if asked.is_under_way:
            return None
        job.attempts = asked.attempts
        job.usage, job.cost = spent_from_text(asked.spent)
        job.first_asked = time.monotonic() - asked.seconds
        if asked.answer is None:
            return None
        answer = from_text(asked.answer)
        stages.charge(job, answer, self._plan.price, self._progress)
        return answer

    def _is_outcome(self, answer: Reply | DataflowError, job: Job) -> bool:
        """Whether the job's latest answer is its last."""
        if isinstance(answer, StopRunError):
            return answer.is_vague  # a person has acted since, or this run stops again
        if isinstance(answer, GarbledReplyError) and not self._batching.then_live:
            return job.attempts > 1  # another batch hardly helps, and is paid for
        if isinstance(answer, TryAgainError) and not self._batching.then_live:
            return job.attempts >= retry_policy.rule_for(answer).attempts
        return not isinstance(answer, TryAgainError)

    async def _settle(self, job: Job, outcome: Reply | DataflowError) -> bool:
        """Keep what came of a job; returns whether that is all, or it is to be asked again."""
        settled = await stages.settle(
            job, outcome, judge=self._judge, journal=self._journal, progress=self._progress
        )
        return settled is not None

    async def _write(self, jobs: list[Job], slot: SlotReservation) -> list[bytes]:
        """Load the pictures of a row's jobs and write these into batches' files.

        Returns:
            The keys of those that cannot be asked, and have their outcome now.
        """
        if self._asks_no_more:
            self.unasked += len(jobs)
            return []
        problems = await stages.load(jobs, self._loader, self._intake.maker, slot)
        await slot.enter()  # a row without pictures has none yet
        done = []
        for job, problem in zip(jobs, problems, strict=True):
            try:
                if problem is not None:
                    raise problem
                if (copy := await self._reuse.find(job)) is not None:
                    await self._journal.put(copy)
                    self._intake.finished(job.key)
                    done.append(job.key)
                    continue
                await self._write_one(job)
            except RowError as error:
                await self._settle(job, error)
                done.append(job.key)
            job.pictures = ()
        return done

    async def _write_one(self, job: Job) -> None:
        request = cast("Request", job.asking or job.request)
        line = self._desk.line(custom_id_of(job.key), request, job.pictures)
        if len(line) > self._batching.size:
            raise PictureTooLargeError(
                f"its request is {len(line)} bytes, and a batch takes {self._batching.size}; a "
                "smaller --max-side makes it smaller"
            )
        async with self._writing:
            if self._shard is not None and self._is_full(self._shard, len(line)):
                await self._hand_in()
            if self._asks_no_more:
                self.unasked += 1
                return
            if self._shard is None:
                self._shard = RequestFile(self._folder)
            spent = spent_to_text(job.usage, job.cost)
            self._shard.add(line, (job.key, job.attempts, spent))

    def _is_full(self, shard: RequestFile, more: int) -> bool:
        is_many = len(shard.requests) >= self._batches.held.requests
        return is_many or shard.size + more > self._batching.size

    async def _hand_in(self) -> None:
        shard, self._shard = self._shard, None
        if shard is None:
            return
        self._batches.add(shard)
        self._progress.requests += len(shard.requests)
        for key, _, _ in shard.requests:
            self._intake.finished(key)
        await self._batches.advance()
        if self._batches.waiting() and self._plan.detach:
            self._asks_no_more = True
        # not more is written than the server takes
        await self._batches.until(lambda: self._asks_no_more or not self._batches.waiting())
