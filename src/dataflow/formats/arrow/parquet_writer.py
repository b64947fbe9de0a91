"""Writing Parquet: whole slices of the source where it is Parquet too, and the added columns.

Rows from Parquet keep the codec of each column, beside what every Arrow source keeps.
"""

from __future__ import annotations

from typing import Any

from dataflow.formats.arrow.many_tables import ManyTablesReader
from dataflow.formats.arrow.parquet_file import ParquetReader
from dataflow.formats.arrow.writer import ArrowBatchWriter
from dataflow.formats.base.writing import AtomicFile
from dataflow.formats.columns.writer_context import WriterContext

_PAGE_BYTES = 1 << 20
_CODECS = {"UNCOMPRESSED": "NONE", "LZ4_RAW": "LZ4"}  # the names pyarrow reads ↔ those it writes


class ParquetWriter(ArrowBatchWriter):
    """A Parquet file being written.

    Args:
        file: The file.
        source: See `ArrowBatchWriter`.
    """

    # a row group: large enough to read fast, small enough to hold in memory
    group_rows = 65_536
    group_bytes = 16 << 20

    def __init__(self, file: AtomicFile, source: WriterContext) -> None:
        super().__init__(file, source)
        self._codecs: dict[str, str] = {}
        if isinstance(source.reader, (ParquetReader, ManyTablesReader)):
            self._codecs = source.reader.codecs()

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
            use_compliant_nested_type=not self.has_slices,
        )
