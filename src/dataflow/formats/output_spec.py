"""An output that somebody named → what it will be, decided once, and what writes it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from dataflow.core.column_types import Columns
from dataflow.core.errors import UsageError
from dataflow.core.protocols.dataset import Reader, Writer
from dataflow.core.text import path_text
from dataflow.formats.base.compression import compression_of, ending_of
from dataflow.formats.base.split_output import SplitWriter
from dataflow.formats.base.writing import AtomicFile
from dataflow.formats.columns.field_filter import FieldFilter, FieldFilterWriter
from dataflow.formats.columns.writer_context import WriterContext
from dataflow.formats.known_formats import FORMATS, Format, by_ending, imported, known_endings
from dataflow.formats.registry import InputSpec, resolve_input
from dataflow.remote.path import AnyPath, to_path


@dataclass(frozen=True, slots=True)
class OutputSpec:
    """An output, decided on once.

    Attributes:
        path: The file that the dataset will have in the end; without an ending a folder, where
            the format has such.
        format_name: A name in `FORMATS`, where the ending does not tell the format; else None.
        rows_per_file: Write several files of this many rows each; None for one file.
        bytes_per_file: Begin another file after about this many bytes, where the format counts
            them (WebDataset); None for one file.
    """

    path: AnyPath
    format_name: str | None = None
    rows_per_file: int | None = None
    bytes_per_file: int | None = None

    @property
    def is_folder(self) -> bool:
        """Whether the output will be a folder."""
        return is_folder(self.path, self.format_name)

    def open_writer(self, context: WriterContext) -> Callable[[Path], Writer]:
        """What opens a writer at the (temporary) path it is given.

        Args:
            context: What the writer may know of the rows.

        Raises:
            UsageError: the context's choice leaves out a column that the format needs, or the
                ending is none of the known ones.
            InputError: the dataset's first rows cannot be read.
        """
        ending = ending_of(self.path)
        named = FORMATS.get(self.format_name or "")
        chosen = named or by_ending(ending)
        if chosen is None:
            raise UsageError(
                f"{path_text(self.path)}: the ending {ending!r} is no format that can be written; "
                f"known are {known_endings()}"
            )
        if chosen.needs and not context.choice.is_all:
            needed = imported(chosen.needs)(context)
            _check_needed(self.format_name or ending, needed, context.choice)
        if chosen.folder_writer and self.is_folder:
            return _folder_opener(chosen.folder_writer, self.path, context, self.rows_per_file)
        if chosen.writer is None:
            raise UsageError(
                f"{path_text(self.path)}: {self.format_name} is no format of one file; name another"
            )
        return self._file_opener(chosen, context)

    def _file_opener(self, chosen: Format, context: WriterContext) -> Callable[[Path], Writer]:
        def open_one(path: Path) -> Writer:
            return _open_file(chosen, path, self.path, context)

        def open_parts(path: Path) -> Writer:
            return SplitWriter(path, open_one, self.rows_per_file, self.bytes_per_file)

        return open_parts if self.rows_per_file or self.bytes_per_file else open_one


def kept_format(source: InputSpec, output: str | AnyPath) -> str | None:
    """The format that `source` keeps in `output`, whose ending does not tell it; else None."""
    kind = source.format_name
    return kind if kind is not None and ending_of(output) in FORMATS[kind].stays_at else None


def writer_for(
    output: str | AnyPath,
    reader: Reader | None,
    columns: Columns,
    *,
    format_name: str | None = None,
    choice: FieldFilter = FieldFilter(),  # noqa: B008 (it is frozen)
    rows_per_file: int | None = None,
    question: str = "",
    picture_key: str = "image",
) -> Callable[[Path], Writer]:
    """What opens a writer in the format of `output`'s ending, at the (temporary) path it is given.

    Args:
        output: The file that the dataset will have in the end; without an ending a folder, where
            the format has such.
        reader: The dataset that the rows come from, so that CSV and Parquet know its columns and
            types; None for rows that come from nowhere else.
        columns: What will be added to each row.
        format_name: A name in `FORMATS`, where the ending does not tell the format.
        choice: Which of the rows' own fields are written.
        rows_per_file: Write several files of this many rows each; None for one file.
        question: What was asked about each picture, for formats that tell it (LLaVA).
        picture_key: The column with the picture, for formats that name it (COCO, LLaVA).

    Raises:
        UsageError: `choice` keeps a column that the dataset or its first rows lack, or leaves out
            one that the format needs, or the ending is none of the known ones.
        InputError: the dataset's first rows cannot be read.
    """
    context = WriterContext(reader, columns, choice, question, picture_key)
    return OutputSpec(to_path(output), format_name, rows_per_file).open_writer(context)


def output_format(source: str, output: str | AnyPath) -> str | None:
    """The name of the format that `source` keeps in `output`, whose ending alone does not tell it.

    Raises:
        InputError: `source` is a folder that cannot be listed.
    """
    return kept_format(resolve_input(source), output)


def is_folder(output: str | AnyPath, format_name: str | None) -> bool:
    """Whether `output` will be a folder: it has no ending, and the format writes such."""
    known = FORMATS.get(format_name or "")
    if known is None or known.folder_writer is None:
        return False
    return known.writer is None or not ending_of(output)


def _open_file(chosen: Format, path: Path, output: str | AnyPath, source: WriterContext) -> Writer:
    file = AtomicFile(path, compression_of(output))
    try:
        writer: Writer = imported(chosen.writer or "")(file, source)
    except BaseException:
        file.discard()
        raise
    choice = source.choice
    return writer if choice.is_all or chosen.needs else FieldFilterWriter(writer, choice)


def _folder_opener(
    where: str, output: AnyPath, source: WriterContext, rows_per_file: int | None
) -> Callable[[Path], Writer]:
    if rows_per_file:
        raise UsageError(
            f"{path_text(output)}: a folder has files of its own; leave --rows-per-file"
        )

    def open_folder(path: Path) -> Writer:
        writer: Writer = imported(where)(path, output, source)
        return writer if source.choice.is_all else FieldFilterWriter(writer, source.choice)

    return open_folder


def _check_needed(name: str, columns: Sequence[str], choice: FieldFilter) -> None:
    for column in columns:
        if not choice.takes(column):
            cure = f"leave out --drop {column}" if column in choice.drop else f"add --keep {column}"
            raise UsageError(f"the format {name} needs the column {column!r}; {cure}")
