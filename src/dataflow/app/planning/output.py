"""Where the rows come from and where their captions go, as the arguments ask for it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from dataflow.app.options.commands.caption import CaptionOptions
from dataflow.app.planning.source import (
    Source,
    affixes_of,
    input_of,
    read_options,
    sidecar_files,
)
from dataflow.app.reporter import Reporter
from dataflow.core.byte_size import bytes_of
from dataflow.core.column_types import Columns, ListType
from dataflow.core.errors import UsageError
from dataflow.core.protocols.dataset import FIRST_ROWS, Reader, Writer
from dataflow.core.side_files import ERRORS_ENDING, FOLDER_ENDING
from dataflow.core.text import shown_url
from dataflow.engine.columns import Column
from dataflow.engine.paths import SideFiles, escaped_name, resolved_path
from dataflow.formats.base.affixes import NO_AFFIXES, AffixWriter, TeeWriter
from dataflow.formats.base.compression import ending_of
from dataflow.formats.base.json_values import cell
from dataflow.formats.base.reading import as_input_errors
from dataflow.formats.base.split_output import part_name, parts_of
from dataflow.formats.columns.column_probe import not_there
from dataflow.formats.columns.field_filter import FieldFilter
from dataflow.formats.columns.writer_context import WriterContext
from dataflow.formats.detect import is_among
from dataflow.formats.folder.sidecar import FIELD, SidecarFiles, sidecar_ending
from dataflow.formats.folder.sidecar_writer import SidecarWriter
from dataflow.formats.known_formats import check_named, usual_ending
from dataflow.formats.output_spec import OutputSpec, is_folder, kept_format
from dataflow.formats.patterns.endings import is_shard
from dataflow.formats.patterns.glob_filter import split_pattern
from dataflow.formats.registry import InputSpec, open_reader
from dataflow.remote.path import AnyPath, RemotePath, is_remote, is_url, to_path
from dataflow.serving.base.conversation import DEFAULT_QUESTION

WRITABLE = ("s3", "gs")
"""The schemes of URLs at which an output may be."""

_KEPT = ("webdataset", "parquets", "files", "saved", "coco", "pickle")
"""Formats whose output has the same, unless another is named."""

BESIDE = (ERRORS_ENDING, FOLDER_ENDING)
"""Endings of what lies beside an output and is its own."""


def target_of(choices: CaptionOptions, spec: InputSpec) -> Path:
    """The output, beside which the journal lies.

    Args:
        choices: The options.
        spec: The dataset.

    Raises:
        UsageError: the arguments contradict each other, or something stands in the way.
    """
    _check_sidecars(choices)
    if choices.sidecar is not None and choices.output is None:
        return _target_of_sidecars(choices)
    if choices.output is not None and is_remote(choices.output):
        return _stand_in(choices, spec, RemotePath(choices.output))
    if choices.output is not None and is_url(choices.output):
        raise UsageError(
            f"{shown_url(choices.output)}: of URLs, only s3://BUCKET/… and gs://BUCKET/… can be "
            "written; choose another output"
        )
    target = resolved_path(
        _default_target(choices, spec) if choices.output is None else Path(choices.output)
    )
    _check(choices, spec, target)
    return target


def _check_sidecars(choices: CaptionOptions) -> None:
    """Refuse what contradicts ``--sidecar``, or is about it while it is not given."""
    if choices.sidecar is None:
        alone = {
            "--existing": choices.existing,
            "--sidecar-root": choices.sidecar_root,
            "--newlines": choices.newlines != "space",
        }
        for flag, given in alone.items():
            if given:
                raise UsageError(f"{flag} is about sidecars; give --sidecar too")
        return
    if is_remote(choices.source):
        raise UsageError("--sidecar writes beside pictures of this machine; give -o instead")
    if choices.output is None:
        of_datasets = choices.rows_per_file, choices.keep, choices.drop, choices.output_format
        columns = choices.meta or choices.provenance
        if any(of_datasets) or columns or choices.push_to_hub:
            raise UsageError(
                "--sidecar alone writes no dataset: give -o, too, or leave out --rows-per-file, "
                "--keep, --drop, --meta, --provenance, --output-format and --push-to-hub"
            )
    elif not is_url(choices.output) and not (ending_of(choices.output) or choices.output_format):
        raise UsageError(
            f"-o {choices.output} names a dataset, whose ending decides the format; to write the "
            f"sidecars into another folder, give --sidecar-root {choices.output}"
        )


def _target_of_sidecars(choices: CaptionOptions) -> Path:
    """What the journal of a run that writes sidecars is named after."""
    if choices.sidecar_root is not None:
        root = Path(choices.sidecar_root)
        return root.with_name(f"{root.resolve().name}.sidecars")
    beside = _beside_source(choices.source, ".sidecars")
    folder = Path(choices.source)
    if folder.is_dir() and not os.access(beside.parent, os.W_OK):
        return folder / ".captions.sidecars"  # no folder above the pictures can be written
    return beside


def _stand_in(choices: CaptionOptions, spec: InputSpec, place: RemotePath) -> Path:
    """Beside what path of this machine the journal of an output at a URL lies."""
    if choices.journal is not None and is_url(choices.journal):
        raise UsageError("--journal takes a folder of this machine")
    target = escaped_name(place, None if choices.journal is None else Path(choices.journal))
    if place.scheme not in WRITABLE:
        raise UsageError(f"{place}: only s3:// and gs:// can be written; choose another output")
    if choices.push_to_hub is not None:
        raise UsageError("--push-to-hub takes an output of this machine; choose another -o")
    if to_path(choices.source) == place:
        raise UsageError(f"{place} is the input itself; choose another output")
    with as_input_errors(place):
        _check_apart(choices, spec, place)
    is_ours = SideFiles(target).journal.exists()
    if not is_ours and not choices.restart:
        with as_input_errors(place):
            there = parts_of(place) if is_split(choices) else [place][: place.exists()]
        _refuse(there)
    return resolved_path(target)


def place_of_output(choices: CaptionOptions, target: Path) -> AnyPath:
    """Where the finished output goes: `target`, or the URL for which it stands."""
    is_url = choices.output is not None and is_remote(choices.output)
    return RemotePath(choices.output or "") if is_url else target


def _default_target(choices: CaptionOptions, spec: InputSpec) -> Path:
    name = _format_named(choices)
    ending = None if name is None else f".captions{usual_ending(name)}"
    if spec.format_name in {"hf", "ms"}:
        stem = choices.source.split(":")[1].rpartition("/")[2]
        return Path(stem + (ending or ".captions.parquet"))
    return _beside_source(choices.source, ending or _default_ending(spec))


def _beside_source(source: str, ending: str) -> Path:
    if is_remote(source):
        return Path(f"{RemotePath(source).stem}{ending}")
    given = Path(source if Path(source).exists() else split_pattern(source)[0])
    whole = given.resolve()
    stem = whole.name if whole.is_dir() else whole.stem
    folder = given.parent if given.name not in ("", ".", "..") else whole.parent
    return folder / f"{stem}{ending}"


def _default_ending(spec: InputSpec) -> str:
    """Pictures that stand in the data stay in a format that holds them."""
    kind = spec.format_name
    if kind not in _KEPT:
        return ".captions.jsonl"
    if spec.more or not spec.path.exists():
        raise UsageError(f"{spec.name} stands for several files; name the output with -o")
    if kind == "files":
        return ".captions.jsonl"
    # a folder has no ending
    if spec.path.is_file():
        return f".captions{ending_of(spec.path)}"
    return ".captions.parquet" if kind == "parquets" else "-captions"


def format_of(choices: CaptionOptions, spec: InputSpec, target: AnyPath) -> str | None:
    """The output's format by name, where its ending does not tell.

    Raises:
        UsageError: there is no such format, or the ending is that of another.
    """
    if choices.output_format is None:
        return kept_format(spec, target)
    name = _format_named(choices) or ""
    check_named(name, target)
    return name


def _format_named(choices: CaptionOptions) -> str | None:
    """The output format by its full name."""
    return "webdataset" if choices.output_format == "wds" else choices.output_format


def is_split(choices: CaptionOptions) -> bool:
    """Whether the output is several files."""
    return choices.rows_per_file is not None or choices.shard_size is not None


def _check(choices: CaptionOptions, spec: InputSpec, target: Path) -> None:
    if target.exists() and not (target.is_file() or target.is_dir()):
        raise UsageError(f"{target} is no regular file; choose another output")
    if choices.push_to_hub is not None and ending_of(target) != ".parquet":
        raise UsageError("--push-to-hub takes a .parquet output; give one with -o")
    if target.is_dir() and not is_folder(target, format_of(choices, spec, target)):
        raise UsageError(f"{target} is a folder; give a file name with -o")
    source = Path(choices.source)
    if target.exists() and source.exists() and target.samefile(source):
        raise UsageError(f"{target} is the input itself; choose another output")
    _check_apart(choices, spec, target)
    beside = (target.with_name(target.name + ending) for ending in BESIDE)
    if source.exists() and any(file.exists() and file.samefile(source) for file in beside):
        raise UsageError(f"{source} belongs to the output {target}; choose another output")
    there = parts_of(target) if is_split(choices) else [target][: target.exists()]
    is_ours = SideFiles(target).journal.exists()
    if not is_ours and not choices.restart:
        _refuse(there)


def _check_apart(choices: CaptionOptions, spec: InputSpec, target: AnyPath) -> None:
    """Neither what is written nor the former parts, which will go, may be what is read."""
    source, kind = spec.path, spec.format_name
    files = [target]
    if is_split(choices):
        files = [part_name(target, 0, 1), *parts_of(target)]
    for file in files:
        is_one = kind in {"files", "parquets"} or (kind == "webdataset" and is_shard(file.name))
        if _is_same(file, source) or (is_one and is_among(file, choices.source)):
            raise UsageError(f"{file} would be one of the files of {source}; choose another output")


def _is_same(file: AnyPath, source: AnyPath) -> bool:
    if isinstance(file, Path) and isinstance(source, Path):
        return file.exists() and source.exists() and file.samefile(source)
    return file == source


def _refuse(there: Sequence[AnyPath]) -> None:
    if there:
        raise UsageError(
            f"{there[0]} exists and no former run made it; choose another output with -o, or "
            "overwrite it with --restart"
        )


def writer_of(
    choices: CaptionOptions,
    target: AnyPath,
    source: Source,
    added: Columns,
    reporter: Reporter,
) -> Callable[[Path], Writer]:
    """What opens the writer of rows to which the columns `added` are added.

    Raises:
        UsageError: the output's ending is no known format, or a field to keep is not there.
    """
    sidecars = source.sidecars
    if sidecars is not None and choices.output is None:
        return lambda _: _sidecar_writer(choices, source, sidecars)
    format_name = format_of(choices, source.spec, target) if source.spec else None
    if format_name == "llava" and (choices.prompt_file or choices.prompt_template or choices.n > 1):
        raise UsageError(
            "LLaVA's format holds one question for all and its answer: leave out --prompt-file, "
            "--prompt-template and --n, or write another format"
        )
    choice, reader = _choice(choices), source.reader
    if nowhere := not_there(reader, choice):
        reporter.say(
            f"--drop {nowhere[0]}: none of the first {FIRST_ROWS:,} rows has this column",
            is_warning=True,
        )
    if sidecars is not None:  # what stood in the sidecar is no column of the dataset
        choice = FieldFilter(choice.keep, choice.drop | {sidecars.field})
    folders, size = _pictures_in(choices, reader.folder())
    spec = OutputSpec(target, format_name, choices.rows_per_file, size)
    context = WriterContext(
        reader,
        added,
        choice,
        choices.prompt or DEFAULT_QUESTION,
        source.columns.picture,
        asks_own=not (choices.prompt or choices.prompt_template or choices.preset),
        csv_safe=choices.csv_safe,
        picture_folders=folders,
    )
    open_dataset = spec.open_writer(context)
    affixes, columns = affixes_of(choices), _captions_in(added)

    def open_all(path: Path) -> Writer:
        writer = open_dataset(path)
        if affixes:
            writer = AffixWriter(writer, affixes, columns)
        if sidecars is not None:
            writer = TeeWriter(writer, _sidecar_writer(choices, source, sidecars))
        return writer

    return open_all if affixes or sidecars is not None else open_dataset


def _sidecar_writer(choices: CaptionOptions, source: Source, sidecars: SidecarFiles) -> Writer:
    return SidecarWriter(sidecars, source.columns.picture, choices.output_key)


def _captions_in(added: Columns) -> tuple[str, ...]:
    """The added columns that hold texts."""
    if not isinstance(added, Mapping):
        return tuple(added)
    return tuple(
        name
        for name, kind in added.items()
        if kind is None or (isinstance(kind, ListType) and kind.items is None)
    )


def _pictures_in(choices: CaptionOptions, folder: str) -> tuple[tuple[str, ...] | None, int | None]:
    """Where pictures that go into shards are looked up, and the bytes of a shard; None for none."""
    if not choices.with_pictures:
        if choices.shard_size is not None:
            raise UsageError("--shard-size is about shards with pictures; give --with-pictures")
        return None, None
    if _format_named(choices) != "webdataset":
        raise UsageError("--with-pictures makes WebDataset shards; give --output-format webdataset")
    size = None if choices.shard_size is None else bytes_of(choices.shard_size, "--shard-size")
    return (folder, os.curdir), size


def _choice(choices: CaptionOptions) -> FieldFilter:
    both = sorted({*(choices.keep or ())} & {*(choices.drop or ())})
    if both:
        raise UsageError(f"--keep {both[0]} and --drop {both[0]} contradict; leave out one of them")
    keep = None if choices.keep is None else frozenset(choices.keep)
    return FieldFilter(keep, frozenset(choices.drop or ()))


def may_replace(choices: CaptionOptions, columns: Sequence[Column]) -> bool:
    """Whether the rows may have columns of the new ones' names."""
    is_dropped = all(name in (choices.drop or ()) for column in columns for name in column.holds)
    return choices.overwrite_column or choices.sidecar is not None or is_dropped


def files_of(choices: CaptionOptions, target: AnyPath) -> list[Any]:
    """The files of the finished output."""
    return parts_of(target) if is_split(choices) else [target]


def readers_of(choices: CaptionOptions, target: AnyPath) -> list[Reader]:
    """What reads the finished output; with sidecars, the pictures with the captions beside them."""
    if choices.sidecar is not None:
        readable = replace(sidecar_files(choices, "overwrite"), affixes=NO_AFFIXES)
        return [input_of(choices).open(read_options(choices, readable))]
    key = choices.image_key
    return [open_reader(file, picture_key=key) for file in files_of(choices, target)]


def captions_of(
    choices: CaptionOptions, target: AnyPath, columns: Sequence[Column]
) -> Iterator[tuple[str, str, str | None]]:
    """Each picture or row of the finished output, a column, and a caption in it."""
    names = {name: column.n for column in columns for name in column.holds}
    if choices.sidecar is not None:
        names = {FIELD: 1}
    for reader in readers_of(choices, target):
        for row in reader.rows():
            found = row.fields.get(choices.image_key)
            picture = found if isinstance(found, str) else row.source
            for name, n in names.items():
                value = row.fields.get(name)
                for one in value if isinstance(value, list) and n > 1 else [value]:
                    yield picture, name, None if one is None else cell(one)


def described(choices: CaptionOptions, target: AnyPath) -> str:
    """Where the captions are, for people."""
    if choices.shard is not None:
        return f"none yet: dataflow merge {target} makes it of all shards"
    if choices.sidecar is not None:
        where = f"in {choices.sidecar_root}" if choices.sidecar_root else "beside the pictures"
        beside = f"*{sidecar_ending(choices.sidecar)} {where}"
        return beside if choices.output is None else f"{target}, and {beside}"
    files = parts_of(target) if is_split(choices) else []
    return f"{files[0]} … {files[-1].name}" if len(files) > 1 else str((files or [target])[0])
