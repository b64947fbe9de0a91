"""Several Arrow or Parquet files as one dataset: their rows one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from dataflow.core.dataset import Skipped
from dataflow.core.row import Row
from dataflow.formats.arrow_batches import ArrowBatchReader
from dataflow.formats.input_file import shown


class TablesReader:
    """The rows of several files of the same columns.

    Args:
        path: The folder that holds them.
        files: Each file's reader, in order; at least one.
    """

    def __init__(self, path: Path, files: list[ArrowBatchReader]) -> None:
        self.path = path
        self.name = shown(path)
        self.skipped = Skipped()
        self.files = files

    def rows(self) -> Iterator[Row]:
        """The rows in order.

        Raises:
            InputError: a file is not in its format, cut short or damaged.
        """
        index = 0
        for file in self.files:
            for row in file.rows():
                yield replace(row, index=index, fields=self.fields(file, row.fields))
                index += 1

    def fields(self, file: ArrowBatchReader, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        """The fields of a row of `file`."""
        return fields

    def count(self) -> int | None:
        """The number of rows, where every file knows its own.

        Raises:
            InputError: a file is not in its format or cut short.
        """
        counts = [file.count() for file in self.files]
        return None if None in counts else sum(count or 0 for count in counts)

    def column_names(self) -> list[str]:
        """The names of the top-level columns, as the first file has them.

        Raises:
            InputError: the file is not in its format or cut short.
        """
        return self.files[0].column_names()

    def schema(self) -> Any:
        """The first file's `pyarrow.Schema`, with its metadata.

        Raises:
            InputError: the file is not in its format or cut short.
        """
        return self.files[0].schema()

    def folder(self) -> str:
        """The folder that holds the files."""
        return str(self.path)
