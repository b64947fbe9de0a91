"""Which module of this folder reads and writes which format; each is imported on first use."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

from dataflow.core.errors import UsageError
from dataflow.core.text import path_text
from dataflow.formats.base.arrow_package import need_pyarrow
from dataflow.formats.base.compression import COMPRESSIONS, compression_of, ending_of
from dataflow.formats.patterns.endings import COCO_ENDINGS
from dataflow.remote.path import AnyPath


@dataclass(frozen=True, slots=True)
class Format:
    """One dataset format.

    Attributes:
        endings: The file endings that mean it, in lower case; none: only by name.
        description: For people.
        reader: ``"module:class"`` of the reader, called with the file's path and those options
            of `registry.ReadOptions` that `options` names.
        writer: ``"module:class"`` of the writer, called with an `AtomicFile` and a
            `WriterContext`; None where only a folder is written.
        is_text: Whether its files may also be compressed (`compression.COMPRESSIONS`).
        options: The options that its reader takes.
        has_pictures: Whether the reader makes the picture column, under the name it is given.
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
    options: tuple[str, ...] = ("skip_bad_rows",)
    has_pictures: bool = False
    folder_writer: str | None = None
    needs: str | None = None
    stays_at: tuple[str, ...] = ()


_HERE = "dataflow.formats"
_OF_PICTURES = ("skip_bad_rows", "picture_key")
_OF_TABLES = ("skip_bad_rows", "columns", "delimiter")

FORMATS = {
    "json": Format(
        endings=(".json",),
        description="one array of objects",
        reader=f"{_HERE}.text.json_file:JsonReader",
        writer=f"{_HERE}.text.json_file:JsonWriter",
        options=_OF_PICTURES,
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
        options=_OF_TABLES,
        is_text=True,
    ),
    "tsv": Format(
        endings=(".tsv",),
        description="tab-separated, with a header line",
        reader=f"{_HERE}.text.csv_file:TsvReader",
        writer=f"{_HERE}.text.csv_file:TsvWriter",
        options=_OF_TABLES,
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
        options=(*_OF_PICTURES, "wds_key"),
        folder_writer=f"{_HERE}.webdataset.shard_folder:ShardsWriter",
        stays_at=("",),
    ),
    "coco": Format(
        endings=(),
        description="COCO captions: images and annotations",
        reader=f"{_HERE}.coco.coco:CocoReader",
        writer=f"{_HERE}.coco.coco:CocoWriter",
        has_pictures=True,
        options=_OF_PICTURES,
        needs=f"{_HERE}.coco.coco:needed",
        stays_at=COCO_ENDINGS,
    ),
    "llava": Format(
        endings=(),
        description="LLaVA's conversations of human and gpt",
        reader=f"{_HERE}.text.json_file:JsonReader",
        writer=f"{_HERE}.text.llava_file:LlavaWriter",
        options=_OF_PICTURES,
        needs=f"{_HERE}.text.llava_file:needed",
        stays_at=COCO_ENDINGS,
    ),
    "files": Format(
        endings=(),
        description="several files of one of the formats above, by a pattern or in a folder",
        reader=f"{_HERE}.open_files:open_files",
        has_pictures=True,
        options=(*_OF_PICTURES, "columns", "delimiter"),
    ),
    "parquets": Format(
        endings=(),
        description="several Parquet files, by a pattern or in a folder, also img2dataset's",
        reader=f"{_HERE}.arrow.img2dataset:ParquetFolderReader",
        has_pictures=True,
        options=_OF_PICTURES,
    ),
    "saved": Format(
        endings=(),
        description="a folder saved by Hugging Face's datasets (save_to_disk)",
        reader=f"{_HERE}.arrow.hf_saved:SavedReader",
        folder_writer=f"{_HERE}.arrow.hf_saved:SavedWriter",
        has_pictures=True,
        options=_OF_PICTURES,
        stays_at=("",),
    ),
    "hf": Format(
        endings=(),
        description="a dataset of the Hugging Face hub, as a stream",
        reader=f"{_HERE}.hub.hf_dataset:HuggingFaceReader",
        has_pictures=True,
        options=_OF_PICTURES,
    ),
    "ms": Format(
        endings=(),
        description="a dataset of ModelScope",
        reader=f"{_HERE}.hub.modelscope_dataset:ModelScopeReader",
        has_pictures=True,
        options=_OF_PICTURES,
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

OFFERED = tuple(name for name, known in FORMATS.items() if known.writer is not None)
"""The names of the formats that are written as one file."""


def usual_ending(name: str) -> str:
    """The ending of an output in the format called `name` that was given no name of its own.

    Raises:
        UsageError: no file is written in such a format.
    """
    _check_offered(name)
    known = FORMATS[name]
    return (known.endings or known.stays_at)[0]


def check_named(name: str, output: str | AnyPath) -> None:
    """Refuse a format by name that contradicts the output's ending.

    Raises:
        UsageError: the ending belongs to another format, or no file is written in such a format.
    """
    _check_offered(name)
    ending, known = ending_of(output), FORMATS[name]
    other = by_ending(ending)
    if other is None or other is known or ending in known.stays_at:
        return
    raise UsageError(
        f"{path_text(output)}: {ending} is not the ending of --output-format {name}; name the "
        f"output {usual_ending(name)}, or leave out --output-format"
    )


def _check_offered(name: str) -> None:
    if name not in OFFERED:
        raise UsageError(f"unknown --output-format {name}; one of {', '.join(OFFERED)}")


def is_known(name: str) -> bool:
    """Whether a file called `name` has the ending of a format that is read and written."""
    return by_ending(ending_of(name)) is not None


def known_endings() -> str:
    """The endings of all formats, for people."""
    endings = " ".join(ending for known in FORMATS.values() for ending in known.endings)
    return f"{endings} (text also with {' '.join(COMPRESSIONS)})"


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


def imported(where: str) -> Any:
    """The class or function at ``"module:name"``, imported now.

    Raises:
        MissingPackageError: it needs a package that is not installed.
    """
    module, _, name = where.partition(":")
    if module.startswith(f"{_HERE}.arrow."):
        need_pyarrow("Parquet and Arrow files")
    return getattr(importlib.import_module(module), name)
