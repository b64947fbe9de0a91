"""Several Arrow or Parquet files as one dataset."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

from dataflow.core.errors import InputError
from dataflow.formats.arrow.batches import ArrowBatchReader, first_line
from dataflow.formats.arrow.parquet_file import ParquetReader
from dataflow.formats.many_files import ManyFilesReader


class ManyTablesReader(ManyFilesReader):
    """The rows of several files whose values have Arrow types.

    Args:
        files: Each file's reader, in order; at least one.
    """

    files: Sequence[ArrowBatchReader]

    def __init__(self, files: Sequence[ArrowBatchReader]) -> None:
        super().__init__(files)
        self._schema: Any = None

    def column_names(self) -> list[str]:
        """The names of the top-level columns.

        Raises:
            InputError: as `schema`.
        """
        return list(self.schema().names)

    def schema(self) -> Any:
        """The `pyarrow.Schema` that holds the rows of every file, with the first one's metadata.

        Raises:
            InputError: a file is not in its format or cut short, or has a column whose type does
                not go into one with the files' before it.
        """
        if self._schema is None:
            self._schema = reduce(self._widened, self.files, None)
        return self._schema

    def codecs(self) -> dict[str, str]:
        """How each leaf column of the first file is compressed, where it is Parquet.

        Raises:
            InputError: the file is no Parquet or cut short.
        """
        first = self.files[0]
        return first.codecs() if isinstance(first, ParquetReader) else {}

    def _widened(self, schema: Any, file: ArrowBatchReader) -> Any:
        import pyarrow as pa

        more = file.schema()
        if schema is None or schema.equals(more):
            return schema or more
        try:
            both = pa.unify_schemas([schema, more], promote_options="permissive")
        except pa.ArrowException as error:
            raise InputError(
                f"{file.name}: its columns do not go together with those of the files before it "
                f"({first_line(error)}); give the file alone"
            ) from error
        for index, field in enumerate(both):
            if field.name not in schema.names or field.name not in more.names:
                both = both.set(index, field.with_nullable(True))
        return both
