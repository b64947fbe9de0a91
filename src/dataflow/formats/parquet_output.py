"""Writing Parquet: whole slices of the source where it is Parquet too, and the added columns.

Rows from Parquet keep schema, types, metadata and codecs exactly, because their Arrow batches are
written as they are. Other rows get the types that `arrow_rows` infers. Added columns are nullable
strings.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from dataflow.core.dataset import Reader
from dataflow.core.errors import OutputError
from dataflow.core.row import Row
from dataflow.formats.arrow_rows import (
    CHUNK_BYTES,
    CHUNK_ROWS,
    infer_schema,
    to_table,
    weight,
    widened,
)
from dataflow.formats.output_file import OutputFile
from dataflow.formats.parquet_file import ArrowRow, ParquetReader
from dataflow.formats.plain_value import cell, utf8_safe

_GROUP_BYTES = 64 << 20  # a row group: large enough to read fast, small enough to hold in memory
_GROUP_ROWS = 65_536
_PAGE_BYTES = 1 << 20
_CODECS = {"UNCOMPRESSED": "NONE", "LZ4_RAW": "LZ4"}  # the names pyarrow reads ↔ those it writes


class _Gather(Protocol):
    """Rows of the source on their way to becoming one Arrow table."""

    size: int  # bytes, about

    def add(self, row: Row) -> None: ...

    def take(self) -> Any: ...


class ParquetWriter:
    """A Parquet file being written.

    Args:
        path: The file.
        source: The dataset that the rows come from. Parquet: its schema is kept; CSV: all columns
            are strings; others are read once to infer the types. None: the types are inferred
            from the first rows, up to one row group.
        columns: The names that will be added.

    Raises:
        OutputError: the file cannot be created, or the source's rows do not agree on their types.
        InputError: `source` cannot be read.
    """

    def __init__(
        self, path: Path, source: Reader | None = None, columns: Sequence[str] = ()
    ) -> None:
        self._codecs: dict[str, str] = {}
        self._gather: _Gather | None = None
        if isinstance(source, ParquetReader):
            self._gather = _Slices(source.schema())
            self._codecs = source.codecs()
        elif source is not None:
            self._gather = _Dicts(_schema_of(source))
        self._texts: dict[str, list[str | None]] = {name: [] for name in columns}
        self._rows = 0
        self._places = ("", "")
        self._parquet: Any = None
        self._file = OutputFile(path)

    def write(self, row: Row, added: Mapping[str, Any]) -> None:
        """Append one row; see `core.dataset.Writer`.

        Raises:
            OutputError: a value does not fit its column's type; the message names row and column.
        """
        if self._gather is None:
            arrow = isinstance(row.raw, ArrowRow)
            self._gather = _Slices(row.raw.batch.schema) if arrow else _Dicts(None)
        unknown = added.keys() - self._texts.keys()
        if unknown:
            raise OutputError(f"{row.place}: the column {min(unknown)!r} was not announced")
        self._gather.add(row)
        for name, texts in self._texts.items():
            texts.append(_text(row, name, added))
        self._places = (self._places[0] or row.place, row.place)
        self._rows += 1
        if self._rows >= _GROUP_ROWS or self._gather.size >= _GROUP_BYTES:
            self._flush()

    def close(self) -> None:
        """Write what is left and finish the file."""
        if self._gather is None:
            self._gather = _Dicts(None)
        if self._rows or self._parquet is None:
            self._flush()
        with _as_output_error(self._file, "the end"):
            self._parquet.close()
        self._file.close()

    def abandon(self) -> None:
        """Let go of the file."""
        if self._parquet is not None:
            with contextlib.suppress(Exception):
                self._parquet.close()
        self._file.abandon()

    def _flush(self) -> None:
        assert self._gather is not None  # noqa: S101 (for the type checker)
        table = self._with_added(self._gather.take())
        where = " to ".join(dict.fromkeys(self._places))
        with _as_output_error(self._file, where):
            if self._parquet is None:
                self._parquet = self._open(table)
            self._parquet.write_table(table)
        self._rows = 0
        self._places = ("", "")

    def _with_added(self, table: Any) -> Any:
        import pyarrow as pa

        for name, texts in self._texts.items():
            column = pa.array(texts, pa.string())
            place = table.schema.get_field_index(name)
            if place < 0:
                table = table.append_column(pa.field(name, pa.string()), column)
            else:
                field = table.schema.field(place).with_type(pa.string()).with_nullable(True)
                table = table.set_column(place, field, column)
            self._texts[name] = []
        return table

    def _open(self, table: Any) -> Any:
        import pyarrow.parquet as pq

        # Pages are cut after a number of rows only; large pictures need that number small.
        page_rows = table.num_rows * _PAGE_BYTES // max(1, table.nbytes)
        return pq.ParquetWriter(
            self._file.stream,
            table.schema,
            compression={path: _CODECS.get(name, name) for path, name in self._codecs.items()}
            or "SNAPPY",
            write_batch_size=max(1, min(1024, page_rows)),
            # True would rename the items of a source's lists.
            use_compliant_nested_type=not isinstance(self._gather, _Slices),
        )


class _Slices:
    """Rows that stand in Arrow batches, gathered as slices of them, without copying."""

    def __init__(self, schema: Any) -> None:
        self.size = 0
        self._schema = schema
        self._done: list[Any] = []
        self._batch: Any = None
        self._start = 0
        self._end = 0

    def add(self, row: Row) -> None:
        place = row.raw
        if not isinstance(place, ArrowRow) or not place.batch.schema.equals(self._schema):
            place = ArrowRow(to_table([row], self._schema).to_batches()[0], 0)
        if place.batch is not self._batch or place.at != self._end:
            self._cut()
            self._batch, self._start = place.batch, place.at
        self._end = place.at + 1

    def take(self) -> Any:
        import pyarrow as pa

        self._cut()
        table = pa.Table.from_batches(self._done, schema=self._schema)
        self._done, self.size = [], 0
        return table

    def _cut(self) -> None:
        if self._batch is None:
            return
        part = self._batch.slice(self._start, self._end - self._start)
        if part.num_rows * 2 < self._batch.num_rows:
            part = part.take(list(range(part.num_rows)))  # a copy: a crumb must not keep the loaf
        self._done.append(part)
        self.size += part.nbytes
        self._batch = None


class _Dicts:
    """Rows of Python values; Arrow holds them in a tenth of the memory, so they go there soon.

    Args:
        schema: Their types, or None: they are inferred from the rows before the first `take`.
    """

    def __init__(self, schema: Any) -> None:
        self.size = 0
        self._schema = schema
        self._rows: list[Row] = []
        self._chunk_size = 0
        self._done: list[Any] = []

    def add(self, row: Row) -> None:
        row_size = weight(row)
        self._rows.append(row)
        self.size += row_size
        self._chunk_size += row_size
        full = len(self._rows) >= CHUNK_ROWS or self._chunk_size >= CHUNK_BYTES
        if full and self._schema is not None:
            self._convert()

    def take(self) -> Any:
        import pyarrow as pa

        if self._schema is None:
            self._schema = widened(pa.schema([]), self._rows)
        self._convert()
        table = pa.concat_tables(self._done)
        self._done, self.size = [], 0
        return table

    def _convert(self) -> None:
        self._done.append(to_table(self._rows, self._schema))
        self._rows, self._chunk_size = [], 0


def _schema_of(source: Reader) -> Any:
    import pyarrow as pa

    schema = infer_schema(source)
    for name in source.column_names() or []:
        if name not in schema.names:  # no rows: the header alone tells the columns
            schema = schema.append(pa.field(name, pa.string()))
    return schema


def _text(row: Row, name: str, added: Mapping[str, Any]) -> str | None:
    value = added[name] if name in added else row.fields.get(name)
    if value is None:
        return None
    try:
        return utf8_safe(cell(value))
    except (TypeError, ValueError) as error:
        raise OutputError(f"{row.place}, column {name!r}: {error}") from error


@contextlib.contextmanager
def _as_output_error(file: OutputFile, where: str) -> Any:
    import pyarrow as pa

    try:
        yield
    except OSError as error:
        raise file.refused(error) from error
    except (pa.ArrowException, ValueError) as error:
        raise OutputError(f"{where}: cannot be written as Parquet: {error}") from error
