"""Several files that stand for one dataset: which they are, and what reads them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dataflow.core.errors import InputError
from dataflow.core.text import path_text
from dataflow.formats.base.reading import FileReader
from dataflow.formats.coco.coco import CocoReader
from dataflow.formats.columns.writer_context import ArrowSource
from dataflow.formats.many_files import ManyFilesReader
from dataflow.formats.patterns.brace_patterns import files_for, natural
from dataflow.formats.patterns.endings import is_table
from dataflow.formats.registry import ReadOptions, resolve_input
from dataflow.remote.path import AnyPath


def open_files(
    path: AnyPath,
    *,
    picture_key: str = "image",
    skip_bad_rows: bool = False,
    columns: tuple[str, ...] = (),
    delimiter: str | None = None,
) -> ManyFilesReader:
    """The dataset files of a folder, or those that a pattern stands for, in their natural order.

    Args:
        path: The folder; or a pattern, ``out-*-of-*.jsonl`` or ``{000..123}.csv.gz``.
        picture_key: See `registry.ReadOptions`.
        skip_bad_rows: See `registry.ReadOptions`.
        columns: See `registry.ReadOptions`.
        delimiter: See `registry.ReadOptions`.

    Raises:
        InputError: there are none, or they are not of one format.
    """
    paths = _tables_in(path) if path.is_dir() else files_for(path)
    options = ReadOptions(
        picture_key=picture_key, skip_bad_rows=skip_bad_rows, columns=columns, delimiter=delimiter
    )
    return open_listed(paths, path_text(path), options)


def open_listed(paths: Sequence[AnyPath], name: str, options: ReadOptions) -> ManyFilesReader:
    """The dataset files at `paths`, in this order.

    Args:
        paths: At least one.
        name: What stands for them, for messages.
        options: How they are read.

    Raises:
        InputError: they are not of one format.
    """
    is_table = bool(options.columns or options.delimiter)
    files = [resolve_input(path, is_table=is_table).open(options) for path in paths]
    first = files[0]
    other = next((file for file in files if type(file) is not type(first)), None)
    if isinstance(first, CocoReader) or not isinstance(first, FileReader):
        raise InputError(
            f"{path_text(paths[0])}: several files must be tables; give this one alone"
        )
    if other is not None:
        raise InputError(
            f"{name}: {path_text(paths[0])} and {path_text(paths[files.index(other)])} are of "
            "different formats; give those of one format, such as '*.jsonl'"
        )
    if isinstance(first, ArrowSource):
        from dataflow.formats.arrow.many_tables import ManyTablesReader

        return ManyTablesReader(files)  # type: ignore[arg-type]
    return ManyFilesReader(files)  # type: ignore[arg-type]


def _tables_in(folder: AnyPath) -> list[Any]:
    return sorted((path for path in folder.iterdir() if is_table(path.name)), key=natural)
