"""What a run would ask, before it asks: the dataset is read, the journal looked at.

Nothing is written and no engine is asked. Memory is constant: distinct requests are counted and
sampled by their keys, and pictures are measured, by their headers, for the sample alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from dataflow.core.aio import run_to_end
from dataflow.core.errors import RowError
from dataflow.core.request import Request
from dataflow.core.row import Row
from dataflow.engine.estimate.sampling import BottomKSample, DistinctCounter
from dataflow.engine.job import Job, weight_of
from dataflow.engine.journal.read_only import AnsweredRequest, JournalView
from dataflow.engine.pipeline.intake import JobMaker, require_columns, selected_rows
from dataflow.engine.plan import Plan
from dataflow.images.decode.target_size import Size
from dataflow.images.loader import Loader

SAMPLE = 2000
"""Distinct requests whose pictures are measured."""

MOST_ROWS = 200_000
"""Rows read of a dataset that tells their number without being read."""

_ANSWERED = 200  # of the requests that are answered already
_AT_ONCE = 64
_CHUNK_ROWS = 256


@dataclass(frozen=True, slots=True)
class PlannedRequest:
    """A request of the sample.

    Attributes:
        index: The row it stands in, the first of those that make it.
        column: The column that it is for.
        most: Tokens that its own sampling allows the answer; None where it says nothing of that.
        texts: What it says.
        turns: In how many turns.
        sizes: Width and height of each picture, whole and upright, in pixels.
        problem: The kind of error of a picture that cannot be read, or None.
        answer: What the journal knows of it, or None.
    """

    index: int
    column: str
    most: int | None
    texts: tuple[str, ...]
    turns: int
    sizes: tuple[Size, ...] = ()
    problem: str | None = None
    answer: AnsweredRequest | None = None


@dataclass(slots=True)
class DryRun:
    """What a run would ask.

    Attributes:
        rows: In the dataset, or as many as the run takes of them.
        read: Those that were read; the numbers below are of these.
        skipped: Rows that cannot be read and are left out.
        bad: Rows that make no request: no picture, no readable question.
        done: Rows of which every request is answered in the journal.
        requests: Distinct requests that are not answered.
        is_exact: Whether `requests` is counted exactly.
        open: A fair sample of the distinct requests that are not answered, in an order by lot.
        answered: A fair sample of those that are.
    """

    rows: int = 0
    read: int = 0
    skipped: int = 0
    bad: int = 0
    done: int = 0
    requests: int = 0
    is_exact: bool = True
    open: list[PlannedRequest] = field(default_factory=list)
    answered: list[PlannedRequest] = field(default_factory=list)


def dry_run(plan: Plan, *, sample: int = SAMPLE, most_rows: int = MOST_ROWS) -> DryRun:
    """Tell what a run of `plan` would ask.

    Args:
        plan: The run; its progress is kept up to date.
        sample: Distinct requests whose pictures are measured at most.
        most_rows: Rows that are read at most, of a dataset that tells their number.

    Raises:
        InputError: the dataset cannot be read.
        JournalError: the journal cannot be read.
    """
    return run_to_end(_Looker(plan, sample).look(most_rows))


@dataclass(frozen=True, slots=True)
class _Found:
    """A request that was met: in which row, for which column, and what the journal knows."""

    job: Job
    index: int
    column: str
    answer: AnsweredRequest | None


class _Looker:
    def __init__(self, plan: Plan, sample: int) -> None:
        self._plan = plan
        self._maker = JobMaker(plan)
        self._journal = JournalView(plan.output.files.journal)
        self._count = DistinctCounter()
        self._open: BottomKSample[PlannedRequest | _Found] = BottomKSample(sample)
        self._answered: BottomKSample[PlannedRequest | _Found] = BottomKSample(_ANSWERED)
        self._result = DryRun()
        self._columns = [c.name for c in plan.output.columns for _ in range(c.n)]

    async def look(self, most_rows: int) -> DryRun:
        plan, result = self._plan, self._result
        require_columns(plan)
        total = plan.reader.count()
        if total is not None and plan.limit is not None:
            total = min(total, plan.limit)
        async with Loader(plan.limits) as loader:
            with contextlib.closing(selected_rows(plan)) as rows:
                taken = rows if total is None else itertools.islice(rows, most_rows)
                while chunk := list(itertools.islice(taken, _CHUNK_ROWS)):
                    await self._take(chunk, loader)
                    plan.progress.phase = f"reading, {result.read:,} rows"
            plan.progress.phase = "measuring pictures"
            result.open = await _measured(self._open.values(), loader)
            result.answered = await _measured(self._answered.values(), loader)
        result.rows = result.read if total is None else max(total, result.read)
        result.skipped = plan.reader.skipped.count
        result.requests, result.is_exact = self._count.count, self._count.is_exact
        return result

    async def _take(self, rows: Sequence[Row], loader: Loader) -> None:
        made = [(row.index, self._maker.jobs(row)) for row in rows]
        known = self._known([job.key for _, jobs in made for job in jobs])
        self._result.read += len(rows)
        for index, jobs in made:
            found = [
                _Found(job, index, column, known.get(job.key))
                for job, column in zip(jobs, self._columns, strict=True)
                if job.request is not None
            ]
            self._result.bad += not found
            self._result.done += bool(found) and all(one.answer is not None for one in found)
            for one in found:
                await self._sample(one, loader)

    async def _sample(self, found: _Found, loader: Loader) -> None:
        job = found.job
        if found.answer is None:
            self._count.add(job.key)
        sample = self._open if found.answer is None else self._answered
        if sample.wants(job.key):
            # what stands in the data itself is not kept: it may be large
            is_light = weight_of([job]) == 0
            sample.put(job.key, found if is_light else await _measure(found, loader))

    def _known(self, keys: Sequence[bytes]) -> dict[bytes, AnsweredRequest]:
        if self._plan.restart:
            return {}
        return self._journal.answered(keys, retry_failed=self._plan.retry_failed)


async def _measured(
    sample: Iterable[PlannedRequest | _Found], loader: Loader
) -> list[PlannedRequest]:
    slots = asyncio.Semaphore(_AT_ONCE)

    async def one(item: PlannedRequest | _Found) -> PlannedRequest:
        async with slots:
            return item if isinstance(item, PlannedRequest) else await _measure(item, loader)

    return list(await asyncio.gather(*map(one, sample)))


async def _measure(found: _Found, loader: Loader) -> PlannedRequest:
    request = found.job.request or Request(())
    most = [request.sampling.get(name) for name in ("max_tokens", "max_completion_tokens")]
    asked = PlannedRequest(
        index=found.index,
        column=found.column,
        most=next((number for number in most if isinstance(number, int)), None),
        texts=tuple(p for turn in request.turns for p in turn.parts if isinstance(p, str)),
        turns=len(request.turns),
        answer=found.answer,
    )
    try:
        sizes = [await loader.measure(ref) for ref in request.pictures]
    except RowError as error:
        return replace(asked, problem=error.kind)
    return replace(asked, sizes=tuple(sizes))
