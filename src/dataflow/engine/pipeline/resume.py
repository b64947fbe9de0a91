"""What a former run of the very same plan found, so that going on need not look at every row again.

A plan stands while its stamp (`job.FileFingerprint`) is the same and each picture's file is as it
was: then the journal knows which rows have their answers, by a stat of each picture and no look
into the dataset. The rest of the dataset is only passed over. Nothing is believed in the end:
`write_output` makes every key again before it writes a caption, and where one is not as planned,
the run looks at every row after all.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections import Counter
from collections.abc import Callable, Container
from dataclasses import dataclass, fields
from typing import Any, TypeAlias

from dataflow.core.protocols.batch import BatchServing
from dataflow.engine.journal.journal import Journal
from dataflow.engine.plan import Output, Plan
from dataflow.engine.reporting.progress import RunCounts
from dataflow.remote.errors import RemoteError
from dataflow.remote.fingerprint import file_fingerprint, path_fingerprint

CHECKED_AT_ONCE = 1000
"""Pictures between two looks at whether the run is to end."""


OutputFiles: TypeAlias = "list[list[Any]] | None"
"""The output's files and the errors file, each with its fingerprint; None where none is known."""


@dataclass(frozen=True, slots=True)
class ResumeState:
    """The rows that a run need not look at.

    Attributes:
        rows: That the dataset has.
        planned: Rows from the first one on whose requests are known.
        open: Those of them that have captions without an answer.
        answered: Captions that have theirs.
        written: What the output holds, where it holds all this and it is unchanged.
    """

    rows: int
    planned: int
    open: Container[int]
    answered: int
    written: RunCounts | None = None

    @property
    def is_whole(self) -> bool:
        """Whether no row is left to look at."""
        return self.planned >= self.rows and not self.open

    def knows(self, row: int) -> bool:
        """Whether the row needs no looking at."""
        return row < self.planned and row not in self.open


def recall(plan: Plan, journal: Journal, stop: Callable[[], bool]) -> ResumeState | None:
    """What `journal` knows of the rows of `plan`; None where each has to be looked at.

    Args:
        plan: The run.
        journal: Of its output.
        stop: Asked now and then; the search ends early where it says so.
    """
    state = journal.plan_state() if plan.only is None else None
    if plan.fingerprint is None or isinstance(plan.serving, BatchServing) or state is None:
        return None
    if state.fingerprint != plan.fingerprint.text:
        return None
    for number, (place, *stamp) in enumerate(journal.pictures()):
        if tuple(stamp) != file_fingerprint(place) or (number % CHECKED_AT_ONCE == 0 and stop()):
            return None
    missing = journal.open_captions(
        retry_failed=plan.retry_failed, check_fingerprint=plan.reject_policy.mark
    )
    whole = state.planned >= state.rows and not missing
    return ResumeState(
        rows=state.rows,
        planned=state.planned,
        open=missing,
        answered=state.captions - missing.total(),
        written=_written(plan.output, journal, state.output) if whole else None,
    )


def is_first_place(location: str, folder: str) -> bool:
    """Whether nothing can come before the picture at `location`.

    A relative path that was not found in the first folder may be found there one day.

    Args:
        location: Of the picture.
        folder: The first in which relative paths are looked up.
    """
    return os.path.isabs(location) or location.startswith(os.path.join(folder, ""))  # noqa: PTH117, PTH118


def note_written(output: Output, journal: Journal, tally: RunCounts) -> None:
    """Keep in `journal` what was written into `output`, for `recall`."""
    counted = {field.name: getattr(tally, field.name) for field in fields(tally)}
    with contextlib.suppress(RemoteError):  # then the next run looks at every row
        files = output_files(output)
        journal.end_written(files)
        state = {"files": files, "tally": counted, "decisions": journal.decision_count()}
        journal.note_output(json.dumps(state))


def _written(output: Output, journal: Journal, noted: str | None) -> RunCounts | None:
    if noted is None:
        return None
    former = json.loads(noted)
    if former["decisions"] != journal.decision_count():
        return None
    try:
        files = output_files(output)
        if files is None or former["files"] != files:
            return None
    except RemoteError:
        return None
    tally = former["tally"]
    return RunCounts(**{**tally, **{name: Counter(tally[name]) for name in ("flagged", "failed")}})


def output_files(output: Output) -> OutputFiles:
    """The output's files, and the errors file, as they are now; None of an output that is a folder.

    What was written into that is written again: its files are known to their format alone.
    """
    written = output.files_of(output.place)
    if not written:
        return None
    files = [*written, output.files.errors]
    return [[os.fsencode(file).hex(), *(path_fingerprint(file) or (None,))] for file in files]
