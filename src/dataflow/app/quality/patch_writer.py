"""Where a dataset with some new captions goes, and what writes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from dataflow.app.options.commands.check import CheckOptions
from dataflow.app.planning.source import affixes_of
from dataflow.app.planning.written_rows import fixed_place
from dataflow.core.column_types import ListType, Struct
from dataflow.core.errors import UsageError
from dataflow.core.protocols.dataset import Reader, Writer
from dataflow.engine.meta import META_SHAPE
from dataflow.engine.provenance import PROVENANCE_SHAPE
from dataflow.formats.base.compression import compression_of, ending_of
from dataflow.formats.base.writing import AtomicFile
from dataflow.formats.caption_patch import (
    CAPTION_KEY,
    CaptionPatchWriter,
)
from dataflow.formats.coco.annotations import CocoCaptions, CocoCaptionsWriter
from dataflow.formats.detect import detect_format
from dataflow.formats.existing_captions import CaptionedDataset
from dataflow.formats.folder.pictures import FolderReader
from dataflow.formats.folder.sidecar_writer import SidecarWriter
from dataflow.formats.output_spec import output_format, writer_for
from dataflow.formats.registry import open_reader
from dataflow.remote.path import is_remote


def target_of(choices: CheckOptions, data: CaptionedDataset) -> Path:
    """Where the dataset with its new captions goes, beside which the run's journal lies.

    Of sidecars nothing goes there; they are written where they are.

    Raises:
        UsageError: it has another format, or cannot be told.
    """
    if is_remote(choices.output) or is_remote(choices.fixed or ""):
        raise UsageError("--fix takes and writes datasets of this machine; fetch this one first")
    source, kind = Path(choices.output), detect_format(choices.output)
    if data.sidecar is not None:
        if choices.fixed is not None:
            raise UsageError("the files beside the pictures are fixed where they are: leave -o")
        return fixed_place(source)
    if kind == "files" or (kind not in {"hf", "ms"} and not source.exists()):
        raise UsageError(f"{source} stands for several files; fix them one by one")
    ending = {"parquets": ".parquet", "hf": ".parquet", "ms": ".parquet"}.get(kind or "")
    if ending is None:
        ending = "" if source.is_dir() else ending_of(source)
    if choices.fixed is not None:
        if ending_of(choices.fixed) != ending:
            raise UsageError(f"-o {choices.fixed}: the fixed dataset stays {ending or 'a folder'}")
        return Path(choices.fixed)
    if kind in {"hf", "ms"}:
        source = Path(choices.output.split(":")[1].rpartition("/")[2])
    stem = source.resolve().name.removesuffix("" if source.is_dir() else ending)
    return source.with_name(f"{stem}.fixed{ending}" if ending else f"{stem}-fixed")


def whole_dataset(choices: CheckOptions, data: CaptionedDataset) -> Reader:
    """The dataset once more, with all its columns; a row that cannot be read is an error."""
    if isinstance(data.reader, CocoCaptions):
        path = Path(choices.output)
        return CocoCaptions(path, picture_key=choices.image_key, has_files=True)
    sidecars = data.reader.sidecars if isinstance(data.reader, FolderReader) else None
    return open_reader(choices.output, picture_key=choices.image_key, sidecars=sidecars)


def patch_writer(
    choices: CheckOptions,
    data: CaptionedDataset,
    target: Path,
    extras: Mapping[str, bool] = MappingProxyType({"_meta": False, "_provenance": False}),
) -> Callable[[Path], Writer]:
    """What opens the writer of the dataset with its new captions, their affixes around them.

    Args:
        choices: The arguments.
        data: The dataset.
        target: Where it goes.
        extras: Whether the columns beside a caption are written, too, by their ending.

    Raises:
        UsageError: a column holds what the format cannot be given anew.
    """
    open_inner: Callable[[Path], Writer]
    if isinstance(data.reader, CocoCaptions):
        coco, packed = data.reader, compression_of(target)
        open_inner = lambda path: CocoCaptionsWriter(AtomicFile(path, packed), coco)  # noqa: E731
    elif isinstance(data.reader, FolderReader) and data.reader.sidecars is not None:
        beside = SidecarWriter(data.reader.sidecars, choices.image_key, data.columns[0])
        open_inner = lambda _: beside  # noqa: E731 (nothing is opened)
    else:
        open_inner = writer_for(
            target,
            data.reader,
            _shapes(data, target, extras),
            format_name=output_format(choices.output, target),
        )

    def open_writer(path: Path) -> Writer:
        writer = open_inner(path)
        return CaptionPatchWriter(
            writer,
            data,
            key=CAPTION_KEY,
            writes_all=data.sidecar is None,
            affixes=affixes_of(choices),
        )

    return open_writer


def _shapes(
    data: CaptionedDataset, target: Path, beside: Mapping[str, bool]
) -> dict[str, Struct | ListType | None]:
    """The columns that get new captions, with their shapes.

    Raises:
        UsageError: one holds what Arrow's formats cannot be given anew.
    """
    found: dict[str, Struct | ListType | None] = {}
    for column in data.columns:
        value = data.first_value(column)
        if ending_of(target) in _TYPED and isinstance(value, (list, dict)) and not _is_texts(value):
            raise UsageError(
                f"{target}: column {column!r} holds objects, and only texts and lists of texts can "
                "be fixed in this format; write the dataset as .jsonl first"
            )
        is_list = isinstance(value, list)
        found[column] = ListType() if is_list else None
        for ending, shape in _SHAPES.items():
            if beside[ending]:
                found[f"{column}{ending}"] = ListType(shape) if is_list else shape
    return found


_SHAPES: Mapping[str, Struct] = {"_meta": META_SHAPE, "_provenance": PROVENANCE_SHAPE}
"""What stands beside a caption, by the ending of its column's name."""

_TYPED = {".parquet", ".arrow", ".ipc", ".arrows", ".feather", ""}


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(item is None or isinstance(item, str) for item in value)
