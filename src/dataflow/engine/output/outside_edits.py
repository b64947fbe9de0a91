"""What somebody changed in an output since a run wrote it, taken in as decisions.

The journal keeps a digest of each caption that was written. An output whose files are no longer
those that were written is read back before it is written again: a caption with another digest was
changed by a person, whose words are never overwritten unasked.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from dataflow.core.errors import InputError, UsageError
from dataflow.core.row import Row
from dataflow.engine.columns import Column
from dataflow.engine.job import Job
from dataflow.engine.journal.decisions import FIXER, Decision, DecisionKind, text_digest
from dataflow.engine.journal.journal import Journal
from dataflow.engine.journal.written_table import WrittenCaptions, exact_digest, in_one_line
from dataflow.engine.output.copied_pictures import CopiedPictures
from dataflow.engine.output.snapshot import ChangedRows, OutputSnapshot
from dataflow.engine.paths import keep_former
from dataflow.engine.pipeline.intake import JobMaker
from dataflow.engine.pipeline.resume import OutputFiles, output_files
from dataflow.engine.pipeline.reuse_check import FEWEST_ANSWERS, price_text
from dataflow.engine.plan import ChangedRow, Plan
from dataflow.remote.errors import RemoteError

DELETER = "deleted the file"
"""Who took a decision back whose caption's file is gone."""

AUTHOR = "edited in the output"
"""Who decided what was found in an output, where nobody knows who it was."""

_log = logging.getLogger("dataflow")


@dataclass(slots=True)
class _Found:
    """What was found to be changed.

    Attributes:
        decisions: What people decided by it.
        unplaced: Rows of an output that no run wrote.
        again: Captions whose file was deleted: they are asked again.
        files: The rows' own files, each with the captions that it is to be taken for.
    """

    decisions: list[Decision] = field(default_factory=list)
    unplaced: int = 0
    again: list[Job] = field(default_factory=list)
    files: list[tuple[ChangedRow, dict[str, Any]]] = field(default_factory=list)


def take_in_edits(
    plan: Plan,
    journal: Journal,
    *,
    asks_again: bool = True,
    clock: Callable[[], float] = time.time,
) -> OutputSnapshot:
    """Keep what somebody changed in the output since it was written, as edits.

    A row's own file that was deleted means that its captions are to be asked again.

    Args:
        plan: The run that is about to write there again.
        journal: Of its output.
        asks_again: Whether deleted files count; otherwise they are only written again.
        clock: Seconds since 1970.

    Returns:
        What is at the output's place now.

    Raises:
        UsageError: a person was asked, and said that nothing is to be overwritten or asked again;
            or so many files are gone that nobody can tell whether that was meant.
    """
    compare, found = _Comparison(plan, journal, clock()), _Found()
    snapshot = OutputSnapshot(output_files(plan.output))
    if plan.edits != "overwrite":
        changed = _look_into_output(plan, journal, compare, found, snapshot.files)
        snapshot = OutputSnapshot(snapshot.files, changed)
    _look_into_files(plan, compare, found, asks_again=asks_again)
    count = sum(one.author != FIXER for one in found.decisions)
    ask = plan.confirm if plan.edits == "ask" else None
    question = f"{count} captions in {plan.output.shown} were edited. Keep them?"
    if count and ask is not None and not ask(question):
        raise UsageError(
            "nothing was asked or written; to overwrite the edits run the same command with "
            "--edits overwrite"
        )
    if found.again:
        _confirm_again(plan, journal, len(found.again))
    _keep(journal, compare, found)
    if count:
        _log.warning(
            "%d captions in %s were edited since they were written: the edits are kept "
            "(dataflow edits %s lists them; --edits overwrite drops them)",
            count, plan.output.shown, plan.output.place,
        )  # fmt: skip
    if found.unplaced and compare.is_unknown:
        return OutputSnapshot(snapshot.files, unknown=found.unplaced)
    if found.unplaced:
        _keep_file(plan, found.unplaced)
        return OutputSnapshot(snapshot.files)
    return snapshot


def _keep(journal: Journal, compare: _Comparison, found: _Found) -> None:
    journal.decide([*found.decisions, *compare.undone(found.again)], compare.subjects.items())
    journal.reopen([job.key for job in found.again])
    for changed, captions in found.files:
        changed.take_in(captions)


def _confirm_again(plan: Plan, journal: Journal, count: int) -> None:
    """Say that deleted captions are asked again; ask first where that is most of what there is."""
    text = f"{count:,} captions are asked again, since their files were deleted"
    answered = journal.answered()
    if plan.assume_yes or answered < FEWEST_ANSWERS or count < answered / 2:
        _log.warning("%s", text)
        return
    price = price_text(journal, count)
    if plan.confirm is None or not plan.confirm(f"{text}{price}. Ask for them?"):
        raise UsageError(
            f"{count:,} of {answered:,} captions have no file any more, and to ask for them again "
            f"is paid again{price}; nothing was asked. Go on with --yes, or put the files back "
            "from what is answered with dataflow write"
        )


def _keep_file(plan: Plan, unplaced: int) -> None:
    for file in plan.output.files_of(plan.output.place):
        _log.warning(
            "%s was changed, and %d of its captions are none that the run made: kept as %s",
            file, unplaced, keep_former(file).name,
        )  # fmt: skip


def _look_into_output(
    plan: Plan, journal: Journal, compare: _Comparison, found: _Found, files: OutputFiles
) -> ChangedRows | None:
    """Find the captions that were changed in the output's file; its rows where anything was."""
    if plan.output.read_back is None or not _may_be_changed(plan, compare, files):
        return None
    maker, written = JobMaker(plan), journal.written()
    copies = CopiedPictures(plan, journal, maker)
    changed = ChangedRows(frozenset(plan.output.names), written.rows())
    try:
        for row in plan.output.read_back():
            changed.add(row)
            for column, number, job in _cells(plan, maker.jobs(row)):
                text = _text_at(row.fields, column, number, plan)
                digest = exact_digest(column.comparable(text))
                if compare.is_unknown:
                    key = compare.key_of_unknown(job, column, digest)
                else:
                    index = number_of(plan, column.name, number)
                    key = _changed_key(written, copies, job, index, digest, row)
                if key is None:
                    found.unplaced += 1
                elif key:
                    found.decisions += compare.decisions(key, column, text, job, row)
    except (InputError, OSError, UnicodeError) as error:
        _log.warning("%s cannot be read back for edits: %s", plan.output.place, error)
        found.unplaced += 1
    return None if journal.output_files() is None else changed


def _may_be_changed(plan: Plan, compare: _Comparison, files: OutputFiles) -> bool:
    """Whether the output has to be read to know that nobody changed it."""
    journal = compare.journal
    if plan.restart or not (journal.has_written() or compare.is_unknown):
        return False  # the first run ended while it wrote, before anything stood there
    try:
        is_gone = files is None and not plan.output.place.exists()
    except RemoteError:
        return False
    return not is_gone and not (files is not None and _is_as_written(files, journal.output_files()))


def _changed_key(
    written: WrittenCaptions,
    copies: CopiedPictures,
    job: Job,
    index: int,
    digest: bytes | None,
    row: Row,
) -> bytes | None:
    """The key of a caption that was changed; empty where it was not, None where none was written.

    A picture may lie elsewhere or have another time by now: then the caption, or the bytes, tell.
    """
    there = written.find(row.index, index, job.subject)
    if there is not None:
        return b"" if digest == there.digest else there.key
    return b"" if written.has_digest(row.index, index, digest) else copies.key_of(job)


def _is_as_written(files: list[list[Any]], written: OutputFiles) -> bool:
    """Whether the output's files are those that a run wrote, wherever they lie.

    The errors file, which is the last, does not count.
    """
    now = [fingerprint for _, *fingerprint in files[:-1]]
    return written is not None and now == [fingerprint for _, *fingerprint in written[:-1]]


def _look_into_files(plan: Plan, compare: _Comparison, found: _Found, *, asks_again: bool) -> None:
    """Find the rows' own files that were changed or deleted."""
    if plan.output.changed_rows is None:
        return
    maker, written = JobMaker(plan), compare.journal.written()
    for changed in plan.output.changed_rows():
        row, captions = changed.row, changed.captions
        if captions is None:
            if asks_again:
                found.again += maker.jobs(row)
                found.files.append((changed, {}))
            continue
        if plan.edits == "overwrite" and not changed.is_fixed:
            continue
        author = FIXER if changed.is_fixed else AUTHOR
        for column, number, job in _cells(plan, maker.jobs(row)):
            if column.name in captions:
                text = _text_at(captions, column, number, plan)
                place = written.find(row.index, number_of(plan, column.name, number), job.subject)
                key = job.key if place is None else place.key
                found.decisions += compare.decisions(key, column, text, job, row, author=author)
        found.files.append((changed, dict(captions)))


def _cells(plan: Plan, jobs: Iterable[Job]) -> Iterator[tuple[Column, int, Job]]:
    """Column, number in it and job of each caption."""
    cells = ((column, number) for column in plan.output.columns for number in range(column.n))
    for (column, number), job in zip(cells, jobs, strict=True):
        yield column, number, job


def number_of(plan: Plan, name: str, number: int) -> int:
    """The index among a row's captions of the one with `number` in column `name`."""
    before = 0
    for column in plan.output.columns:
        if column.name == name:
            break
        before += column.n
    return before + number


def _text_at(fields: Mapping[str, Any], column: Column, number: int, plan: Plan) -> str | None:
    found = column.caption_in(fields, number)
    text = "" if found is None else plan.output.unaffixed(found)
    return text if text.strip() else None


class _Comparison:
    """Tells what a person did to a caption, beside what the journal holds.

    Attributes:
        journal: Of the output.
        subjects: Key and subject of the captions that decisions are about.
        is_unknown: Whether no run of this journal began to write the output: it took a damaged
            one's place, or somebody put a file there.
    """

    def __init__(self, plan: Plan, journal: Journal, now: float) -> None:
        self.journal = journal
        self._unaffixed = plan.output.unaffixed
        self._now = now
        self.subjects: dict[bytes, bytes] = {}
        self.is_unknown = not journal.began_writing()
        self._was_written_whole = journal.output_files() is not None

    def key_of_unknown(self, job: Job, column: Column, digest: bytes | None) -> bytes | None:
        """As `_changed_key`, where the journal does not know what stands in the output."""
        if digest is None:
            return b""
        machine = self.journal.find(job.key)
        if machine is None or machine.caption is None:
            return None  # the answer was lost, or these are somebody's words: nobody can tell
        is_ours = digest == exact_digest(self._plain(column, machine.caption))
        return b"" if is_ours else job.key

    def _plain(self, column: Column, caption: str | None) -> str | None:
        """A caption of the journal, to be compared with one that is read back from an output."""
        found = column.comparable(caption)
        return None if found is None else self._unaffixed(found)

    def decisions(
        self,
        key: bytes,
        column: Column,
        text: str | None,
        job: Job,
        row: Row,
        *,
        author: str = AUTHOR,
    ) -> list[Decision]:
        """What was done to it; nothing where the machine, or a person before, said just that.

        Where a run was killed while it wrote, the output may hold an earlier text of either.
        """
        comparable = column.comparable(text)
        if not self._was_written_whole:
            known = self.journal.texts_of(key, column.name)
            if comparable in {column.comparable(one) for one in known}:
                return []
        machine = self.journal.find(key)
        caption = None if machine is None else machine.caption
        plain = self._plain(column, caption)
        kind: DecisionKind = "reject" if text is None else "edit"
        if exact_digest(comparable) == exact_digest(plain) or text == in_one_line(plain or ""):
            kind, text = "accept", None
        former = self.journal.decisions([key]).get((key, column.name))
        if text is not None:
            text = column.edited(text, caption if former is None else former.caption(caption))
        if former is not None and (former.kind, former.text) == (kind, text):
            return []  # it was taken in before, and the run was killed then
        self.subjects[key] = job.subject
        picture = job.references[0].name if job.references else ""
        decision = Decision(
            key, column.name, kind, text, author, self._now, text_digest(caption),
            source=row.source, picture=picture,
        )  # fmt: skip
        return [decision]

    def undone(self, jobs: Sequence[Job]) -> list[Decision]:
        """What takes every decision about the captions of `jobs` back, under any question."""
        if not jobs or not self.journal.decision_count():
            return []
        keys, subjects = {job.key for job in jobs}, {job.subject for job in jobs}
        keys |= {key for key, subject in self.journal.moved_subjects() if subject in subjects}
        return [
            replace(one, kind="undo", text=None, author=DELETER, decided_at=self._now)
            for one in self.journal.decisions_not_undone()
            if one.key in keys
        ]
