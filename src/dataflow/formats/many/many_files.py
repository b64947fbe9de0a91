"""Several files of one format as one dataset: their rows one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dataflow.core.dataset import MAX_LISTED, Skipped
from dataflow.core.errors import InputError
from dataflow.core.row import Row
from dataflow.formats.base.reading import FileReader, shown
from dataflow.formats.coco.coco import CocoReader
from dataflow.formats.detect import is_table
from dataflow.formats.patterns.brace_patterns import common_folder, files_for, natural
from dataflow.formats.registry import open_reader
from dataflow.remote.path import AnyPath


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
                    yield Row(index, self.fields(file, row.fields), row.place, row.raw)
                    index += 1
            finally:
                room = MAX_LISTED - len(self.skipped.listed)
                self.skipped.listed += file.skipped.listed[:room]
                self.skipped.count += file.skipped.count

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

    def folder(self) -> str:
        """The folder that holds all the files."""
        return common_folder([file.path.parent for file in self.files])


def open_files(
    path: AnyPath,
    *,
    picture_key: str = "image",  # noqa: ARG001 (as readers that make this column are called)
    skip_bad_rows: bool = False,
) -> ManyFilesReader:
    """The dataset files of a folder, or those that a pattern stands for, in their natural order.

    Args:
        path: The folder; or a pattern, ``out-*-of-*.jsonl`` or ``{000..123}.csv.gz``.
        picture_key: Not needed: the rows have their own column of pictures.
        skip_bad_rows: See `registry.open_reader`.

    Raises:
        InputError: there are none, or they are not of one format.
    """
    paths = _tables_in(path) if path.is_dir() else files_for(path)
    files = [open_reader(file, skip_bad_rows=skip_bad_rows) for file in paths]
    first = files[0]
    other = next((file for file in files if type(file) is not type(first)), None)
    if isinstance(first, CocoReader) or not isinstance(first, FileReader):
        raise InputError(f"{shown(paths[0])}: several files must be tables; give this one alone")
    if other is not None:
        raise InputError(
            f"{shown(path)}: {shown(paths[0])} and {shown(paths[files.index(other)])} are of "
            "different formats; give those of one format, such as '*.jsonl'"
        )
    if hasattr(first, "schema"):
        from dataflow.formats.arrow.many_tables import ManyTablesReader

        return ManyTablesReader(files)  # type: ignore[arg-type]
    return ManyFilesReader(files)  # type: ignore[arg-type]


def _tables_in(folder: AnyPath) -> list[Any]:
    return sorted((path for path in folder.iterdir() if is_table(path.name)), key=natural)
