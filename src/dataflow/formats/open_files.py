"""Several files that stand for one dataset: which they are, and what reads them."""

from __future__ import annotations

from typing import Any

from dataflow.core.errors import InputError
from dataflow.core.text import path_text
from dataflow.formats.base.many_files import ManyFilesReader
from dataflow.formats.base.reading import FileReader
from dataflow.formats.coco.coco import CocoReader
from dataflow.formats.patterns.brace_patterns import files_for, natural
from dataflow.formats.patterns.endings import is_table
from dataflow.formats.registry import open_reader
from dataflow.remote.path import AnyPath


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
        raise InputError(
            f"{path_text(paths[0])}: several files must be tables; give this one alone"
        )
    if other is not None:
        raise InputError(
            f"{path_text(path)}: {path_text(paths[0])} and "
            f"{path_text(paths[files.index(other)])} are of different formats; give those of one "
            "format, such as '*.jsonl'"
        )
    if hasattr(first, "schema"):
        from dataflow.formats.arrow.many_tables import ManyTablesReader

        return ManyTablesReader(files)  # type: ignore[arg-type]
    return ManyFilesReader(files)  # type: ignore[arg-type]


def _tables_in(folder: AnyPath) -> list[Any]:
    return sorted((path for path in folder.iterdir() if is_table(path.name)), key=natural)
