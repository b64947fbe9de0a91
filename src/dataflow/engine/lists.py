"""Lists in, lists out: the same road for requests that stand in memory."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

from dataflow.billing.price import NoPrice, Price
from dataflow.core.check import Check
from dataflow.core.dataset import Skipped
from dataflow.core.errors import DataflowError, RowError, StopRunError, error_named
from dataflow.core.request import Reply, Request
from dataflow.core.row import Row
from dataflow.core.serving import EngineServing
from dataflow.engine.assemble import outcomes
from dataflow.engine.entry import Entry
from dataflow.engine.job import UNPRICED, Output, Plan
from dataflow.engine.journal import Journal
from dataflow.engine.runner import RunInterruptedError, drive

_log = logging.getLogger("dataflow")


def answer_all(
    serving: EngineServing,
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
    return [_outcome(entry) for entry in entries_of(serving, requests, checks=checks)]


def entries_of(
    serving: EngineServing,
    requests: Sequence[Request | RowError],
    *,
    checks: Sequence[Check] = (),
    price: Price | NoPrice = UNPRICED,
) -> list[Entry]:
    """As `answer_all`, with all that is known of each outcome; `price` is the serving's."""
    plan = Plan(
        reader=_ListReader(requests),
        request_of=_request_of,
        serving=serving,
        output=Output(Path(os.devnull), "", _no_writer),
        checks=checks,
        price=price,
    )
    journal = Journal(None)
    try:
        return drive(plan, journal, then=lambda _: [e for _, _, e in outcomes(plan, journal)])
    except StopRunError as error:
        raise error.with_answers(_answers(journal, len(requests))) from error.__cause__
    except RunInterruptedError as error:
        error.answers = _answers(journal, len(requests))
        raise
    finally:
        journal.close()


def _answers(journal: Journal, count: int) -> tuple[str | None, ...]:
    """What was answered so far: nothing else would be left of it."""
    known = {index: entry.caption for index, entry in journal.outcomes() if entry is not None}
    answers = tuple(known.get(index) for index in range(count))
    there = sum(answer is not None for answer in answers)
    _log.warning("%d of %d answers are in the error's `answers`", there, count)
    return answers


class _ListReader:
    def __init__(self, requests: Sequence[Request | RowError]) -> None:
        self._requests = requests
        self.skipped = Skipped()

    def rows(self) -> Iterator[Row]:
        for index, request in enumerate(self._requests):
            yield Row(index, {}, f"item {index}", request)

    def count(self) -> int:
        return len(self._requests)

    def column_names(self) -> list[str]:
        return []

    def folder(self) -> str:
        return "."


def _request_of(row: Row) -> Request:
    if isinstance(row.raw, RowError):
        raise row.raw
    request: Request = row.raw
    return request


def _no_writer(path: Path) -> NoReturn:
    raise AssertionError(f"lists are not written to {path}")


def _outcome(entry: Entry) -> Reply | DataflowError:
    if entry.caption is not None:
        return Reply(entry.caption, entry.finish_reason, entry.usage, entry.model)
    return error_named(entry.error_kind or "", entry.error or "")
