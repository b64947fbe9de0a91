"""Which of a row's own fields are written: all, only some, or all but some."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dataflow.core.protocols.dataset import Writer
from dataflow.core.row import RawRow, Row


@dataclass(frozen=True, slots=True)
class FieldFilter:
    """The fields that are written; added ones always are.

    Attributes:
        keep: No others than these; None for all.
        drop: Not these.
    """

    keep: frozenset[str] | None = None
    drop: frozenset[str] = frozenset()

    @property
    def is_all(self) -> bool:
        """Whether nothing is left out."""
        return self.keep is None and not self.drop

    def takes(self, name: str) -> bool:
        """Whether the field `name` is written."""
        return name not in self.drop and (self.keep is None or name in self.keep)

    def row(self, row: Row) -> Row:
        """`row` with the chosen fields only; what is left of its exact form stays exact."""
        names = [name for name in row.fields if self.takes(name)]
        if len(names) == len(row.fields):
            return row
        if isinstance(row.raw, RawRow):
            fields, raw = row.raw.only(names)
        else:
            from dataflow.formats.base.json_rows import without  # with orjson, which not all need

            fields = {name: row.fields[name] for name in names}
            raw = without(row.raw, self.takes) if isinstance(row.raw, bytes) else None
        return Row(row.index, fields, row.source, raw)


class FieldFilterWriter:
    """Writes the chosen fields of each row by another writer.

    Args:
        writer: The writer.
        choice: The fields.
    """

    def __init__(self, writer: Writer, choice: FieldFilter) -> None:
        self._writer = writer
        self._choice = choice
        self.close = writer.close
        self.commit = writer.commit
        self.discard = writer.discard

    def write(self, row: Row, added: Mapping[str, Any]) -> None:
        """Append one row; see `core.dataset.Writer`."""
        self._writer.write(self._choice.row(row), added)
