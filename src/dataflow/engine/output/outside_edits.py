"""What somebody changed in an output since a run wrote it, taken in as decisions.

The journal keeps a digest of each caption that was written. An output whose files are no longer
those that were written is read back before it is written again: a caption with another digest was
changed by a person, whose words are never overwritten unasked.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dataflow.core.errors import InputError, UsageError
from dataflow.core.row import Row
from dataflow.engine.job import Job
from dataflow.engine.journal.decisions import Decision, DecisionKind, text_digest
from dataflow.engine.journal.journal import Journal
from dataflow.engine.journal.written_table import WrittenCaption, written_digest
from dataflow.engine.paths import keep_former
from dataflow.engine.pipeline.intake import JobMaker
from dataflow.engine.pipeline.resume import output_files
from dataflow.engine.plan import Plan
from dataflow.remote.errors import RemoteError

AUTHOR = "edited in the output"
"""Who decided what was found in an output, where nobody knows who it was."""

_log = logging.getLogger("dataflow")


@dataclass(slots=True)
class _Found:
    decisions: list[Decision]
    unplaced: int = 0


def take_in_edits(plan: Plan, journal: Journal, *, clock: Callable[[], float] = time.time) -> int:
    """Keep what somebody changed in the output since it was written, as edits.

    Args:
        plan: The run that is about to write there again.
        journal: Of its output.
        clock: Seconds since 1970.

    Returns:
        How many captions were changed.

    Raises:
        UsageError: a person was asked, and said that nothing is to be overwritten.
    """
    read_back = plan.output.read_back
    if plan.edits == "overwrite" or read_back is None or not journal.has_written():
        return 0
    try:
        files = output_files(plan.output)
    except RemoteError:
        return 0
    if files is not None and (not files[:-1] or files == journal.output_files()):
        return 0
    found = _changes(plan, journal, read_back, clock())
    if plan.edits == "ask" and found.decisions and plan.confirm is not None:
        question = f"{len(found.decisions)} captions in {plan.output.place} were edited. Keep them?"
        if not plan.confirm(question):
            raise UsageError(
                "nothing was asked or written; to overwrite the edits run the same command with "
                "--edits overwrite"
            )
    journal.decide(found.decisions)
    if found.decisions:
        _log.warning(
            "%d captions in %s were edited since they were written: the edits are kept "
            "(dataflow edits lists them; --edits overwrite drops them)",
            len(found.decisions), plan.output.place,
        )  # fmt: skip
    if found.unplaced:
        _keep_file(plan, found.unplaced)
    return len(found.decisions)


def _keep_file(plan: Plan, unplaced: int) -> None:
    for file in plan.output.files_of(plan.output.place):
        _log.warning(
            "%s was changed, and %d of its rows are none that the run wrote: kept as %s",
            file, unplaced, keep_former(file).name,
        )  # fmt: skip


def _changes(
    plan: Plan, journal: Journal, read_back: Callable[[], Iterable[Row]], now: float
) -> _Found:
    maker, found = JobMaker(plan), _Found([])
    written = journal.written()
    is_whole = journal.output_files() is not None
    compare = _Comparison(journal, plan.output.unaffixed, now, is_whole)
    try:
        for row in read_back():
            for column, number, job in _cells(plan, maker.jobs(row)):
                text = _text_at(row.fields, column, number, plan)
                place = written.find(row.index, number_of(plan, column, number), job.subject)
                if place is None:
                    found.unplaced += 1
                elif written_digest(text) != place.digest:
                    decision = compare.decision(place, column, text, job, row)
                    found.decisions += [] if decision is None else [decision]
    except (InputError, OSError, UnicodeError) as error:
        _log.warning("%s cannot be read back for edits: %s", plan.output.place, error)
        found.unplaced += 1
    return found


def _cells(plan: Plan, jobs: Iterable[Job]) -> Iterator[tuple[str, int, Job]]:
    """Column, number in it and job of each caption that is a text of its own."""
    left = iter(jobs)
    for column in plan.output.columns:
        for number in range(column.n):
            job = next(left)
            if column.reading is None:
                yield column.name, number, job


def number_of(plan: Plan, name: str, number: int) -> int:
    """The index among a row's captions of the one with `number` in column `name`."""
    before = 0
    for column in plan.output.columns:
        if column.name == name:
            break
        before += column.n
    return before + number


def _text_at(fields: Mapping[str, Any], name: str, number: int, plan: Plan) -> str | None:
    value = fields.get(name)
    n = next(column.n for column in plan.output.columns if column.name == name)
    if n > 1:
        value = value[number] if isinstance(value, list) and number < len(value) else None
    text = plan.output.unaffixed(value) if isinstance(value, str) else ""
    return text if text.strip() else None


@dataclass(frozen=True, slots=True)
class _Comparison:
    """Tells what a person did to a caption, beside what the journal holds."""

    journal: Journal
    unaffixed: Callable[[str], str]
    now: float
    was_written_whole: bool

    def decision(
        self, place: WrittenCaption, column: str, text: str | None, job: Job, row: Row
    ) -> Decision | None:
        """What a person did; None where the machine, or a person before, said just that.

        Where a run was killed while it wrote, the output may hold an earlier text of either.
        """
        if not self.was_written_whole and text in self.journal.texts_of(place.key, column):
            return None
        machine = self.journal.find(place.key)
        caption = None if machine is None else machine.caption
        plain = None if caption is None else self.unaffixed(caption)
        kind: DecisionKind = "reject" if text is None else "edit"
        if written_digest(text) == written_digest(plain):
            kind, text = "accept", None
        picture = job.references[0].name if job.references else ""
        return Decision(
            place.key, column, kind, text, AUTHOR, self.now, text_digest(caption),
            source=row.source, picture=picture,
        )  # fmt: skip
