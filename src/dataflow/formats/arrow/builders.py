"""Rows on their way to becoming Arrow tables."""

from __future__ import annotations

from typing import Any, Protocol

from dataflow.core.row import Row
from dataflow.formats.arrow.batches import ArrowRow
from dataflow.formats.base.arrow_inference import (
    CHUNK_BYTES,
    CHUNK_ROWS,
    cast,
    to_table,
    weight,
    widened,
)


class ColumnGatherer(Protocol):
    """Rows that are gathered.

    Attributes:
        size: Bytes, about.
    """

    size: int

    def add(self, row: Row) -> None:
        """Take one row."""
        ...

    def take(self) -> Any:
        """The `pyarrow.Table` of the rows so far; they are let go of."""
        ...


class SliceBuilder:
    """Rows that stand in Arrow batches, gathered as slices of them, without copying.

    Args:
        schema: That of all rows.
    """

    def __init__(self, schema: Any) -> None:
        self.size = 0
        self._schema = schema
        self._done: list[Any] = []
        self._batch: Any = None
        self._cast: tuple[Any, Any] = (None, None)
        self._start = 0
        self._end = 0

    def add(self, row: Row) -> None:
        """Take one row; see `ColumnGatherer`."""
        position = row.raw
        if not (isinstance(position, ArrowRow) and position.batch is self._batch):
            position = self._fitting(row)
        if position.batch is not self._batch or position.at != self._end:
            self._cut()
            self._batch, self._start = position.batch, position.at
        self._end = position.at + 1

    def _fitting(self, row: Row) -> ArrowRow:
        """The row in a batch of the schema: its own, or what was made of that one."""
        position = row.raw
        if self._fits(position):
            fitting: ArrowRow = position
            return fitting
        if isinstance(position, ArrowRow):
            if self._cast[0] is not position.batch:
                self._cast = position.batch, cast(position.batch, self._schema)
            if self._cast[1] is not None:
                return ArrowRow(self._cast[1], position.at, {})
        return ArrowRow(to_table([row], self._schema).to_batches()[0], 0, {})

    def _fits(self, position: Any) -> bool:
        return isinstance(position, ArrowRow) and bool(position.batch.schema.equals(self._schema))

    def take(self) -> Any:
        """The table of the rows so far; see `ColumnGatherer`."""
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


class RowBuilder:
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
        """Take one row; see `ColumnGatherer`."""
        row_size = weight(row)
        self._rows.append(row)
        self.size += row_size
        self._chunk_size += row_size
        full = len(self._rows) >= CHUNK_ROWS or self._chunk_size >= CHUNK_BYTES
        if full and self._schema is not None:
            self._convert()

    def take(self) -> Any:
        """The table of the rows so far; see `ColumnGatherer`."""
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
