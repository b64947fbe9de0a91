"""The output as it is so far: what is answered, and null for what is open."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace

from dataflow.core.errors import DataflowError
from dataflow.engine.journal.journal import Journal
from dataflow.engine.journal.records import OPEN
from dataflow.engine.output.outside_edits import take_in_edits
from dataflow.engine.output.snapshot import OutputSnapshot
from dataflow.engine.output.write_output import keep_former_output, write_output
from dataflow.engine.pipeline.intake import JobMaker, selected_rows
from dataflow.engine.pipeline.resume import output_files
from dataflow.engine.plan import Plan
from dataflow.engine.reporting.progress import RunCounts
from dataflow.engine.selection.row_selection import RowSelection

SAMPLE_ROWS = 1000
"""Rows by which it shows whether the journal's keys are those that the plan makes."""

_log = logging.getLogger("dataflow")


def write_so_far(plan: Plan) -> RunCounts:
    """Write the output of a run that goes, or that was stopped; nothing is asked.

    Args:
        plan: The run; its serving is not used.

    Raises:
        OutputError: the output cannot be written; what was there before is untouched.
        JournalError: the journal cannot be read or written.
        InputError: the dataset cannot be read.
    """
    journal = Journal(plan.output.files.journal, is_run=False)
    try:
        snapshot = take_in_edits(plan, journal, asks_again=False)
        if plan.output.is_file and journal.has_other_questions():
            keep_former_output(plan.output, "holds the captions of another question or order")
        return _write(plan, journal, lambda: False, snapshot)
    finally:
        journal.close()


def write_at_stop(
    plan: Plan,
    journal: Journal,
    stop: Callable[[], bool],
    snapshot: OutputSnapshot,
    check_lock: Callable[[], None],
) -> None:
    """Write the output of a run that stops, unless a former one holds more than it would.

    What hinders it is said, and no error: the run has one of its own.

    Args:
        plan: The run.
        journal: Of its output.
        stop: Asked at every row.
        snapshot: What was at the output's place when the run began.
        check_lock: Raises where another run has the output by now.
    """
    if not journal.has_replies():
        return
    place, shown = plan.output.place, plan.output.shown
    if plan.output.is_file and _holds_more(journal, snapshot):
        _log.warning(
            "%s stays as a former run wrote it; dataflow write %s puts what is answered so far "
            "there", place, place,
        )  # fmt: skip
        return
    plan.progress.phase = "writing"
    try:
        check_lock()
        counts = _write(plan, journal, stop, snapshot)
    except (DataflowError, OSError, KeyboardInterrupt) as error:
        why = "" if isinstance(error, KeyboardInterrupt) else f": {error}"
        _log.warning(
            "what is answered so far is not in %s%s; dataflow write %s puts it there",
            shown, why, place,
        )  # fmt: skip
        return
    open_captions = counts.failed.get(OPEN, 0)
    _log.warning(
        "what is answered so far is in %s: %s captions, %s open",
        shown, f"{counts.captioned + counts.flagged.total():,}", f"{open_captions:,}",
    )  # fmt: skip


def _holds_more(journal: Journal, snapshot: OutputSnapshot) -> bool:
    """Whether the output that is there holds captions that the one so far would lack."""
    if not journal.had_answers:
        return bool(
            snapshot.files and snapshot.files[0][1:] != [None]
        )  # a new journal, beside an output
    return journal.lacks_former() or journal.has_other_questions()


def _has_its_keys(plan: Plan, journal: Journal, stop: Callable[[], bool]) -> bool:
    """Whether the journal has answers under the keys that `plan` makes, by its first rows."""
    maker = JobMaker(plan)
    with closing(selected_rows(plan)) as rows:
        sample = itertools.islice(rows, SAMPLE_ROWS)
        keys = (job.key for row in sample if not stop() for job in maker.jobs(row))
        return any(journal.find(key) is not None for key in keys)


def _write(
    plan: Plan, journal: Journal, stop: Callable[[], bool], snapshot: OutputSnapshot
) -> RunCounts:
    nothing = replace(plan, only=RowSelection([]))
    by_key = plan.only is None and _has_its_keys(plan, journal, stop)
    journal.note_output(None)
    counts = write_output(nothing, journal, stop, snapshot=snapshot, by_key=by_key)
    journal.end_written(output_files(plan.output))
    return counts
