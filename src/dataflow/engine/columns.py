"""The columns of captions that a run adds to each row, and what stands in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dataflow.core.dataset import ListOf, Shape
from dataflow.core.errors import UsageError
from dataflow.engine.entry import Entry
from dataflow.engine.meta import META_SHAPE, meta_of


@dataclass(frozen=True, slots=True)
class Column:
    """A column of captions.

    Attributes:
        name: Its name in the output.
        n: Captions of each row in it: 1 for a text, more for a list of texts.

    Raises:
        UsageError: `n` is below 1.
    """

    name: str
    n: int = 1

    def __post_init__(self) -> None:
        if self.n < 1:
            raise UsageError(f"{self.name!r} is to hold {self.n} captions; 1 is the least")

    @property
    def meta(self) -> str:
        """The name of the meta column beside it."""
        return f"{self.name}_meta"


def added_columns(columns: Sequence[Column], *, has_meta: bool) -> dict[str, Shape | ListOf | None]:
    """All columns that a run adds, with their shapes; a meta column follows its captions.

    Raises:
        UsageError: two have the same name.
    """
    found: dict[str, Shape | ListOf | None] = {}
    for column in columns:
        added: dict[str, Shape | ListOf | None] = {column.name: None if column.n == 1 else ListOf()}
        if has_meta:
            added[column.meta] = META_SHAPE if column.n == 1 else ListOf(META_SHAPE)
        twice = next(iter(found.keys() & added.keys()), None)
        if twice is not None:
            raise UsageError(f"two of the new columns would be called {twice!r}; rename one")
        found |= added
    return found


def values_of(
    columns: Sequence[Column], entries: Sequence[Entry], *, has_meta: bool
) -> dict[str, Any]:
    """What is added to a row: in each column a caption, or a list; None for each that failed.

    Args:
        columns: The columns.
        entries: What came of the row's requests, `Column.n` for each column, in their order.
        has_meta: Whether each column's meta is added, too.
    """
    found: dict[str, Any] = {}
    start = 0
    for column in columns:
        own = entries[start : start + column.n]
        start += column.n
        captions = [entry.caption for entry in own]
        found[column.name] = captions[0] if column.n == 1 else captions
        if has_meta:
            metas = [meta_of(entry) for entry in own]
            found[column.meta] = metas[0] if column.n == 1 else metas
    return found
