"""Several files of one format as one dataset: their rows one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dataflow.core.protocols.dataset import Skipped, notices_of
from dataflow.core.row import Row
from dataflow.formats.base.reading import FileReader
from dataflow.formats.patterns.brace_patterns import common_folder


class ManyFilesReader:
    """The rows of several files; the columns are all that one of them has.

    Args:
        files: Each file's reader, in order; at least one.
    """

    def __init__(self, files: Sequence[FileReader]) -> None:
        self.files = files
        self.skipped = Skipped()

    def rows(self) -> Iterator[Row]:
        """The rows in order, numbered through; each has the place in its own file.

        Raises:
            InputError: a row cannot be read and is not to be skipped, or a file is damaged.
        """
        self.skipped = Skipped()
        index = 0
        for file in self.files:
            try:
                for row in file.rows():
                    yield Row(index, self.fields(file, row.fields), row.source, row.raw)
                    index += 1
            finally:
                self.skipped.merge(file.skipped)

    def fields(self, file: FileReader, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        """The fields of a row of `file`."""
        return fields

    def count(self) -> int | None:
        """The number of rows, where every file knows its own.

        Raises:
            InputError: a file is not in its format or cut short.
        """
        total = 0
        for file in self.files:
            count = file.count()
            if count is None:
                return None
            total += count
        return total

    def column_names(self) -> list[str] | None:
        """Every column, where it first appears; None where only the rows know them.

        Raises:
            InputError: a file's header cannot be read.
        """
        names: dict[str, None] = {}
        for file in self.files:
            known = file.column_names()
            if known is None:
                return None
            names.update(dict.fromkeys(known))
        return list(names)

    def notices(self) -> list[str]:
        """What is to be said of the files; see `core.dataset.NoticeReader`.

        Raises:
            InputError: a file cannot be read.
        """
        return [notice for file in self.files for notice in notices_of(file)]

    def folder(self) -> str:
        """The folder that holds all the files."""
        return common_folder([file.path.parent for file in self.files])
