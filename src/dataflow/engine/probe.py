"""A few rows of a run, really asked: their answers are paid, so they are kept in its journal."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator
from dataclasses import replace

from dataflow.core.protocols.dataset import Reader, Skipped
from dataflow.core.row import Row
from dataflow.engine.journal.journal import Journal
from dataflow.engine.locks.run_lock import RunLock
from dataflow.engine.plan import Plan
from dataflow.engine.runner import drive


def probe(plan: Plan, indexes: Collection[int]) -> None:
    """Ask some rows of `plan`, by the same pipeline as the run, which then asks them no more.

    Args:
        plan: The run.
        indexes: The rows.

    Raises:
        StopRunError: the run could not go on; what was answered is kept.
        RunInterruptedError: Ctrl-C; likewise.
    """
    lock = RunLock(plan.output.files.lock)
    try:
        journal = Journal(plan.output.files.journal, durable=plan.fsync)
        try:
            picked = _Picked(plan.reader, frozenset(indexes))
            drive(_part_of(plan, picked), journal, then=lambda *_: True)
        finally:
            journal.close()
    finally:
        lock.release()


def _part_of(plan: Plan, picked: _Picked) -> Plan:
    return replace(plan, reader=picked, limit=None, fingerprint=None)


class _Picked:
    """Some rows of a dataset, under their own numbers."""

    def __init__(self, reader: Reader, indexes: frozenset[int]) -> None:
        self._reader = reader
        self._indexes = indexes

    @property
    def skipped(self) -> Skipped:
        return self._reader.skipped

    def rows(self) -> Iterator[Row]:
        found = (row for row in self._reader.rows() if row.index in self._indexes)
        return itertools.islice(found, len(self._indexes))

    def count(self) -> int:
        return len(self._indexes)

    def column_names(self) -> list[str] | None:
        return self._reader.column_names()

    def folder(self) -> str:
        return self._reader.folder()
