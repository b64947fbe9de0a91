"""Lists in, lists out: the same pipeline for requests in memory."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

from dataflow.billing.price import NoPrice, Price
from dataflow.core.errors import DataflowError, RowError, StopRunError, error_named
from dataflow.core.protocols.check import Check
from dataflow.core.protocols.dataset import Skipped
from dataflow.core.protocols.serving import AsyncServing
from dataflow.core.request import Reply, Request
from dataflow.core.row import Row
from dataflow.engine.columns import Column
from dataflow.engine.journal.database import set_aside
from dataflow.engine.journal.journal import Journal
from dataflow.engine.journal.records import ResultRecord
from dataflow.engine.locks.run_lock import RunLock
from dataflow.engine.output.write_output import outcomes
from dataflow.engine.pipeline.budget import check_spend_limit
from dataflow.engine.plan import UNPRICED, Output, Plan
from dataflow.engine.quality.reject_policy import RejectPolicy
from dataflow.engine.run import Run, RunInterruptedError
from dataflow.engine.runner import drive
from dataflow.images.base.limits import Limits

_log = logging.getLogger("dataflow")


def answer_all(
    serving: AsyncServing,
    requests: Sequence[Request | RowError],
    *,
    checks: Sequence[Check] = (),
) -> list[Reply | DataflowError]:
    """Ask every request and return what came of each, in order.

    Args:
        serving: The engine.
        requests: A `RowError` in place of a request comes back as it is.
        checks: Run over each reply; the first verdict takes its place, as an error.

    Raises:
        StopRunError: the run could not go on; what was answered is in its `answers`.
        RunInterruptedError: Ctrl-C; likewise.
    """
    found = entries_of(serving, [Column("answer")], [[one] for one in requests], checks=checks)
    return [_outcome(entry) for [entry] in found]


def entries_of(
    serving: AsyncServing,
    columns: Sequence[Column],
    rows: Sequence[Sequence[Request | RowError]],
    *,
    checks: Sequence[Check] = (),
    reject_policy: RejectPolicy | None = None,
    price: Price | NoPrice = UNPRICED,
    limits: Limits = Limits(),  # noqa: B008 (it is frozen)
) -> list[list[ResultRecord]]:
    """Ask every row and return all that is known of its outcomes, in order.

    Args:
        serving: The engine.
        columns: Those that each row is asked for.
        rows: For each row a request for each column, or a `RowError` in place of one.
        checks: See `answer_all`.
        reject_policy: What becomes of an answer that a check rejects.
        price: The serving's.
        limits: For pictures.

    Returns:
        For each row an entry for each of its captions, in the order of the columns.

    Raises:
        StopRunError: the run could not go on; what was answered is in its `answers`, row after row.
        RunInterruptedError: Ctrl-C; likewise.
    """
    plan = Plan(
        reader=_ListReader(rows),
        requests_of=_requests_of,
        serving=serving,
        output=Output(Path(os.devnull), columns, _no_writer),
        checks=checks,
        reject_policy=reject_policy or RejectPolicy(),
        price=price,
        limits=limits,
    )
    return answer_plan(plan)


def answer_plan(
    plan: Plan,
    journal_path: Path | None = None,
    *,
    on_start: Callable[[Run[Any]], None] | None = None,
) -> list[list[ResultRecord]]:
    """Take every row of `plan` to its outcome and return all that is known of them, in order.

    Args:
        plan: What is asked; its output is not written.
        journal_path: Where the answers are kept, so that the same plan resumes after a failure;
            None to keep them in memory.
        on_start: Called with the run once it is under way.

    Returns:
        As `entries_of`.

    Raises:
        StopRunError: the run could not go on; what was answered is in its `answers`, row after row.
        RunInterruptedError: Ctrl-C; likewise.
    """
    check_spend_limit(plan)
    if journal_path is None:
        return _answer(plan, None, on_start)
    lock = RunLock(journal_path.with_name(journal_path.name + ".lock"))
    try:
        if plan.restart and journal_path.exists():
            _log.warning("the former journal is kept as %s", set_aside(journal_path))
        return _answer(plan, journal_path, on_start)
    finally:
        lock.release()


def _answer(
    plan: Plan, journal_path: Path | None, on_start: Callable[[Run[Any]], None] | None
) -> list[list[ResultRecord]]:
    journal = Journal(journal_path)

    def collect(*_: object) -> list[list[ResultRecord]]:
        return [[entry for _, entry in made] for _, made in outcomes(plan, journal)]

    try:
        return drive(plan, journal, then=collect, on_start=on_start)
    except StopRunError as error:
        raise error.with_answers(_answers(journal, plan)) from error.__cause__
    except RunInterruptedError as error:
        error.answers = _answers(journal, plan)  # type: ignore[attr-defined]
        raise
    finally:
        journal.close()


def _answers(journal: Journal, plan: Plan) -> tuple[str | None, ...]:
    """What was answered so far, row after row: nothing else would be left of it."""
    each = plan.output.captions
    answers: list[str | None] = [None] * (each * (plan.reader.count() or 0))
    for row, place, entry in journal.outcomes():
        if entry is not None:
            answers[row * each + place] = entry.caption
    there = sum(answer is not None for answer in answers)
    _log.warning("%d of %d answers are in the error's `answers`", there, len(answers))
    return tuple(answers)


class _ListReader:
    def __init__(self, rows: Sequence[Sequence[Request | RowError]]) -> None:
        self._rows = rows
        self.skipped = Skipped()

    def rows(self) -> Iterator[Row]:
        for index, requests in enumerate(self._rows):
            yield Row(index, {}, f"item {index}", requests)

    def count(self) -> int:
        return len(self._rows)

    def column_names(self) -> list[str]:
        return []

    def folder(self) -> str:
        return "."


def _requests_of(row: Row) -> Sequence[Request | RowError]:
    requests: Sequence[Request | RowError] = row.raw
    return requests


def _no_writer(path: Path) -> NoReturn:
    raise AssertionError(f"lists are not written to {path}")


def _outcome(entry: ResultRecord) -> Reply | DataflowError:
    if entry.caption is not None:
        return Reply(entry.caption, entry.finish_reason, entry.usage, entry.model)
    return error_named(entry.error_kind or "", entry.error or "")
