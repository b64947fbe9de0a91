"""The start of the road: rows → jobs, leaving out what the journal already answers.

Runs in a thread of its own, a chunk at a time, so that reading never stalls the event loop.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
from collections.abc import Callable, Container, Generator, Sequence

from dataflow.core.errors import RowError, UsageError
from dataflow.core.row import Row
from dataflow.engine.job import Job, Plan
from dataflow.engine.journal import Journal
from dataflow.engine.keys import KeyMaker, row_key
from dataflow.images.identity import identify

CHUNK_ROWS = 256
"""Rows looked up in the journal at once."""

CHUNK_BYTES = 16 * 1024 * 1024
"""Pictures that stand in the data itself end a chunk early."""


class JobMaker:
    """Makes a row's job; the same row and pictures make the same key.

    Args:
        plan: The run.
    """

    def __init__(self, plan: Plan) -> None:
        self._request_of = plan.request_of
        self._keys = KeyMaker(
            {
                "serving": dict(plan.serving.settings()),
                "pictures": [plan.limits.max_side, plan.limits.jpeg_quality],
            },
            functools.partial(identify, base=str(plan.output.path.parent.absolute())),
        )

    def job(self, row: Row) -> Job:
        """The row's job; one that only holds an error where the row makes no request."""
        try:
            request = self._request_of(row)
            return Job(self._keys.key(request), request)
        except RowError as error:
            return Job(row_key(row.index), error=error)

    def is_unchanged(self, job: Job) -> bool:
        """Whether the job's pictures on disk are still those that its key was made of."""
        request = job.request
        if request is None or all(ref.kind != "path" for ref in request.pictures):
            return True
        return self._keys.key(request) == job.key


class Intake:
    """The rows of one run, as jobs.

    Args:
        plan: The run.
        journal: Asked for what is known, told each row's key.
    """

    def __init__(self, plan: Plan, journal: Journal) -> None:
        self._plan = plan
        self._journal = journal
        self.maker = JobMaker(plan)
        self._rows = taken_rows(plan)
        self._under_way: set[bytes] = set()

    def next_jobs(self) -> list[Job] | None:
        """The jobs of the next chunk of rows (may be none), or None at the end of the data.

        Raises:
            InputError: the dataset cannot be read.
            JournalError: the journal cannot be read or written.
        """
        jobs, keys_by_row, size = [], [], 0
        for row in itertools.islice(self._rows, CHUNK_ROWS):
            job = self.maker.job(row)
            jobs.append(job)
            keys_by_row.append((row.index, job.key))
            size += job.weight
            if size > CHUNK_BYTES:
                break
        if not jobs:
            return None
        self._journal.plan(keys_by_row)
        return self._unanswered(jobs)

    def close(self) -> None:
        """Let go of the dataset's file; call when no `next_jobs` is under way."""
        self._rows.close()

    def finished(self, key: bytes) -> None:
        """A job's outcome is in the journal now."""
        self._under_way.discard(key)

    def _unanswered(self, jobs: list[Job]) -> list[Job]:
        # in this order: a job that ends in between then shows in one of the two
        under_way = self._under_way.copy()
        known = self._journal.known([job.key for job in jobs], retry_failed=self._plan.retry_failed)
        fresh = []
        for job in jobs:
            if job.key in known or job.key in under_way or job.key in self._under_way:
                self._plan.progress.reused += 1
            else:
                self._under_way.add(job.key)
                fresh.append(job)
        return fresh


def taken_rows(plan: Plan) -> Generator[Row, None, None]:
    """The rows the run takes: all, or the first `plan.limit`; close it where it is left early."""
    rows = plan.reader.rows()
    try:
        yield from itertools.islice(rows, plan.limit)
    finally:
        if isinstance(rows, Generator):
            rows.close()


def survey(plan: Plan, stop: Callable[[], bool]) -> int:
    """How many rows the run takes; makes sure that none has the output's column already.

    Reads the whole dataset where the reader does not know both without, so that a dataset that
    breaks off in the middle is found before anything is spent.

    Args:
        plan: The run.
        stop: Asked at every row; the reading ends early where it says so.

    Raises:
        InputError: the dataset cannot be read.
        UsageError: the rows have a column of the output's name, and it may not be replaced.
    """
    rows, columns = plan.reader.count(), plan.reader.column_names()
    if columns is not None and not plan.output.overwrite:
        refuse_columns(plan.output.columns, columns, "the dataset")
    if rows is not None and (columns is not None or plan.output.overwrite):
        return rows if plan.limit is None else min(rows, plan.limit)
    taken = 0
    with contextlib.closing(taken_rows(plan)) as found:
        for row in itertools.takewhile(lambda _: not stop(), found):
            if not plan.output.overwrite:
                refuse_columns(plan.output.columns, row.fields, row.place)
            taken += 1
    return taken


def refuse_columns(keys: Sequence[str], columns: Container[str], place: str) -> None:
    """Stop where one of `keys`, the columns that are to be added, is among `columns` already.

    Raises:
        UsageError: it is.
    """
    there = next((key for key in keys if key in columns), None)
    if there is not None:
        raise UsageError(
            f"{place} has a column {there!r} already; choose another name for the new one "
            "(--output-key; in Python the operator's output key), or let it be replaced "
            "(--overwrite-column; in Python overwrite=True)"
        )
