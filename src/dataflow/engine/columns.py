"""The columns of captions that a run adds to each row, and what stands in them."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from dataflow.core.column_types import ColumnType, ListType
from dataflow.core.errors import UsageError
from dataflow.core.raw_json import parse_json
from dataflow.engine.journal.records import ResultRecord
from dataflow.engine.meta import META_SHAPE, meta_of
from dataflow.engine.provenance import PROVENANCE_SHAPE, provenance_of


class ColumnReading(Protocol):
    """What becomes of an answer that is more than a text: the values that it says."""

    @property
    def holds(self) -> Mapping[str, ColumnType]:
        """The columns that one answer fills, by name."""
        ...

    def values(self, answer: str | None) -> Mapping[str, Any]:
        """What stands in each of them; None in all where there is no answer."""
        ...

    def answer(self, values: Mapping[str, Any]) -> str | None:
        """The answer that says `values`, as a file holds them; None where all are empty."""
        ...

    def edited(self, answer: str, former: str) -> str:
        """`answer`, with the values that are no others than those of `former` as that says them."""
        ...


@dataclass(frozen=True, slots=True)
class Column:
    """A column of captions.

    Attributes:
        name: Its name in the output.
        n: Captions of each row in it: 1 for a text, more for a list of texts.
        reading: What becomes of each caption, which may fill other columns in place of this one;
            None for its text.

    Raises:
        UsageError: `n` is below 1.
    """

    name: str
    n: int = 1
    reading: ColumnReading | None = None

    def __post_init__(self) -> None:
        if self.n < 1:
            raise UsageError(f"{self.name!r} is to hold {self.n} captions; 1 is the least")

    @property
    def holds(self) -> Mapping[str, ColumnType]:
        """The columns that one caption fills, and what it puts there."""
        return {self.name: None} if self.reading is None else self.reading.holds

    @property
    def meta(self) -> str:
        """The name of the meta column beside it."""
        return f"{self.name}_meta"

    @property
    def provenance(self) -> str:
        """The name of the provenance column beside it."""
        return f"{self.name}_provenance"

    def values(self, caption: str | None) -> Mapping[str, Any]:
        """What one caption puts there."""
        return {self.name: caption} if self.reading is None else self.reading.values(caption)

    def caption_in(self, fields: Mapping[str, Any], number: int) -> str | None:
        """What a row's fields say of the caption with `number`; None where nothing stands there."""
        values = {name: self._value(fields.get(name), number) for name in self.holds}
        if self.reading is not None:
            return self.reading.answer(values)
        text = values[self.name]
        return text if isinstance(text, str) and text.strip() else None

    def comparable(self, caption: str | None) -> str | None:
        """A caption as a text that is the same for one that was written and is read back."""
        if self.reading is None or caption is None:
            return caption
        answer = self.reading.answer(self.reading.values(caption))
        return None if answer is None else comparable_text(answer)

    def edited(self, caption: str, former: str | None) -> str:
        """A caption that was read back; what nobody changed in it stays as `former` says it."""
        if self.reading is None or former is None:
            return caption
        return self.reading.edited(caption, former)

    def _value(self, value: Any, number: int) -> Any:
        if self.n == 1:
            return value
        if isinstance(value, str):  # files without types hold the list as JSON
            with contextlib.suppress(ValueError):
                value = parse_json(value)
        return value[number] if isinstance(value, list) and number < len(value) else None


def comparable_text(answer: str) -> str:
    """JSON as a text that is the same for a value that was written and is read back."""
    return json.dumps(_comparable(json.loads(answer)))


def _comparable(value: Any) -> Any:
    """A value as no typed file changes it: 1.0 may come back as 1, what is absent as null."""
    if isinstance(value, dict):
        return {n: _comparable(value[n]) for n in sorted(value) if value[n] is not None}
    if isinstance(value, list):
        return [_comparable(one) for one in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def added_columns(
    columns: Sequence[Column], *, has_meta: bool, has_provenance: bool = False
) -> dict[str, ColumnType]:
    """All columns that a run adds, with what they hold; meta and provenance follow their captions.

    Raises:
        UsageError: two have the same name.
    """
    found: dict[str, ColumnType] = {}
    for column in columns:
        beside: list[tuple[str, ColumnType]] = []
        beside += [(column.meta, META_SHAPE)] * has_meta
        beside += [(column.provenance, PROVENANCE_SHAPE)] * has_provenance
        for name, holds in [*column.holds.items(), *beside]:
            if name in found:
                raise UsageError(f"two of the new columns would be called {name!r}; rename one")
            found[name] = holds if column.n == 1 else ListType(holds)
    return found


def values_of(
    columns: Sequence[Column],
    entries: Sequence[ResultRecord],
    *,
    has_meta: bool,
    has_provenance: bool = False,
) -> dict[str, Any]:
    """What is added to a row: in each column a caption, or a list; None for each that failed.

    Args:
        columns: The columns.
        entries: What came of the row's requests, `Column.n` for each column, in their order.
        has_meta: Whether each column's meta is added, too.
        has_provenance: Whether each column's provenance is, likewise.
    """
    found: dict[str, Any] = {}
    start = 0
    for column in columns:
        own = entries[start : start + column.n]
        start += column.n
        values = [column.values(entry.caption) for entry in own]
        for name in column.holds:
            found[name] = values[0][name] if column.n == 1 else [one[name] for one in values]
        if has_meta:
            metas = [meta_of(entry) for entry in own]
            found[column.meta] = metas[0] if column.n == 1 else metas
        if has_provenance:
            origins = [provenance_of(entry) for entry in own]
            found[column.provenance] = origins[0] if column.n == 1 else origins
    return found
