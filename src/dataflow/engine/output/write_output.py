"""The end of the pipeline: the output and the errors file, from the dataset and the journal.

Both are written beside their places and moved into them when they are whole, so that no reader ever
meets half a file. A caption is written only beside a row that still makes the very request that was
answered: a row or picture that changed since is failed, not mislabelled.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, TypeAlias, TypeVar

from dataflow.core.errors import InputError, OutputError, PictureChangedError
from dataflow.core.portable.files import replace_file, sync_folder
from dataflow.core.protocols.dataset import BadRow, Skipped, Writer
from dataflow.core.row import Row
from dataflow.core.side_files import clear_way, open_new
from dataflow.engine.columns import Column, values_of
from dataflow.engine.job import Job
from dataflow.engine.journal.journal import Journal
from dataflow.engine.journal.records import OPEN, ResultRecord
from dataflow.engine.journal.written_table import WrittenRow, exact_digest
from dataflow.engine.output.decision_lookup import DecisionLookup
from dataflow.engine.output.snapshot import OutputSnapshot
from dataflow.engine.paths import keep_former
from dataflow.engine.pipeline.intake import JobMaker, selected_rows
from dataflow.engine.pipeline.resume import OutputFiles, output_files
from dataflow.engine.plan import Output, Plan
from dataflow.engine.provenance import digest_of
from dataflow.engine.reporting.progress import RunCounts
from dataflow.formats.base.json_values import dumps, utf8_safe
from dataflow.remote.errors import RemoteError
from dataflow.remote.filesystem import check_writable

_log = logging.getLogger("dataflow")

T = TypeVar("T")

NOTED_AT_ONCE = 5_000
"""Written captions that are noted in the journal in one commit."""

BAD_LINE = "bad_line"
"""The kind of error of a row that cannot be read and is not in the output."""


def check_output(output: Output) -> None:
    """Begin the output and drop it, so that what cannot be written is told before it is paid for.

    Raises:
        OutputError: the folder cannot be written, or the rows do not fit into the output's format.
    """
    part, errors = output.files.part, output.files.errors
    try:
        clear_way(part)
        if errors.is_dir():
            raise OutputError(
                f"{errors} is a folder, and rows that fail are listed under that name; rename it"
            )
        output.open_writer(part).discard()
        if output.url is not None:
            check_writable(output.url)
    except RemoteError as error:
        raise OutputError(f"cannot write {output.place}: {error.strerror}; {error.cure}") from error
    except OSError as error:
        raise OutputError(f"cannot write {output.path}: {error.strerror or error}") from error


class StalePlanError(Exception):
    """A row is not as it was planned, or its answer is damaged."""


def write_output(
    plan: Plan,
    journal: Journal,
    stop: Callable[[], bool],
    *,
    recalled: bool = False,
    snapshot: OutputSnapshot | None = None,
    by_key: bool = False,
) -> RunCounts:
    """Write the output, and the errors file where rows failed or were left out.

    Args:
        plan: The run.
        journal: What came of each row.
        stop: Asked at every row.
        recalled: Whether rows were not looked at, since a former run had.
        snapshot: What was at the output's place when the run began; what somebody put there since
            is kept under a free name. None where nobody looked.
        by_key: See `outcomes`.

    Raises:
        StalePlanError: they should have been; what was there before is untouched.
        KeyboardInterrupt: `stop` said so; what was there before is untouched.
        InputError: the dataset cannot be read again.
        OutputError: a file cannot be written; what was there before is untouched.
    """
    output = plan.output
    part, errors_part = output.files.part, output.files.errors_part
    try:
        clear_way(part)
        writer = output.open_writer(part)
        try:
            with open_new(errors_part) as errors:
                found = _heeding(stop, outcomes(plan, journal, recalled=recalled, by_key=by_key))
                ours = journal.output_files()
                journal.begin_written()
                tally = _write_rows(plan, journal, found, writer, errors)
                errors.flush()
                os.fsync(errors.fileno())
            _keep_what_is_anothers(output, journal, snapshot, ours)
            kept = snapshot.keep(output) if snapshot is not None else []
            journal.replace_written()
            _move_in(output, writer, errors_part, has_errors=tally.has_errors)
        except BaseException:
            writer.discard()
            raise
        if snapshot is not None:
            snapshot.release(output, kept)
    except OSError as error:
        raise OutputError(
            f"cannot write {output.place}: {error.strerror or error}; every answer is kept in "
            f"{journal.path}: make room, then run the same command again"
        ) from error
    finally:
        errors_part.unlink(missing_ok=True)
    return tally


Outcome: TypeAlias = "tuple[Job, ResultRecord]"
"""A job and what came of it."""


def outcomes(
    plan: Plan, journal: Journal, *, recalled: bool = False, by_key: bool = False
) -> Iterator[tuple[Row, list[Outcome]]]:
    """Each row with the outcomes of its jobs, in the dataset's order.

    Args:
        plan: The run.
        journal: What came of each row.
        recalled: Whether rows were not looked at, since a former run had.
        by_key: Whether the plan's keys are the journal's. Then the answer under a row's own key
            counts, and a row that is not asked keeps the answer that stands at its number under
            another key only where no other row is about the same pictures: otherwise that may be
            the answer to the other one's question.

    Raises:
        StalePlanError: see `write_output`.
    """
    maker, planned = JobMaker(plan), _PlannedResults(journal)
    digests = _prompt_digests(plan)
    shared = journal.shared_subjects() if by_key else frozenset()
    with contextlib.closing(selected_rows(plan)) as rows:
        for row in rows:
            jobs = maker.jobs(row)
            is_asked = plan.only is None or plan.only.takes(row, jobs)
            found = []
            for place, job in enumerate(jobs):
                subject, entry = planned.take(row.index, place)
                if by_key and entry is not None and entry.key != job.key:
                    entry = journal.find(job.key) or entry  # it moved
                # a row that this run does not ask keeps its answer while its pictures are the same
                is_same = not is_asked and subject == job.subject and subject not in shared
                if entry is None or not (entry.key == job.key or is_same):
                    if recalled:
                        raise StalePlanError
                    entry = journal.find(job.key) or _missing(job, is_asked=is_asked)
                if digests and entry.key == job.key:  # otherwise another prompt's answer stays
                    entry = replace(entry, prompt_digest=digests[place])
                found.append((job, entry))
            yield row, found
    if planned.has_more:
        if recalled:
            raise StalePlanError
        raise InputError(
            f"{plan.reader.folder()}: the input holds fewer rows now than when the run began; the "
            f"output is left as it was, and every answer is kept in {journal.path}: restore the "
            "input, or run the same command again for the rows that are left"
        )


def _prompt_digests(plan: Plan) -> list[str]:
    """The digest of the prompt of each of a row's captions; none where nobody wants them."""
    if not plan.output.has_provenance:
        return []
    found = []
    for column in plan.output.columns:
        prompt = plan.questions.get(column.name)
        found += [digest_of(prompt) if prompt else ""] * column.n
    return found


def _missing(job: Job, *, is_asked: bool) -> ResultRecord:
    """What stands for a row that has no answer."""
    if not is_asked:
        return ResultRecord(job.key, error_kind=OPEN, error="no run has asked about this row yet")
    # the row is not the one that was planned here; it may have moved
    changed = PictureChangedError()
    return ResultRecord(job.key, error_kind=changed.kind, error=changed.message)


class _PlannedResults:
    """The results of the plan, taken row by row in order."""

    def __init__(self, journal: Journal) -> None:
        self._results = journal.planned_outcomes()
        self._next = next(self._results, None)

    @property
    def has_more(self) -> bool:
        """Whether the plan holds rows after those that were taken."""
        return self._next is not None

    def take(self, row: int, index: int) -> tuple[bytes | None, ResultRecord | None]:
        """Subject and result of a planned caption; None for both where it is not planned."""
        while self._next is not None and self._next[:2] < (row, index):
            self._next = next(self._results, None)
        if self._next is None or self._next[:2] != (row, index):
            return None, None
        _, _, subject, result = self._next
        self._next = next(self._results, None)
        return subject, result


def _heeding(stop: Callable[[], bool], items: Iterable[T]) -> Iterator[T]:
    for item in items:
        if stop():
            raise KeyboardInterrupt
        yield item


def _write_rows(
    plan: Plan,
    journal: Journal,
    found: Iterable[tuple[Row, list[Outcome]]],
    writer: Writer,
    errors: IO[str],
) -> RunCounts:
    tally, columns, cell_of = RunCounts(), plan.output.columns, plan.output.cell_of
    cells = [(column.name, number) for column in columns for number in range(column.n)]
    decisions, notes = DecisionLookup(journal), _WrittenNotes(journal, plan.output)
    for row, machine in found:
        made = [
            (job, decisions.applied(job, column, entry))
            for (job, entry), (column, _) in zip(machine, cells, strict=True)
        ]
        entries = [entry for _, entry in made]
        is_dropped = plan.reject_policy.drops(entries)
        if is_dropped:
            tally.dropped += 1
        else:
            notes.add(tally.rows, made)
            tally.rows += 1
            added = values_of(
                columns,
                entries,
                has_meta=plan.output.has_meta,
                has_provenance=plan.output.has_provenance,
            )
            writer.write(row, added)
            tally.add(entries)
        for (job, entry), cell in zip(made, cells, strict=True):
            if entry.error_kind not in (None, OPEN):
                where = cell_of(row) if cell_of else (row.index, *cell)
                line = _error_line(where, row.source, job, entry)
                errors.write(_in_json({**line, "dropped": is_dropped}))
    writer.close()
    notes.flush()
    decisions.report(plan.output.place)
    skipped = plan.reader.skipped
    errors.writelines(map(_in_json, _skipped_lines(skipped)))
    tally.skipped = skipped.count
    return tally


class _WrittenNotes:
    """Notes what is written in the journal, many captions at a time."""

    def __init__(self, journal: Journal, output: Output) -> None:
        self._journal = journal
        self._unaffixed = output.unaffixed
        self._columns = [column for column in output.columns for _ in range(column.n)]
        self._rows: list[WrittenRow] = []

    def add(self, row: int, made: Iterable[Outcome]) -> None:
        """Note the captions of the output's row with this index."""
        self._rows += [
            (row, index, entry.key, job.subject, self._digest(column, entry.caption))
            for index, ((job, entry), column) in enumerate(zip(made, self._columns, strict=True))
        ]
        if len(self._rows) >= NOTED_AT_ONCE:
            self.flush()

    def _digest(self, column: Column, caption: str | None) -> bytes | None:
        found = column.comparable(caption)
        return None if found is None else exact_digest(self._unaffixed(found))

    def flush(self) -> None:
        """Hand the journal what is left."""
        rows, self._rows = self._rows, []
        if rows:
            self._journal.add_written(rows)


def _error_line(
    where: tuple[int, str, int], place: str, job: Job, entry: ResultRecord
) -> dict[str, Any]:
    row, column, number = where
    return {
        "row": row,
        "column": column,
        "number": number,
        "place": place,
        "picture": [ref.name for ref in job.references],
        "kind": entry.error_kind,
        "message": entry.error,
        "attempts": entry.attempts,
        "asks": entry.asks,
        "kept": entry.is_flagged,
    }


def _in_json(line: dict[str, Any]) -> str:
    """A line of the errors file: in UTF-8 as the output is, so that words in it can be found."""
    return utf8_safe(dumps(line)) + "\n"


def _skipped_lines(skipped: Skipped) -> Iterator[dict[str, Any]]:
    """The rows that were left out; they have no place in the output, so their row is null."""
    unlisted = skipped.count - len(skipped.listed)
    rest = [BadRow("", f"{unlisted} more rows cannot be read and were left out")]
    for bad in itertools.chain(skipped.listed, rest if unlisted else []):
        yield {
            "row": None,
            "column": None,
            "number": None,
            "place": bad.source,
            "picture": [],
            "kind": BAD_LINE,
            "message": bad.message,
            "attempts": 0,
            "asks": 0,
            "kept": False,
            "dropped": False,
        }


def _keep_what_is_anothers(
    output: Output, journal: Journal, snapshot: OutputSnapshot | None, ours: OutputFiles
) -> None:
    """Keep what is at the output's place under a free name, where the new one would lose it."""
    if journal.lacks_former():
        keep_former_output(output, "holds rows that the new one does not")
    elif snapshot is not None and _is_anothers(output, snapshot.files, ours):
        keep_former_output(output, "was written by somebody else while the run went")


def _is_anothers(output: Output, snapshot: OutputFiles, ours: OutputFiles) -> bool:
    """Whether what is at the output's place now is not what was there when the run began."""
    try:
        files = output_files(output)
    except RemoteError:
        return False
    return files not in (None, ours) and (snapshot is None or files[:-1] != snapshot[:-1])


def keep_former_output(output: Output, why: str) -> None:
    """Keep the output that is there under a free name, and say why.

    Raises:
        OSError: the folder cannot be written.
    """
    for file in output.files_of(output.place):
        aside = keep_former(file)
        _log.warning("%s %s: kept as %s", file, why, aside.name)


def _move_in(output: Output, writer: Writer, errors_part: Path, *, has_errors: bool) -> None:
    errors = output.files.errors
    if has_errors:
        replace_file(errors_part, errors)
    else:
        errors.unlink(missing_ok=True)
    writer.commit(output.place)
    # the names, too, must be on disk before we say that they are
    sync_folder(output.path.parent)
