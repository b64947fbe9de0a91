"""Arrow's own files (https://arrow.apache.org/docs/format/Columnar.html), batch by batch.

There are two layouts: the file, which ends with an index, and the stream, which is read from start
to end. Feather version 2 is the file layout under another name. Which one a file has is told by
its first bytes, because ``.arrow`` is used for both. Memory is bounded by one batch of the file.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from typing import Any

from dataflow.core.errors import InputError, OutputError
from dataflow.formats.arrow.batches import ArrowBatchReader, first_line, whole_batches
from dataflow.formats.arrow.writer import ArrowBatchWriter
from dataflow.formats.base.reading import open_input
from dataflow.formats.base.writing import AtomicFile
from dataflow.formats.columns.writer_context import WriterContext

_FILE_MAGIC = b"ARROW1"
_FEATHER_1_MAGIC = b"FEA1"
_STREAM_END = b"\xff\xff\xff\xff\0\0\0\0"


class ArrowReader(ArrowBatchReader):
    """The rows of an Arrow file or stream, with any types."""

    def schema(self) -> Any:
        """The file's `pyarrow.Schema`, with its metadata.

        Raises:
            InputError: the file is not in its format or cut short, or names a column twice.
        """
        with open_input(self.path) as stream:
            return self._open(stream).schema

    def is_stream(self) -> bool:
        """Whether the file has the stream layout.

        Raises:
            InputError: the file cannot be opened.
        """
        with open_input(self.path) as stream:
            return not stream.peek(6).startswith(_FILE_MAGIC)

    def _open(self, stream: io.BufferedReader) -> Any:
        import pyarrow as pa

        try:
            head = stream.peek(6)[:6]
            if head.startswith(_FEATHER_1_MAGIC):
                raise InputError(
                    f"{self.name}: Feather version 1 is not read; write the file again as version 2"
                )
            if head == _FILE_MAGIC:
                file = pa.ipc.open_file(stream)
            else:
                self._check_end(stream)
                file = pa.ipc.open_stream(stream)
            self._check_names(file.schema)
        except (OSError, MemoryError, pa.ArrowException, UnicodeDecodeError) as error:
            raise self._damaged("no readable Arrow file", error) from error
        return file

    def _check_end(self, stream: io.BufferedReader) -> None:
        """A stream that was cut between two batches is only known by the end mark it lacks."""
        size = stream.seek(0, os.SEEK_END)
        stream.seek(max(0, size - len(_STREAM_END)))
        end = stream.read()
        stream.seek(0)
        if end != _STREAM_END:
            raise OSError("it does not begin as an Arrow file nor end as an Arrow stream")

    def _damaged(self, what: str, error: Exception) -> InputError:
        return InputError(
            f"{self.name}: {what} ({first_line(error)}); it may be cut short, then fetch or write "
            "it again"
        )

    def _batches(self) -> Iterator[Any]:
        with open_input(self.path) as stream:
            yield from whole_batches(
                _each(self._open(stream)),
                0,
                lambda done, error: self._damaged(f"row {done} or soon after is damaged", error),
            )


def _each(file: Any) -> Iterator[Any]:
    if hasattr(file, "num_record_batches"):
        return map(file.get_batch, range(file.num_record_batches))
    return iter(file)


class ArrowWriter(ArrowBatchWriter):
    """An Arrow file being written, not compressed.

    A stream where the source is one of the same ending, as those of Hugging Face are.

    Args:
        file: The file.
        source: See `ArrowBatchWriter`.

    Raises:
        OutputError: also where the source has dictionaries that may differ from batch to batch,
            which the file layout cannot hold.
    """

    # who reads the file holds a whole batch
    group_rows = 8192
    group_bytes = 8 << 20

    compression: str | None = None
    """Of the batches' buffers."""

    def __init__(self, file: AtomicFile, source: WriterContext) -> None:
        super().__init__(file, source)
        self._is_stream = self._wants_stream(source)
        if source.is_arrow and not self._is_stream and not _is_arrow_file(source):
            _refuse_dictionaries(source.schema)

    def _wants_stream(self, source: WriterContext) -> bool:
        reader = source.reader
        if not isinstance(reader, ArrowReader) or reader.path.suffix.lower() == ".arrows":
            return False
        return reader.is_stream()

    def _open(self, table: Any) -> Any:
        import pyarrow as pa

        options = pa.ipc.IpcWriteOptions(
            compression=self.compression, emit_dictionary_deltas=not self._is_stream
        )
        new = pa.ipc.new_stream if self._is_stream else pa.ipc.new_file
        return new(self._file.stream, table.schema, options=options)


class StreamWriter(ArrowWriter):
    """An Arrow stream being written, not compressed."""

    def _wants_stream(self, source: WriterContext) -> bool:
        return True


class FeatherWriter(ArrowWriter):
    """A Feather file (version 2) being written, compressed with LZ4 as pyarrow and pandas do."""

    compression = "lz4"

    def _wants_stream(self, source: WriterContext) -> bool:
        return False


def _is_arrow_file(source: WriterContext) -> bool:
    return isinstance(source.reader, ArrowReader) and not source.reader.is_stream()


def _refuse_dictionaries(schema: Any) -> None:
    import pyarrow as pa

    for field in schema:
        waiting = [field.type]
        while waiting:
            kind = waiting.pop()
            if pa.types.is_dictionary(kind):
                raise OutputError(
                    f"column {field.name!r} is a dictionary, whose words may differ from batch to "
                    "batch; an Arrow or Feather file cannot hold that: write .arrows or .parquet"
                )
            waiting += [kind.field(index).type for index in range(kind.num_fields)]
