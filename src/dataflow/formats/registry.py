"""Which file of this folder reads and writes which format; each is imported on first use."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dataflow.core.column_types import Columns
from dataflow.core.dataset import Reader, Writer
from dataflow.core.errors import InputError, UsageError
from dataflow.core.text import path_text
from dataflow.formats.base.compression import COMPRESSIONS, compression_of, ending_of
from dataflow.formats.base.field_filter import FieldFilter, FieldFilterWriter
from dataflow.formats.base.reading import as_input_errors
from dataflow.formats.base.split_output import SplitWriter
from dataflow.formats.base.writer_context import WriterContext
from dataflow.formats.base.writing import AtomicFile
from dataflow.formats.detect import detect_format, found_at, is_folder_at
from dataflow.formats.folder.pictures import FolderReader, PictureFolder
from dataflow.formats.folder.sidecar import SidecarFiles
from dataflow.formats.patterns.endings import COCO_ENDINGS, PICTURE_ENDINGS
from dataflow.formats.patterns.glob_filter import GlobFilter
from dataflow.remote.path import AnyPath, to_path


@dataclass(frozen=True, slots=True)
class Format:
    """One dataset format.

    Attributes:
        endings: The file endings that mean it, in lower case; none: only by name.
        description: For people.
        reader: ``"module:class"`` of the reader, called with the file's path and
            ``skip_bad_rows``.
        writer: ``"module:class"`` of the writer, called with an `AtomicFile` and a
            `WriterContext`; None where only a folder is written.
        is_text: Whether its files may also be compressed (`compression.COMPRESSIONS`).
        has_pictures: Whether the reader makes the picture column, and is called with its name,
            ``picture_key``, too.
        folder_writer: ``"module:class"`` of what writes a folder instead of a file, called with
            where it may be written first, the folder's path and a `WriterContext`; None where
            there is no such.
        needs: ``"module:function"`` that tells which of the rows' columns must be written, called
            with a `WriterContext`; the writer leaves fields out itself, for it needs the whole
            row. None where no column is needed.
        stays_at: The endings at which an output may have this format though they do not mean it,
            and at which a dataset known to be of this format keeps it; an empty one for a folder.
    """

    endings: tuple[str, ...]
    description: str
    reader: str
    writer: str | None = None
    is_text: bool = False
    has_pictures: bool = False
    folder_writer: str | None = None
    needs: str | None = None
    stays_at: tuple[str, ...] = ()


_HERE = "dataflow.formats"

FORMATS = {
    "json": Format(
        endings=(".json",),
        description="one array of objects",
        reader=f"{_HERE}.text.json_file:JsonReader",
        writer=f"{_HERE}.text.json_file:JsonWriter",
        is_text=True,
    ),
    "jsonl": Format(
        endings=(".jsonl", ".ndjson"),
        description="one object a line",
        reader=f"{_HERE}.text.jsonl_file:JsonlReader",
        writer=f"{_HERE}.text.jsonl_file:JsonlWriter",
        is_text=True,
    ),
    "csv": Format(
        endings=(".csv",),
        description="comma-separated, with a header line",
        reader=f"{_HERE}.text.csv_file:CsvReader",
        writer=f"{_HERE}.text.csv_file:CsvWriter",
        is_text=True,
    ),
    "tsv": Format(
        endings=(".tsv",),
        description="tab-separated, with a header line",
        reader=f"{_HERE}.text.csv_file:TsvReader",
        writer=f"{_HERE}.text.csv_file:TsvWriter",
        is_text=True,
    ),
    "parquet": Format(
        endings=(".parquet",),
        description="Apache Parquet, with any types",
        reader=f"{_HERE}.arrow.parquet_file:ParquetReader",
        writer=f"{_HERE}.arrow.parquet_writer:ParquetWriter",
    ),
    "arrow": Format(
        endings=(".arrow", ".ipc"),
        description="Apache Arrow, as a file or as a stream, with any types",
        reader=f"{_HERE}.arrow.ipc_file:ArrowReader",
        writer=f"{_HERE}.arrow.ipc_file:ArrowWriter",
    ),
    "arrows": Format(
        endings=(".arrows",),
        description="Apache Arrow, as a stream",
        reader=f"{_HERE}.arrow.ipc_file:ArrowReader",
        writer=f"{_HERE}.arrow.ipc_file:StreamWriter",
    ),
    "feather": Format(
        endings=(".feather",),
        description="Feather version 2: an Arrow file with LZ4",
        reader=f"{_HERE}.arrow.ipc_file:ArrowReader",
        writer=f"{_HERE}.arrow.ipc_file:FeatherWriter",
    ),
    "webdataset": Format(
        endings=(".tar", ".tar.gz", ".tar.zst", ".tar.bz2", ".tar.xz"),
        description="WebDataset: tar shards, a sample a row",
        reader=f"{_HERE}.webdataset.reader:WebDatasetReader",
        writer=f"{_HERE}.webdataset.writer:WebDatasetWriter",
        has_pictures=True,
        folder_writer=f"{_HERE}.webdataset.shard_folder:ShardsWriter",
        stays_at=("",),
    ),
    "coco": Format(
        endings=(),
        description="COCO captions: images and annotations",
        reader=f"{_HERE}.coco.coco:CocoReader",
        writer=f"{_HERE}.coco.coco:CocoWriter",
        has_pictures=True,
        needs=f"{_HERE}.coco.coco:needed",
        stays_at=COCO_ENDINGS,
    ),
    "llava": Format(
        endings=(),
        description="LLaVA's conversations of human and gpt",
        reader=f"{_HERE}.text.json_file:JsonReader",
        writer=f"{_HERE}.text.llava_file:LlavaWriter",
        needs=f"{_HERE}.text.llava_file:needed",
        stays_at=COCO_ENDINGS,
    ),
    "files": Format(
        endings=(),
        description="several files of one of the formats above, by a pattern or in a folder",
        reader=f"{_HERE}.open_files:open_files",
        has_pictures=True,
    ),
    "parquets": Format(
        endings=(),
        description="several Parquet files, by a pattern or in a folder, also img2dataset's",
        reader=f"{_HERE}.arrow.img2dataset:ParquetFolderReader",
        has_pictures=True,
    ),
    "saved": Format(
        endings=(),
        description="a folder saved by Hugging Face's datasets (save_to_disk)",
        reader=f"{_HERE}.arrow.hf_saved:SavedReader",
        folder_writer=f"{_HERE}.arrow.hf_saved:SavedWriter",
        has_pictures=True,
        stays_at=("",),
    ),
    "hf": Format(
        endings=(),
        description="a dataset of the Hugging Face hub, as a stream",
        reader=f"{_HERE}.hub.hf_dataset:HuggingFaceReader",
        has_pictures=True,
    ),
    "ms": Format(
        endings=(),
        description="a dataset of ModelScope",
        reader=f"{_HERE}.hub.modelscope_dataset:ModelScopeReader",
        has_pictures=True,
    ),
    "pickle": Format(
        endings=(),
        description="a pickled DataFrame or list of dicts; runs the code inside it",
        reader=f"{_HERE}.pickle_file:PickleReader",
        writer=f"{_HERE}.pickle_file:PickleWriter",
        stays_at=(".pkl", ".pickle"),
    ),
}
"""Name → format. A new format is one entry here, one module, and one line in the contract tests."""


def open_reader(
    path: str | AnyPath,
    *,
    picture_key: str = "image",
    format_name: str | None = None,
    skip_bad_rows: bool = False,
    pick: GlobFilter = GlobFilter(),  # noqa: B008 (it is frozen)
    sidecars: SidecarFiles | None = None,
) -> Reader:
    """The dataset at `path`: a dataset file, a folder of pictures, or one picture.

    Args:
        path: Where it is, here or at a URL; a pattern of the pictures of a folder (see `pick`), or
            of several dataset files of one format.
        picture_key: The column that holds the pictures' paths, for a folder or a picture.
        format_name: A name in `FORMATS`, where the ending does not tell the format; the only way
            to read a pickle.
        skip_bad_rows: Leave out each row that cannot be read, where the next one is found again
            (a line of JSON Lines or CSV, an element of a JSON array), and note it in the reader's
            `skipped`; otherwise it is an error.
        pick: Which pictures of a folder are taken.
        sidecars: Those of a folder's pictures, where their captions matter.

    Raises:
        InputError: there is nothing at `path`, nothing fits it as a pattern, or its ending is none
            of the known ones.
        UsageError: `format_name` is unknown, or `pick` or `sidecars` are given for a dataset file.
    """
    at_path = to_path(path)
    with as_input_errors(at_path):
        if sidecars is None and pick == GlobFilter():
            format_name = format_name or detect_format(path)
        named = _named(format_name)
        if named is not None and named.has_pictures:
            return _opened(named, at_path, picture_key, skip_bad_rows)
        name, below = found_at(path)
        if named is not None:
            return _opened(named, at_path, picture_key, skip_bad_rows)
        if below:
            pick = GlobFilter((*pick.include, *below), pick.exclude)
        ending = ending_of(at_path)
        if ending in PICTURE_ENDINGS or is_folder_at(to_path(name)):
            pictures = FolderReader(name, PictureFolder(picture_key, pick, sidecars, skip_bad_rows))
            if below and not pictures.fits_any():
                raise InputError(f"{path_text(at_path)}: no picture fits this; check the spelling")
            return pictures
        if sidecars is not None or pick != GlobFilter():
            raise UsageError(
                f"{path_text(at_path)}: only a folder has pictures to choose and sidecars"
            )
        chosen = by_ending(ending)
        if chosen is None:
            raise _unknown(path_text(at_path), ending)
        return _opened(chosen, at_path, picture_key, skip_bad_rows)


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
        rows_per_file: Write several files of so many rows each; None for one file.
        question: What was asked about each picture, for formats that tell it (LLaVA).
        picture_key: The column with the picture, for formats that name it (COCO, LLaVA).

    Raises:
        UsageError: `choice` keeps a column that the dataset or its first rows lack, or leaves out
            one that the format needs, or the ending is none of the known ones.
        InputError: the dataset's first rows cannot be read.
    """
    ending = ending_of(output)
    chosen = FORMATS[format_name] if format_name in FORMATS else by_ending(ending)
    if chosen is None:
        raise UsageError(
            f"{path_text(output)}: the ending {ending!r} is no format that can be written; known "
            f"are {known_endings()}"
        )
    source = WriterContext(reader, columns, choice, question, picture_key)
    if chosen.needs and not choice.is_all:
        _check_needed(format_name or ending, _imported(chosen.needs)(source), choice)
    if chosen.folder_writer and is_folder(output, format_name):
        return _folder_opener(chosen.folder_writer, to_path(output), source, rows_per_file)
    if chosen.writer is None:
        raise UsageError(
            f"{path_text(output)}: {format_name} is no format of one file; name another"
        )

    def open_one(path: Path) -> Writer:
        return _open_file(chosen, path, output, source)

    def open_parts(path: Path) -> Writer:
        return SplitWriter(path, open_one, rows_per_file or 1)

    return open_parts if rows_per_file else open_one


def _open_file(chosen: Format, path: Path, output: str | AnyPath, source: WriterContext) -> Writer:
    file = AtomicFile(path, compression_of(output))
    try:
        writer: Writer = _imported(chosen.writer or "")(file, source)
    except BaseException:
        file.discard()
        raise
    choice = source.choice
    return writer if choice.is_all or chosen.needs else FieldFilterWriter(writer, choice)


def is_known(name: str) -> bool:
    """Whether a file called `name` has the ending of a format that is read and written."""
    return by_ending(ending_of(name)) is not None


def known_endings() -> str:
    """The endings of all formats, for people."""
    endings = " ".join(ending for known in FORMATS.values() for ending in known.endings)
    return f"{endings} (text also with {' '.join(COMPRESSIONS)})"


def output_format(source: str, output: str | AnyPath) -> str | None:
    """The name of the format that `source` keeps in `output`, whose ending alone does not tell it.

    Raises:
        InputError: `source` is a folder that cannot be listed.
    """
    kind = detect_format(source)
    return kind if kind is not None and ending_of(output) in FORMATS[kind].stays_at else None


def is_folder(output: str | AnyPath, format_name: str | None) -> bool:
    """Whether `output` will be a folder: it has no ending, and the format writes such."""
    known = FORMATS.get(format_name or "")
    if known is None or known.folder_writer is None:
        return False
    return known.writer is None or not ending_of(output)


def _folder_opener(
    where: str, output: AnyPath, source: WriterContext, rows_per_file: int | None
) -> Callable[[Path], Writer]:
    if rows_per_file:
        raise UsageError(
            f"{path_text(output)}: a folder has files of its own; leave --rows-per-file"
        )

    def open_folder(path: Path) -> Writer:
        writer: Writer = _imported(where)(path, output, source)
        return writer if source.choice.is_all else FieldFilterWriter(writer, source.choice)

    return open_folder


def _named(name: str | None) -> Format | None:
    if name is not None and name not in FORMATS:
        raise UsageError(f"unknown format {name!r}; known: {', '.join(FORMATS)}")
    return None if name is None else FORMATS[name]


_PICKLE_CURE = "; a pickle runs the code inside it, so it is read only as format 'pickle' by name"


def _unknown(name: str, ending: str) -> InputError:
    return InputError(
        f"{path_text(name)}: the ending {ending!r} is no known format; known are "
        f"{known_endings()}, a folder of pictures, and single pictures "
        f"({' '.join(sorted(PICTURE_ENDINGS))})"
        + (_PICKLE_CURE if ending in {".pkl", ".pickle"} else "")
    )


def _check_needed(name: str, columns: Sequence[str], choice: FieldFilter) -> None:
    for column in columns:
        if not choice.takes(column):
            cure = f"leave out --drop {column}" if column in choice.drop else f"add --keep {column}"
            raise UsageError(f"the format {name} needs the column {column!r}; {cure}")


def by_ending(ending: str) -> Format | None:
    """The format that `ending`, as `ending_of` tells it, means; None where it means none."""
    compression = compression_of("x" + ending)
    plain = ending.removesuffix(compression)
    fits = (
        known
        for known in FORMATS.values()
        if ending in known.endings or (known.is_text and plain in known.endings)
    )
    return next(fits, None)


def _opened(known: Format, path: AnyPath, picture_key: str, skip_bad_rows: bool) -> Reader:
    pictures = {"picture_key": picture_key} if known.has_pictures else {}
    reader: Reader = _imported(known.reader)(path, skip_bad_rows=skip_bad_rows, **pictures)
    return reader


def _imported(where: str) -> Any:
    module, _, name = where.partition(":")
    return getattr(importlib.import_module(module), name)
