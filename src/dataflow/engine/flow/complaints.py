"""Tells a complaint about the run from a fault of a row, without knowing a server's wordings.

A server that does not take a parameter, has no such model or wants another key says so to every
request. What tells such a complaint from a fault of one row is not its text but who else gets it:

* Nothing was answered yet, and the first rows get the same refusal: it is about the run.
* Rows were answered: a refusal is the row's, unless it comes for several rows in a row. Then a
  request that was answered before is asked once more (the control). Where the control is answered,
  the rows are at fault; where it gets the same refusal, the run stops.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable

from dataflow.core.errors import (
    DataflowError,
    PictureError,
    RefusedError,
    RowError,
    StopRunError,
)

FIRST_ROWS = 8
"""So many first rows with the same refusal, and no answer, stop the run."""

FIRST_ROWS_RESUMED = 24
"""So many where a former run was answered: a few rows may be the ones that failed then, too."""

OTHER_WORDS = 3
"""So many times more rows where the refusals have one status, and differ in their words."""

CONTROL_ROWS = 3
"""So many rows in a row that get a refusal a person must act on, after answers, need a control."""

CONTROL_ROW_ERRORS = 24
"""So many where the refusal is taken for the rows' own."""

MOST_CONTROL_ROWS = 48
"""The bound on the above, which doubles with each control that was answered."""

_WITH_DIGITS = re.compile(r"\S*\d\S*")


class RefusalDecision(enum.Enum):
    """What becomes of a row that was refused."""

    FAIL = "the row fails"
    HOLD = "the row waits until it is known whose fault it is"
    CONTROL = "the row waits, and an answered request is asked again"
    STOP = "the run stops"


class ComplaintTracker:
    """What one client's refusals say about the run.

    Args:
        had_answers: Whether a former run of the same plan was answered.
    """

    def __init__(self, had_answers: Callable[[], bool] = lambda: False) -> None:
        self._had_answers = had_answers
        self._has_answers = False
        self._refused: dict[tuple[str, ...], set[bytes]] = {}
        self._needed = 1

    def record_reply(self) -> None:
        """A request was answered."""
        self._has_answers = True
        self._refused.clear()
        self._needed = 1

    def record_control_reply(self) -> None:
        """The control was answered: the rows are at fault, and more of them are borne."""
        self._refused.clear()
        self._needed = min(2 * self._needed, MOST_CONTROL_ROWS // CONTROL_ROWS)

    def decide(self, key: bytes, error: DataflowError) -> RefusalDecision:
        """What becomes of the row whose request, of this key, ended with `error`."""
        if isinstance(error, StopRunError):
            return self._must_act(key, error)
        if not is_about_run(error):
            return RefusalDecision.FAIL
        same, alike = self._note(key, error)
        if self._has_answers:
            needed = min(self._needed * CONTROL_ROW_ERRORS, MOST_CONTROL_ROWS)
            return RefusalDecision.CONTROL if same >= needed else RefusalDecision.FAIL
        needed = FIRST_ROWS_RESUMED if self._had_answers() else FIRST_ROWS
        if same >= needed or alike >= OTHER_WORDS * needed:
            return RefusalDecision.STOP
        return RefusalDecision.HOLD

    def decide_last(self, error: DataflowError, *, are_all: bool) -> RefusalDecision:
        """What becomes of the rows that wait where nothing else moves.

        Args:
            error: The latest refusal.
            are_all: Whether no other row is left to the run.
        """
        if self._has_answers:
            return (
                RefusalDecision.CONTROL if isinstance(error, StopRunError) else RefusalDecision.FAIL
            )
        if isinstance(error, StopRunError):
            is_row = error.is_vague and self._had_answers()
            return RefusalDecision.FAIL if is_row else RefusalDecision.STOP
        is_one = len(self._refused) == 1 and not self._had_answers()
        return RefusalDecision.STOP if is_one and are_all else RefusalDecision.FAIL

    def _must_act(self, key: bytes, error: StopRunError) -> RefusalDecision:
        if error.status is None and not error.is_vague:
            return RefusalDecision.STOP
        _, alike = self._note(key, error)
        if self._has_answers:
            return (
                RefusalDecision.CONTROL
                if alike >= CONTROL_ROWS * self._needed
                else RefusalDecision.HOLD
            )
        if error.is_vague and self._had_answers() and alike < FIRST_ROWS_RESUMED:
            return RefusalDecision.HOLD
        return RefusalDecision.STOP

    def _note(self, key: bytes, error: DataflowError) -> tuple[int, int]:
        """How many rows have this refusal now, and how many one of this status."""
        mark = signature(error)
        self._refused.setdefault(mark, set()).add(key)
        alike = set[bytes]().union(*(k for m, k in self._refused.items() if m[:2] == mark[:2]))
        return len(self._refused[mark]), len(alike)


def is_about_run(error: DataflowError) -> bool:
    """Whether a row's error could as well be the run's: a server's refusal of the request itself.

    What a provider refuses of a picture's content, and what it cannot decode, is the row's.
    """
    is_rows = isinstance(error, (RefusedError, PictureError))
    return isinstance(error, RowError) and error.status is not None and not is_rows


def signature(error: DataflowError) -> tuple[str, str, str]:
    """What two errors share that say the same: kind, HTTP status, and words without numbers."""
    words = _WITH_DIGITS.sub("#", error.message.lower())[:300]
    return error.kind, str(error.status), words
