"""A row of a dataset."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class RawRow(Protocol):
    """A row in its reader's own exact form, other than the bytes of a JSON object."""

    def only(self, names: list[str]) -> tuple[Mapping[str, Any], Any]:
        """The fields and the exact form of the same row with no other fields than `names`."""
        ...


@runtime_checkable
class RawTexts(Protocol):
    """An exact form in which some values came as JSON."""

    def texts(self) -> Mapping[str, Any]:
        """Those values by column, in their own text (`core.raw_json.RawJson`)."""
        ...


@dataclass(frozen=True, slots=True)
class Row:
    """One row.

    Attributes:
        index: Position in the dataset, from 0. Rows come and go in this order.
        fields: The row's values by column name, in the dataset's order, for reading only.
        source: Where the row stands, for messages: ``"data.jsonl, line 12"``.
        raw: The row in the reader's own exact form, which only a writer of the same format looks
            at, so that untouched values keep their bytes: the bytes of a JSON object, or a
            `RawRow`; None where there is none.
    """

    index: int
    fields: Mapping[str, Any]
    source: str
    raw: Any = None

    def lacks(self, name: str) -> str:
        """A message that it has no column `name`."""
        columns = ", ".join(map(repr, self.fields)) or "none"
        return f"{self.source}: no column {name!r}; there is: {columns}"
