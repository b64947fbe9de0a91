"""Reading Parquet (https://parquet.apache.org), batch by batch.

Memory is bounded by one batch and by what Parquet itself decodes at once, a data page of each
column.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from dataflow.core.errors import InputError
from dataflow.formats.arrow.batches import ArrowBatchReader, first_line, whole_batches
from dataflow.formats.base import read_limits
from dataflow.formats.base.reading import open_input
from dataflow.remote.path import RemotePath
from dataflow.remote.stream import BUFFER

_BATCH_BYTES = 8 << 20  # rows in flight keep their whole batch alive, so batches are small
_VARIABLE = ("BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY")
_BATCH_ROWS = 1024
_READ_BUFFER = 1 << 20  # of each column; at a URL it is one request


class ParquetReader(ArrowBatchReader):
    """The rows of a Parquet file, with any types: nested ones, pictures as structs of bytes.

    Attributes:
        columns: The only columns that are read, as far as they are there, and nothing in them that
            is bytes; None for all.
    """

    columns: tuple[str, ...] | None = None

    def count(self) -> int:
        """The number of rows, as the file's footer says.

        Raises:
            InputError: the file is no Parquet or cut short.
        """
        with open_input(self.path, buffer=_READ_BUFFER) as stream:
            return int(self._open(stream).metadata.num_rows)

    def schema(self) -> Any:
        """The file's `pyarrow.Schema`, with its metadata.

        Raises:
            InputError: the file is no Parquet or cut short, or names a column twice.
        """
        with open_input(self.path, buffer=_READ_BUFFER) as stream:
            return self._open(stream).schema_arrow

    def tables(self) -> Iterator[Any]:
        """The rows as `pyarrow.Table`s of a few megabytes.

        Raises:
            InputError: as `rows`.
        """
        import pyarrow as pa

        return (pa.Table.from_batches([batch]) for batch in self._batches())

    def codecs(self) -> dict[str, str]:
        """How each leaf column is compressed: its path in the schema → the codec's name.

        Raises:
            InputError: the file is no Parquet or cut short.
        """
        with open_input(self.path, buffer=_READ_BUFFER) as stream:
            metadata = self._open(stream).metadata
            if not metadata.num_row_groups:
                return {}
            group = metadata.row_group(0)
            columns = [group.column(index) for index in range(group.num_columns)]
            try:
                return {column.path_in_schema: column.compression for column in columns}
            except UnicodeDecodeError:  # a damaged name there spoils no value
                return {}

    def _open(self, stream: Any) -> Any:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            # Without pre-buffering and with a read buffer, memory does not grow with the row group.
            size = BUFFER if isinstance(self.path, RemotePath) else _READ_BUFFER
            file = pq.ParquetFile(stream, buffer_size=size, pre_buffer=False)
            self._check_names(file.schema_arrow)
        except (OSError, MemoryError, pa.ArrowException, UnicodeDecodeError) as error:
            raise self._unreadable(error) from error
        return file

    def _unreadable(self, error: Exception) -> InputError:
        return InputError(
            f"{self.name}: no readable Parquet file ({first_line(error)}); it may be cut short, "
            "then fetch or write it again"
        )

    def _damaged(self, done: int, error: Exception) -> InputError:
        return InputError(
            f"{self.name}, row {done} or soon after: damaged Parquet ({first_line(error)}); fetch "
            "or write the file again"
        )

    def _batches(self) -> Iterator[Any]:
        done = 0
        with open_input(self.path, buffer=_READ_BUFFER) as stream:
            file = self._open(stream)
            chosen = self._chosen(file.schema_arrow)
            for group in range(file.num_row_groups):
                size = self._rows_in_a_batch(stream, file, group, chosen)
                batches = file.iter_batches(
                    batch_size=size, row_groups=[group], columns=chosen, use_threads=False
                )
                for batch in whole_batches(batches, done, self._damaged):
                    yield batch
                    done += batch.num_rows
            if done != file.metadata.num_rows:
                raise InputError(
                    f"{self.name}: damaged Parquet ({done} rows, where its footer says "
                    f"{file.metadata.num_rows}); fetch or write the file again"
                )

    def _rows_in_a_batch(
        self, stream: Any, file: Any, number: int, chosen: list[str] | None
    ) -> int:
        """Rows whose decoded values take about `MAX_BATCH` bytes.

        A dictionary of a few bytes may stand for gigabytes: each of its values is taken for as
        long as the longest, and a row for as many values as the group has in a row.
        """
        group = file.metadata.row_group(number)
        rows = max(1, group.num_rows)
        row_bytes = group.total_byte_size // rows + 1
        repeated = _repeated(group, chosen)
        if any(chunk.total_uncompressed_size * _BATCH_ROWS > _BATCH_BYTES for chunk in repeated):
            longest = self._longest_values(stream, file, number, repeated)
            row_bytes += sum(
                size * -(-chunk.num_values // rows)
                for chunk, size in zip(repeated, longest, strict=True)
            )
        return int(max(1, min(_BATCH_ROWS, read_limits.MAX_BATCH // 2 // row_bytes)))

    def _longest_values(
        self, stream: Any, file: Any, number: int, chunks: Sequence[Any]
    ) -> list[int]:
        """Bytes of the longest value in each chunk's dictionary; all of the chunk's, if unknown."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        paths = [chunk.path_in_schema for chunk in chunks]
        stream.seek(0)
        try:
            again = pq.ParquetFile(
                stream, metadata=file.metadata, read_dictionary=paths, pre_buffer=False
            )
            batch = next(
                again.iter_batches(
                    batch_size=1, row_groups=[number], columns=paths, use_threads=False
                )
            )
        except (OSError, MemoryError, pa.ArrowException, StopIteration):
            found = []  # reading it says what is wrong
        else:
            found = [_longest(one) for column in batch.columns for one in _dictionaries(column)]
        sizes = [int(chunk.total_uncompressed_size) for chunk in chunks]
        if len(found) != len(sizes):
            return sizes
        return [size or whole for size, whole in zip(found, sizes, strict=True)]

    def _chosen(self, schema: Any) -> list[str] | None:
        """What is read of the file; a dot in a column's name would mean a part of a struct."""
        if self.columns is None or any("." in name for name in schema.names):
            return None
        there = [schema.field(name) for name in self.columns if name in schema.names]
        # a file without any of them is read whole, so that what it has can be told
        return [part for field in there for part in _without_bytes(field)] or None


def _without_bytes(field: Any) -> list[str]:
    """The column, or of a struct that holds bytes (a picture) its other parts."""
    import pyarrow.types as kinds

    def is_bytes(kind: Any) -> bool:
        return any(test(kind) for test in (kinds.is_binary, kinds.is_large_binary))

    if is_bytes(field.type):
        return []
    parts = [field.type.field(index) for index in range(field.type.num_fields)]
    if not kinds.is_struct(field.type) or not any(is_bytes(part.type) for part in parts):
        return [field.name]
    return [f"{field.name}.{part.name}" for part in parts if not is_bytes(part.type)]


def _repeated(group: Any, chosen: list[str] | None) -> list[Any]:
    """The column chunks whose values may stand once for many rows: those with a dictionary."""
    chunks = [group.column(index) for index in range(group.num_columns)]
    return [
        chunk
        for chunk in chunks
        if chunk.has_dictionary_page
        and chunk.physical_type in _VARIABLE
        and (chosen is None or any(_is_part(chunk.path_in_schema, name) for name in chosen))
    ]


def _is_part(path: str, name: str) -> bool:
    return path == name or path.startswith(f"{name}.")


def _dictionaries(column: Any) -> Iterator[Any]:
    """The dictionaries in an Arrow array, also those inside lists and structs, in order."""
    import pyarrow.types as kinds

    if kinds.is_dictionary(column.type):
        yield column.dictionary
    elif kinds.is_struct(column.type):
        for index in range(column.type.num_fields):
            yield from _dictionaries(column.field(index))
    elif kinds.is_map(column.type):
        yield from _dictionaries(column.keys)
        yield from _dictionaries(column.items)
    elif kinds.is_list(column.type) or kinds.is_large_list(column.type):
        yield from _dictionaries(column.values)


def _longest(dictionary: Any) -> int:
    """Bytes of the longest value of a dictionary."""
    import pyarrow.compute as pc

    longest = pc.max(pc.binary_length(dictionary)).as_py() if len(dictionary) else 0
    return int(longest or 0)
