"""What the writers of Arrow batches share: Parquet's and those of Arrow's own files.

Rows that stand in Arrow batches keep schema, types and metadata exactly, because their batches are
written as they are. Other rows get the types that `arrow_rows` infers. Added columns are nullable
strings, or what they are said to hold: numbers, structs, lists.
"""

from __future__ import annotations

import contextlib
import sys
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any

from dataflow.core.column_types import ColumnType, ListType
from dataflow.core.errors import OutputError
from dataflow.core.raw_json import RawJson
from dataflow.core.row import Row
from dataflow.formats.arrow.batches import ArrowRow
from dataflow.formats.arrow.builders import ColumnGatherer, RowBuilder, SliceBuilder
from dataflow.formats.base.json_values import cell, utf8_safe
from dataflow.formats.base.writing import AtomicFile, FileWriter
from dataflow.formats.columns.writer_context import WriterContext

_LARGEST_FLOAT = sys.float_info.max


class ArrowBatchWriter(FileWriter):
    """A file of Arrow batches being written, a group of rows at a time.

    Args:
        file: The file.
        source: Tells the rows' types; where rows come from nowhere, they are inferred from the
            first group.

    Raises:
        OutputError: the source's rows do not agree on their types.
        InputError: the source cannot be read.
    """

    group_rows: int
    """Rows written at once, at most."""

    group_bytes: int
    """Bytes written at once, about."""

    def __init__(self, file: AtomicFile, source: WriterContext) -> None:
        super().__init__(file)
        self._gather: ColumnGatherer | None = None
        if source.reader is not None:
            self._gather = (SliceBuilder if source.is_arrow else RowBuilder)(source.schema)
        self._shapes = source.shapes
        self._added: dict[str, list[Any]] = {name: [] for name in source.added}
        self._rows = 0
        self._places = ("", "")
        self._tables: Any = None

    @property
    def has_slices(self) -> bool:
        """Whether the rows stand in Arrow batches."""
        return isinstance(self._gather, SliceBuilder)

    @abstractmethod
    def _open(self, table: Any) -> Any:
        """What the tables are handed to by ``write_table``, the first of which is `table`."""

    def write(self, row: Row, added: Mapping[str, Any]) -> None:
        """Append one row; see `core.dataset.Writer`.

        Raises:
            OutputError: a value does not fit its column's type; the message names row and column.
        """
        if self._gather is None:
            arrow = isinstance(row.raw, ArrowRow)
            self._gather = SliceBuilder(row.raw.batch.schema) if arrow else RowBuilder(None)
        unknown = added.keys() - self._added.keys()
        if unknown:
            raise OutputError(f"{row.source}: the column {min(unknown)!r} was not announced")
        self._gather.add(row)
        for name, values in self._added.items():
            shape = self._shapes[name]
            value = added[name] if name in added else row.fields.get(name)
            values.append(_text(row, name, value) if shape is None else _held(value, shape))
        self._places = (self._places[0] or row.source, row.source)
        self._rows += 1
        if self._rows >= self.group_rows or self._gather.size >= self.group_bytes:
            self._flush()

    def close(self) -> None:
        """Write what is left and finish the file."""
        if self._gather is None:
            self._gather = RowBuilder(None)
        if self._rows or self._tables is None:
            self._flush()
        with self._as_output_error("the end"):
            self._tables.close()
        super().close()

    def discard(self) -> None:
        """Let go of the file."""
        if self._tables is not None:
            with contextlib.suppress(Exception):
                self._tables.close()
        super().discard()

    def _flush(self) -> None:
        assert self._gather is not None  # noqa: S101 (for the type checker)
        table = self._with_added(self._gather.take())
        with self._as_output_error(" to ".join(dict.fromkeys(self._places))):
            if self._tables is None:
                self._tables = self._open(table)
            self._tables.write_table(table)
        self._rows = 0
        self._places = ("", "")

    def _with_added(self, table: Any) -> Any:
        import pyarrow as pa

        for name, values in self._added.items():
            kind = _type_of(self._shapes[name])
            column = pa.array(values, kind)
            index = table.schema.get_field_index(name)
            if index < 0:
                table = table.append_column(pa.field(name, kind), column)
            else:
                field = table.schema.field(index).with_type(kind).with_nullable(True)
                table = table.set_column(index, field, column)
            self._added[name] = []
        return table

    @contextlib.contextmanager
    def _as_output_error(self, where: str) -> Iterator[None]:
        import pyarrow as pa

        try:
            yield
        except OSError as error:
            raise self._file.as_output_error(error) from error
        except (pa.ArrowException, ValueError) as error:
            raise OutputError(f"{where}: cannot be written: {error}") from error


def _type_of(shape: ColumnType) -> Any:
    import pyarrow as pa

    if isinstance(shape, ListType):
        return pa.list_(_type_of(shape.items))
    if isinstance(shape, Mapping):
        return pa.struct([(name, _type_of(inner)) for name, inner in shape.items()])
    types = {"int": pa.int64(), "float": pa.float64(), "bool": pa.bool_()}
    return types.get(shape or "text", pa.string())


def _held(value: Any, shape: ColumnType) -> Any:
    """`value` as Arrow takes it into a column that holds `shape`; what does not fit is null."""
    if isinstance(value, RawJson):
        value = value.text if shape == "json" else value.value
    if isinstance(shape, ListType):
        return [_held(item, shape.items) for item in value] if isinstance(value, list) else None
    if isinstance(shape, Mapping):
        if not isinstance(value, Mapping):
            return None
        return {name: _held(value.get(name), inner) for name, inner in shape.items()}
    return _single(value, shape)


def _single(value: Any, shape: str | None) -> Any:
    if shape in ("int", "float"):
        return _number(value, shape)
    if shape == "bool":
        return value if isinstance(value, bool) else None
    return None if value is None else utf8_safe(cell(value))


def _number(value: Any, shape: str) -> int | float | None:
    # JSON has one kind of number: 1.0 is a whole one, and 1 may stand where fractions do
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    if shape == "float":
        return float(value) if abs(value) <= _LARGEST_FLOAT else None
    is_whole = isinstance(value, int) or value.is_integer()
    return int(value) if is_whole and -(2**63) <= value < 2**63 else None


def _text(row: Row, name: str, value: Any) -> str | None:
    if value is None:
        return None
    try:
        return utf8_safe(cell(value))
    except (TypeError, ValueError) as error:
        raise OutputError(f"{row.source}, column {name!r}: {error}") from error
