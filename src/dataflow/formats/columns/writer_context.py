"""What a writer may know of the rows that will come, before it writes the first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, Protocol, runtime_checkable

from dataflow.core.column_types import Columns, ColumnType
from dataflow.core.protocols.dataset import Reader
from dataflow.core.row import Row
from dataflow.formats.base.arrow_inference import infer_schema, with_strings
from dataflow.formats.columns.column_probe import check_kept, names_in
from dataflow.formats.columns.field_filter import FieldFilter
from dataflow.formats.columns.seen_ids import SeenIds


@runtime_checkable
class ArrowSource(Protocol):
    """A reader whose rows have Arrow types."""

    def schema(self) -> Any:
        """The `pyarrow.Schema` of all rows."""
        ...


class WriterContext:
    """The dataset that a writer's rows come from; what it costs to ask is paid once.

    Args:
        reader: The dataset; None for rows that come from nowhere else.
        added: What will be added to each row.
        choice: Which of the rows' own fields are written.
        question: What was asked about each picture.
        picture_key: The column with the picture; a row may have it without showing it.
        asks_own: Whether a row that has a conversation was asked what that asks.
        picture_folders: Where a row's picture is looked up whose bytes are to be in the output;
            None where its path is enough.
        csv_safe: Whether cells that a spreadsheet would run as formulas are made text.

    Raises:
        UsageError: a field is to be kept that the dataset, or none of its first rows, has.
        InputError: the first rows cannot be read.
    """

    def __init__(
        self,
        reader: Reader | None,
        added: Columns = (),
        choice: FieldFilter = FieldFilter(),  # noqa: B008 (it is frozen)
        question: str = "",
        picture_key: str = "image",
        *,
        asks_own: bool = False,
        csv_safe: bool = False,
        picture_folders: tuple[str, ...] | None = None,
    ) -> None:
        self.question = question
        self.asks_own = asks_own
        self.csv_safe = csv_safe
        self.picture_folders = picture_folders
        self.picture_key = picture_key
        self.reader = reader
        self.shapes: dict[str, ColumnType] = (
            dict(added) if isinstance(added, Mapping) else dict.fromkeys(added)
        )
        self.added = list(self.shapes)
        self.choice = choice
        if reader is not None:
            check_kept(reader, choice)

    @cached_property
    def names(self) -> list[str] | None:
        """The rows' own names that are written, each where it first appears; None without a reader.

        Reads the whole dataset where only the rows know them (JSON), so that a name that first
        appears in the last row has its column too.

        Raises:
            InputError: the dataset cannot be read.
        """
        if self.reader is None:
            return None
        known = self.reader.column_names()
        if known is not None:
            return [name for name in known if self.choice.takes(name)]
        seen: dict[str, None] = {}
        for row in self.reader.rows():
            if not row.fields.keys() <= seen.keys():
                seen.update(dict.fromkeys(row.fields))
        return [name for name in seen if self.choice.takes(name)]

    def needed_picture(self) -> tuple[str, ...]:
        """The picture's column, where it has to be written so that the picture is named.

        Raises:
            InputError: the dataset's first rows cannot be read.
        """
        key = self.picture_key
        return (key,) if self.reader and key in names_in(self.reader, (key,)) else ()

    @cached_property
    def has_own_numbers(self) -> bool:
        """Whether each row that is written has an ``id`` of its own, a whole number no other has.

        Reads the whole dataset. False without a reader, and where the numbers lie too far apart to
        be compared in bounded memory.

        Raises:
            InputError: the dataset cannot be read.
        """
        if self.reader is None or not self.choice.takes("id"):
            return False
        seen = SeenIds()
        return all(
            type(number := row.fields.get("id")) is int and seen.has_before(number) is False
            for row in self.reader.rows()
        )

    @property
    def is_arrow(self) -> bool:
        """Whether the rows have Arrow types of their own."""
        return isinstance(self.reader, ArrowSource)

    @cached_property
    def schema(self) -> Any:
        """The `pyarrow.Schema` of the fields that are written; None without a reader.

        The rows' own where they have one; all strings for CSV; else inferred from all rows.

        Raises:
            OutputError: the rows do not agree on the type of a column.
            InputError: the dataset cannot be read.
        """
        if self.reader is None:
            return None
        if isinstance(self.reader, ArrowSource):
            schema = self.reader.schema()
            for name in schema.names:
                if not self.choice.takes(name):
                    schema = schema.remove(schema.get_field_index(name))
            return schema
        # without rows, the header alone tells the columns
        names = [name for name in self.reader.column_names() or [] if self.choice.takes(name)]
        return with_strings(infer_schema(self._rows()), names)

    def _rows(self) -> Iterator[Row]:
        assert self.reader is not None  # noqa: S101 (for the type checker)
        return map(self.choice.row, self.reader.rows())
