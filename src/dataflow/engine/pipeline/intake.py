"""The start of the pipeline: rows → jobs, leaving out what the journal already answers.

Runs in a thread of its own, a chunk at a time, so that reading never stalls the event loop.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import itertools
import os
from collections.abc import Callable, Container, Generator, Iterable, Mapping, Sequence

from dataflow.core.errors import InputError, RowError, UsageError
from dataflow.core.protocols.dataset import FIRST_ROWS
from dataflow.core.protocols.serving import sampling_of
from dataflow.core.request import Request
from dataflow.core.row import Row
from dataflow.engine.job import Job, weight_of
from dataflow.engine.journal.journal import Former, Journal
from dataflow.engine.journal.plan_table import PlannedCaption
from dataflow.engine.journal.read_only import JournalView
from dataflow.engine.journal.records import AttemptRecord, ResultRecord
from dataflow.engine.paths import SideFiles
from dataflow.engine.pipeline.resume import ResumeState, is_first_place
from dataflow.engine.plan import Plan
from dataflow.engine.quality.judge import Judge
from dataflow.engine.request_key import RequestHasher, row_key
from dataflow.images.identity import identify
from dataflow.remote.fingerprint import FileFingerprint

CHUNK_JOBS = 256
"""Requests looked up in the journal at once, and the rest of their last row."""

CHUNK_KNOWN = 10_000
"""Rows that need no looking at end a chunk early, so that whoever waits for it can end the run."""

CHUNK_BYTES = 16 * 1024 * 1024
"""Pictures that stand in the data itself end a chunk early."""


class JobMaker:
    """Makes a row's jobs; the same row and pictures make the same keys.

    Args:
        plan: The run.
        note: Told of each file that a key is made of; see `images.identity.identify`.
    """

    def __init__(
        self, plan: Plan, note: Callable[[str, FileFingerprint], None] | None = None
    ) -> None:
        self._requests_of = plan.requests_of
        self._counts = [column.n for column in plan.output.columns]
        self._seed = sampling_of(plan.serving).get("seed")
        self._keys = RequestHasher(
            {
                "serving": dict(plan.serving.settings()),
                "pictures": [plan.limits.max_side, plan.limits.jpeg_quality],
            },
            functools.partial(identify, base=os.path.realpath(plan.output.path.parent), note=note),
        )

    def jobs(self, row: Row) -> list[Job]:
        """The row's jobs, one for each caption that it gets, in the order of the columns.

        One that only holds an error stands where the row makes no request.
        """
        asked = self._asked(row)
        found = iter(self._keys.identified([one for one in asked if isinstance(one, Request)]))
        return [
            _job(one, *next(found))
            if isinstance(one, Request)
            else Job(row_key(row.index, place), error=one, subject=row_key(row.index)[:8])
            for place, one in enumerate(asked)
        ]

    def _asked(self, row: Row) -> list[Request | RowError]:
        """What is asked for each of the row's captions."""
        try:
            found = list(self._requests_of(row))
        except RowError as error:
            found = [error] * len(self._counts)
        return [
            one if isinstance(one, RowError) else numbered(one, number, self._seed)
            for one, count in zip(found, self._counts, strict=True)
            for number in range(count)
        ]

    def content_key(self, job: Job, digests: Sequence[str] | None = None) -> bytes | None:
        """The key of its question about the bytes of its pictures.

        Args:
            job: What is asked.
            digests: Of these bytes, where the engine loaded the pictures; None where the job did.

        Returns:
            None where the pictures are named by their bytes anyway, or there is none.
        """
        request = job.request
        if request is None or all(ref.kind == "bytes" for ref in request.pictures):
            return None
        if digests is None:
            digests = [picture.digested().digest.hex() for picture in job.pictures]
        return self._keys.content_key(request, digests)

    def is_unchanged(self, job: Job) -> bool:
        """Whether the job's pictures on disk are still those that its key was made of."""
        request = job.request
        if request is None or all(ref.kind != "path" for ref in request.pictures):
            return True
        return self._keys.subject(request) == job.subject


def judge_for(plan: Plan) -> Judge:
    """The judge of a run's answers."""
    return Judge(plan.serving, plan.checks, plan.reject_policy, retry_failed=plan.retry_failed)


def _job(request: Request, key: bytes, subject: bytes) -> Job:
    return Job(key, request, subject=subject)


def numbered(request: Request, number: int, seed: object) -> Request:
    """The same question for another answer: with another seed, where one is given.

    Args:
        request: The question.
        number: Which of the answers it is for; 0 for the first.
        seed: The serving's, which the request's own goes before.
    """
    if number == 0:
        return request
    sampling, seed = request.sampling, request.sampling.get("seed", seed)
    if isinstance(seed, int):
        sampling = {**sampling, "seed": seed + number}
    return dataclasses.replace(request, sampling=sampling, sample_index=number)


class Intake:
    """The rows of one run, as the jobs that are to be asked.

    Args:
        plan: The run.
        journal: Asked for what is known, told each row's key.
        recalled: The rows that need no looking at; None to look at each.
        judge: The run's.
    """

    def __init__(
        self,
        plan: Plan,
        journal: Journal,
        recalled: ResumeState | None = None,
        *,
        judge: Judge | None = None,
    ) -> None:
        self._plan = plan
        self._journal = journal
        self._recalled = recalled
        self.maker = JobMaker(plan)
        self._seen: dict[str, FileFingerprint] = {}
        self._is_stamped = True
        self._planner = self.maker if plan.fingerprint is None else JobMaker(plan, self._note)
        self._rows = selected_rows(plan)
        self._under_way: set[bytes] = set()
        self._shard = plan.output.shard
        self._whole = JournalView(SideFiles(plan.output.path).journal)
        self._judge = judge or judge_for(plan)
        if recalled is not None:
            plan.progress.reused += recalled.answered

    def next_rows(self) -> list[list[Job]] | None:
        """The next chunk's jobs, those of a row together, or None at the end of the data.

        Only those that are to be asked: the chunk may be empty, and no row in it is.

        Raises:
            InputError: the dataset cannot be read.
            JournalError: the journal cannot be read or written.
        """
        if self._recalled is not None and self._recalled.is_whole:
            return None
        taken: list[tuple[int, list[Job]]] = []
        jobs_taken = size = seen = 0
        for seen, row in enumerate(self._rows, 1):
            jobs = self._jobs_of(row)
            if jobs:
                taken.append((row.index, jobs))
                jobs_taken += len(jobs)
                size += weight_of(jobs)
                if size > CHUNK_BYTES or jobs_taken >= CHUNK_JOBS:
                    break
            elif seen >= CHUNK_KNOWN:
                break
        if not seen:
            return None
        if self._shard is not None:
            taken = self._not_merged(taken)
        self._note_plan(
            [
                (row, place, job.key, job.subject)
                for row, jobs in taken
                for place, job in enumerate(jobs)
            ]
        )
        return self._unanswered([jobs for _, jobs in taken])

    def _jobs_of(self, row: Row) -> list[Job]:
        """The row's jobs; none where the run does not look at it."""
        if self._recalled is not None and self._recalled.knows(row.index):
            return []
        jobs = self._planner.jobs(row)
        if self._shard is not None and not self._shard.takes(jobs):
            return []
        if self._plan.only is not None and not self._plan.only.takes(row, jobs):
            self._plan.progress.reused += len(jobs)
            return []
        return jobs

    def _not_merged(self, taken: list[tuple[int, list[Job]]]) -> list[tuple[int, list[Job]]]:
        """The rows without those that shards of another count, by now merged, have answered."""
        keys = [job.key for _, jobs in taken for job in jobs]
        merged = self._whole.answered(keys, retry_failed=self._plan.retry_failed)
        return [(row, jobs) for row, jobs in taken if not all(job.key in merged for job in jobs)]

    def _note_plan(self, planned: Sequence[PlannedCaption]) -> None:
        seen, self._seen = self._seen, {}
        self._journal.plan(planned, ((os.fsencode(at), *stamp) for at, stamp in seen.items()))

    def _note(self, location: str, stamp: FileFingerprint) -> None:
        assert self._plan.fingerprint is not None  # noqa: S101 (for the type checker)
        if self._is_stamped and not is_first_place(location, self._plan.fingerprint.folder):
            self._is_stamped = False
            self._journal.drop_fingerprint()
        self._seen[location] = stamp

    def close(self) -> None:
        """Let go of the dataset's file; call when no `next_rows` is under way."""
        self._rows.close()

    def finished(self, key: bytes) -> None:
        """A job's outcome is in the journal now."""
        self._under_way.discard(key)

    def _unanswered(self, rows: list[list[Job]]) -> list[list[Job]]:
        # in this order: a job that ends in between then shows in one of the two
        under_way = self._under_way.copy()
        keys = [job.key for jobs in rows for job in jobs]
        known = self._known(keys)
        fresh = [[job for job in jobs if self._takes(job.key, known, under_way)] for jobs in rows]
        if self._plan.only is None:
            fresh = self._unsettled(fresh)
        else:
            self._number_asks([job for jobs in fresh for job in jobs])
        self._plan.progress.reused += len(keys) - sum(map(len, fresh))
        return [jobs for jobs in fresh if jobs]

    def _known(self, keys: Sequence[bytes]) -> set[bytes]:
        """Those of `keys` that need no asking."""
        if self._plan.only is not None:
            return self._journal.asked_now(keys)
        again, mark = self._plan.retry_failed, self._plan.reject_policy.mark
        return self._journal.known(keys, retry_failed=again, check_fingerprint=mark)

    def _unsettled(self, rows: list[list[Job]]) -> list[list[Job]]:
        """`rows` without the jobs that need no asking once their answers are judged again."""
        keys = [job.key for jobs in rows for job in jobs]
        former = self._journal.former(keys, check_fingerprint=self._plan.reject_policy.mark)
        if not former:
            return rows
        kept: list[ResultRecord | AttemptRecord] = []
        left = [[job for job in jobs if self._goes_on(job, former, kept)] for jobs in rows]
        if kept:
            self._journal.put_verdicts(kept)
        return left

    def _number_asks(self, jobs: Sequence[Job]) -> None:
        """Let the answers of jobs that are asked anew stand beside those that they had."""
        mark = self._plan.reject_policy.mark
        former = self._journal.former([job.key for job in jobs], check_fingerprint=mark)
        for job in jobs:
            _, answers = former.get(job.key, (None, []))
            job.first_ask = 1 + max((answer.ask for answer in answers), default=-1)

    def _goes_on(
        self, job: Job, former: Mapping[bytes, Former], kept: list[ResultRecord | AttemptRecord]
    ) -> bool:
        """Whether a job is to be asked; what the journal is to keep of it is added to `kept`."""
        entry, answers = former.get(job.key, (None, []))
        is_asked = self._judge.resume(job, entry, answers)
        if not answers:
            kept += [answer for answer in job.answers if answer.must_be_kept]
        if not is_asked:
            kept.append(self._judge.record(job))
            self.finished(job.key)
        return is_asked

    def _takes(self, key: bytes, known: Container[bytes], under_way: Container[bytes]) -> bool:
        if key in known or key in under_way or key in self._under_way:
            return False
        self._under_way.add(key)
        return True


def selected_rows(plan: Plan) -> Generator[Row, None, None]:
    """The rows the run takes: all, or the first `plan.limit`; close it where it is left early."""
    rows = plan.reader.rows()
    try:
        yield from itertools.islice(rows, plan.limit)
    finally:
        if isinstance(rows, Generator):
            rows.close()


def preflight(plan: Plan, stop: Callable[[], bool]) -> int:
    """How many rows the run takes; makes sure that none has the output's column already.

    Reads the whole dataset where the reader does not know both without, so that a dataset that
    breaks off in the middle is found before anything is spent.

    Args:
        plan: The run.
        stop: Asked at every row; the reading ends early where it says so.

    Raises:
        InputError: the dataset cannot be read, or lacks a column that is asked about.
        UsageError: the rows have a column of the output's name, and it may not be replaced.
    """
    require_columns(plan)
    rows, columns = plan.reader.count(), plan.reader.column_names()
    if columns is not None and not plan.output.overwrite:
        forbid_columns(plan.output.names, columns, "the dataset")
    if rows is not None and (columns is not None or plan.output.overwrite):
        return rows if plan.limit is None else min(rows, plan.limit)
    taken = 0
    with contextlib.closing(selected_rows(plan)) as found:
        for row in itertools.takewhile(lambda _: not stop(), found):
            if not plan.output.overwrite:
                forbid_columns(plan.output.names, row.fields, row.source)
            taken += 1
    return taken


def require_columns(plan: Plan) -> None:
    """Stop where a column that the plan needs is in none of the first rows.

    Raises:
        InputError: it is not, or the dataset cannot be read.
    """
    known = plan.reader.column_names() or ()
    missing = [name for name in plan.needs if name not in known]
    if not missing:
        return
    with contextlib.closing(selected_rows(plan)) as rows:
        require_pictures(itertools.islice(rows, FIRST_ROWS), missing)


def require_pictures(rows: Iterable[Row], names: Sequence[str]) -> None:
    """Stop where none of `rows`, of which there are any, has one of the columns `names`.

    Raises:
        InputError: so it is, with what the first row has.
    """
    first, missing = None, names
    for row in rows:
        first = first or row
        missing = [name for name in missing if name not in row.fields]
        if not missing:
            return
    if first is not None and missing:
        raise InputError(first.lacks(missing[0]))


def forbid_columns(keys: Sequence[str], columns: Container[str], place: str) -> None:
    """Stop where one of `keys`, the columns that are to be added, is among `columns` already.

    Raises:
        UsageError: it is.
    """
    there = next((key for key in keys if key in columns), None)
    if there is not None:
        raise UsageError(
            f"{place} has a column {there!r} already; choose another name for the new one "
            "(--output-key, or in the prompt file; in Python the operator's output key or the "
            "prompt's name; or leave --flatten out), or let it be replaced "
            "(--overwrite-column; in Python overwrite=True)"
        )
