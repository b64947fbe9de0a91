"""Dicts in memory as a dataset, so that they are read as files are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dataflow.core.protocols.dataset import Skipped
from dataflow.core.row import Row


class RowsInMemory:
    """A `core.protocols.dataset.Reader` of dicts.

    Args:
        rows: The dicts, by column.
    """

    def __init__(self, rows: Sequence[Mapping[str, Any]]) -> None:
        self._rows = rows
        self.skipped = Skipped()

    def rows(self) -> Iterator[Row]:
        """The rows in order."""
        for index, fields in enumerate(self._rows):
            yield Row(index, fields, f"row {index}")

    def count(self) -> int:
        """How many rows there are."""
        return len(self._rows)

    def column_names(self) -> None:
        """Unknown until all rows are read: each may have columns of its own."""
        return

    def folder(self) -> str:
        """The folder that relative paths begin at."""
        return "."
