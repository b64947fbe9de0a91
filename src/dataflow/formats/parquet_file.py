"""Reading Parquet (https://parquet.apache.org), batch by batch.

A row is a place in an Arrow batch; a value becomes a Python value only when it is asked for, so
that the pictures of rows that are done already cost nothing. Memory is bounded by one batch and by
what Parquet itself decodes at once, a data page of each column.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dataflow.core.errors import InputError
from dataflow.core.row import Row
from dataflow.formats.input_file import FileReader, open_input

_BATCH_BYTES = 8 << 20  # rows in flight keep their whole batch alive, so batches are small
_BATCH_ROWS = 1024
_READ_BUFFER = 1 << 20


@dataclass(frozen=True, slots=True)
class ArrowRow:
    """A row in its exact form: position `at` in the `pyarrow.RecordBatch` `batch`."""

    batch: Any
    at: int


class ArrowFields(Mapping[str, Any]):
    """The values of one row, converted when asked for.

    Bytes stay bytes, structs become dicts, lists lists, timestamps `datetime`; see
    `pyarrow.Scalar.as_py`.
    """

    __slots__ = ("_at", "_batch", "_places")

    def __init__(self, batch: Any, at: int, places: Mapping[str, int]) -> None:
        self._batch = batch
        self._at = at
        self._places = places

    def __getitem__(self, name: str) -> Any:
        scalar = self._batch.column(self._places[name])[self._at]
        try:
            return scalar.as_py()
        except ValueError:  # nanoseconds, which Python's datetime has not
            import pyarrow as pa

            return scalar.cast(pa.string()).as_py()

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


class ParquetReader(FileReader):
    """The rows of a Parquet file, with any types: nested ones, pictures as structs of bytes."""

    def rows(self) -> Iterator[Row]:
        """The rows in order.

        Raises:
            InputError: the file is no Parquet, cut short or damaged; the message names the row.
        """
        index = 0
        for batch in self._batches():
            places = {name: place for place, name in enumerate(batch.schema.names)}
            for at in range(batch.num_rows):
                yield Row(
                    index=index,
                    fields=ArrowFields(batch, at, places),
                    place=f"{self.name}, row {index}",
                    raw=ArrowRow(batch, at),
                )
                index += 1

    def count(self) -> int:
        """The number of rows, as the file's footer says.

        Raises:
            InputError: the file is no Parquet or cut short.
        """
        with open_input(self.path) as stream:
            return int(self._open(stream).metadata.num_rows)

    def column_names(self) -> list[str]:
        """The names of the top-level columns.

        Raises:
            InputError: the file is no Parquet or cut short.
        """
        return list(self.schema().names)

    def schema(self) -> Any:
        """The file's `pyarrow.Schema`, with its metadata.

        Raises:
            InputError: the file is no Parquet or cut short, or names a column twice.
        """
        with open_input(self.path) as stream:
            return self._open(stream).schema_arrow

    def codecs(self) -> dict[str, str]:
        """How each leaf column is compressed: its path in the schema → the codec's name.

        Raises:
            InputError: the file is no Parquet or cut short.
        """
        with open_input(self.path) as stream:
            metadata = self._open(stream).metadata
            if not metadata.num_row_groups:
                return {}
            group = metadata.row_group(0)
            columns = [group.column(place) for place in range(group.num_columns)]
            try:
                return {column.path_in_schema: column.compression for column in columns}
            except UnicodeDecodeError:  # a damaged name there spoils no value
                return {}

    def _open(self, stream: Any) -> Any:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            # Without pre-buffering and with a read buffer, memory does not grow with the row group.
            file = pq.ParquetFile(stream, buffer_size=_READ_BUFFER, pre_buffer=False)
            names = file.schema_arrow.names
        except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
            raise self._unreadable(error) from error
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            raise InputError(f"{self.name}: two columns are named {twice[0]!r}; rename one")
        return file

    def _unreadable(self, error: Exception) -> InputError:
        return InputError(
            f"{self.name}: no readable Parquet file ({_first_line(error)}); it may be cut short, "
            "then fetch or write it again"
        )

    def _batches(self) -> Iterator[Any]:
        import pyarrow as pa

        done = 0
        with open_input(self.path) as stream:
            file = self._open(stream)
            for group in range(file.num_row_groups):
                size = _rows_in_a_batch(file.metadata.row_group(group))
                batches = file.iter_batches(batch_size=size, row_groups=[group], use_threads=False)
                while True:
                    try:
                        batch = next(batches, None)
                        if batch is not None:
                            batch.validate(full=True)  # lengths, and that texts are UTF-8
                    except (OSError, pa.ArrowException) as error:
                        raise InputError(
                            f"{self.name}, row {done} or soon after: damaged Parquet "
                            f"({_first_line(error)}); fetch or write the file again"
                        ) from error
                    if batch is None:
                        break
                    yield batch
                    done += batch.num_rows
            if done != file.metadata.num_rows:
                raise InputError(
                    f"{self.name}: damaged Parquet ({done} rows, where its footer says "
                    f"{file.metadata.num_rows}); fetch or write the file again"
                )


def _rows_in_a_batch(group: Any) -> int:
    row_bytes: int = group.total_byte_size // max(1, group.num_rows) + 1
    return max(1, min(_BATCH_ROWS, _BATCH_BYTES // row_bytes))


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n", 1)[0]
