"""A dataset that somebody named → what it is, looked at once, and what reads it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

from dataflow.core.errors import InputError, UsageError
from dataflow.core.protocols.dataset import Reader
from dataflow.core.text import path_text
from dataflow.formats.base.compression import ending_of
from dataflow.formats.base.reading import as_input_errors
from dataflow.formats.detect import detect_format, found_at, is_folder_at
from dataflow.formats.folder.pictures import FolderReader, PictureFolder
from dataflow.formats.folder.sidecar import SidecarFiles
from dataflow.formats.known_formats import FORMATS, Format, by_ending, imported, known_endings
from dataflow.formats.patterns.endings import PICTURE_ENDINGS
from dataflow.formats.patterns.glob_filter import GlobFilter
from dataflow.remote.path import AnyPath, to_path

_ALL = GlobFilter()
_PICKLE_CURE = "a pickle runs the code inside it, so it is read only as format 'pickle' by name; "
_SHEET_CURE = (
    "save the sheet as CSV, or in Python caption pandas.read_excel(…), whose rows are a dataset, "
    "too; "
)
_DATABASE_CURE = "export the table as CSV, JSON Lines or Parquet; "
_CURES = {
    **dict.fromkeys((".pkl", ".pickle"), _PICKLE_CURE),
    **dict.fromkeys((".xlsx", ".xls", ".xlsm", ".xlsb", ".ods", ".numbers"), _SHEET_CURE),
    **dict.fromkeys((".db", ".sqlite", ".sqlite3", ".duckdb", ".lance", ".h5"), _DATABASE_CURE),
}
"""Ending → what to do with a file of a kind that is not read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOptions:
    """How a dataset is read; each format takes those that are about it.

    Attributes:
        picture_key: The column that holds the pictures' paths, for what has no columns of its own.
        skip_bad_rows: Leave out each row that cannot be read, where the next one is found again
            (a line of JSON Lines or CSV, an element of a JSON array), and note it in the reader's
            `skipped`; otherwise it is an error.
        pick: Which pictures of a folder are taken.
        sidecars: Those of a folder's pictures, where their captions matter.
        takes_all: Of a folder, take masks, thumbnails, recycle bins and hidden files, too.
        wds_key: Where the key of a WebDataset's sample ends: at the ``first-dot`` of the file's
            name, as its specification says, or at the ``last-dot``; None for the first, and an
            error where that throws pictures together.
        columns: Of CSV and TSV without a header line, the names of the columns.
        delimiter: Of CSV and TSV, what stands between two values; None to look.
    """

    picture_key: str = "image"
    skip_bad_rows: bool = False
    pick: GlobFilter = _ALL
    sidecars: SidecarFiles | None = None
    takes_all: bool = False
    wds_key: str | None = None
    columns: tuple[str, ...] = ()
    delimiter: str | None = None

    @property
    def are_about_pictures(self) -> bool:
        """Whether they only make sense for a folder of pictures."""
        return self.sidecars is not None or self.pick != _ALL or self.takes_all


@dataclass(frozen=True, slots=True)
class InputSpec:
    """A dataset, looked at once: nothing about it has to be asked of the disk or the store again.

    Attributes:
        name: As the user named it.
        path: Where it is.
        format_name: The name of its format in `FORMATS`; None for pictures.
        root: The folder or file that is there; of a pattern, the folder at which it begins.
        pattern: The pattern of pictures below `root`; empty for none.
        more: The further inputs of the same kind, in order.
    """

    name: str
    path: AnyPath
    format_name: str | None
    root: str
    pattern: tuple[str, ...] = ()
    more: tuple[InputSpec, ...] = ()

    @property
    def is_pictures(self) -> bool:
        """Whether it is a folder of pictures, or single ones."""
        return self.format_name is None

    def open(self, options: ReadOptions = ReadOptions()) -> Reader:
        """What reads it.

        Args:
            options: How.

        Raises:
            InputError: the dataset cannot be read.
            UsageError: no picture fits, or an option is about another kind of dataset.
        """
        with as_input_errors(self.path):
            if self.format_name is None:
                return self._pictures(options)
            if options.are_about_pictures:
                raise UsageError(
                    f"{path_text(self.path)}: only a folder has pictures to choose and sidecars"
                )
            if not self.more:
                return _opened(FORMATS[self.format_name], self.path, options)
            paths = [self.path, *(spec.path for spec in self.more)]
            open_listed = imported("dataflow.formats.open_files:open_listed")
            reader: Reader = open_listed(paths, path_text(self.path), options)
            return reader

    def _pictures(self, options: ReadOptions) -> Reader:
        _check_taken("a folder of pictures", (), options)
        inputs = (self, *self.more)
        pick = options.pick
        if patterns := [below for spec in inputs for below in spec.pattern]:
            if len(inputs) > 1:
                raise UsageError(
                    "several inputs cannot hold a quoted pattern; give the pattern alone, or leave "
                    "the quotes out"
                )
            pick = GlobFilter((*pick.include, *patterns), pick.exclude)
        settings = PictureFolder(
            options.picture_key, pick, options.sidecars, options.skip_bad_rows, options.takes_all
        )
        reader = FolderReader([spec.root for spec in inputs], settings)
        if not reader.fits_any():
            raise _no_picture(self, reader, is_filtered=pick != _ALL)
        return reader


def resolve_input(
    name: str | AnyPath,
    *,
    format_name: str | None = None,
    of_pictures: bool = False,
    is_table: bool = False,
) -> InputSpec:
    """Look at what is called `name`.

    Args:
        name: Where it is, here or at a URL: a dataset file, a folder of pictures, one picture, a
            pattern of the pictures of a folder, or of several dataset files of one format.
        format_name: A name in `FORMATS`, where the ending does not tell the format; the only way
            to read a pickle.
        of_pictures: Whether it must be a folder of pictures, whatever else lies in it.
        is_table: Whether a file of an unknown ending is a text with columns, such as Flickr8k's
            ``.token.txt``.

    Raises:
        InputError: there is nothing, or its ending is none of the known ones.
        UsageError: `format_name` is unknown.
    """
    path = to_path(name)
    text = name if isinstance(name, str) else os.fspath(name)
    with as_input_errors(path):
        if format_name is not None and format_name not in FORMATS:
            raise UsageError(f"unknown format {format_name!r}; known: {', '.join(FORMATS)}")
        if not of_pictures:
            format_name = format_name or detect_format(name)
        if format_name is not None and FORMATS[format_name].has_pictures:
            return InputSpec(text, path, format_name, text)
        root, below = found_at(name)
        if format_name is not None:
            return InputSpec(text, path, format_name, root)
        ending = ending_of(path)
        if ending in PICTURE_ENDINGS or is_folder_at(to_path(root)):
            return InputSpec(text, path, None, root, below)
        chosen = by_ending(ending)
        if chosen is None and is_table and path.is_file():
            chosen = FORMATS["csv"]
        if chosen is None:
            raise _unknown(path_text(path), ending)
        known = next(name for name, one in FORMATS.items() if one is chosen)
        return InputSpec(text, path, known, root)


def resolve_inputs(
    names: Sequence[str], *, of_pictures: bool = False, is_table: bool = False
) -> InputSpec:
    """Look at several inputs, which are one dataset: pictures and folders, or files of one format.

    Args:
        names: As in `resolve_input`; at least one.
        of_pictures: As in `resolve_input`.
        is_table: As in `resolve_input`.

    Raises:
        InputError: as `resolve_input`.
        UsageError: they are not of one kind.
    """
    specs = [resolve_input(name, of_pictures=of_pictures, is_table=is_table) for name in names]
    first, *others = specs
    other = next((spec for spec in others if spec.format_name != first.format_name), None)
    if other is not None:
        raise UsageError(
            f"{path_text(first.name)} is {_kind(first)} and {path_text(other.name)} is "
            f"{_kind(other)}; give several inputs of one kind, or caption them one by one"
        )
    return replace(first, more=tuple(others))


def open_reader(
    path: str | AnyPath,
    *,
    picture_key: str = "image",
    format_name: str | None = None,
    skip_bad_rows: bool = False,
    pick: GlobFilter = _ALL,
    sidecars: SidecarFiles | None = None,
) -> Reader:
    """The dataset at `path`; see `resolve_input` and `ReadOptions`.

    Raises:
        InputError: there is nothing at `path`, or its ending is none of the known ones.
        UsageError: nothing fits it as a pattern, `format_name` is unknown, or `pick` or `sidecars`
            are given for a dataset file.
    """
    options = ReadOptions(
        picture_key=picture_key, skip_bad_rows=skip_bad_rows, pick=pick, sidecars=sidecars
    )
    of_pictures = options.are_about_pictures
    return resolve_input(path, format_name=format_name, of_pictures=of_pictures).open(options)


def _opened(known: Format, path: AnyPath, options: ReadOptions) -> Reader:
    _check_taken(known.description, known.options, options)
    given = {name: getattr(options, name) for name in known.options}
    reader: Reader = imported(known.reader)(path, **given)
    return reader


_FLAGS = {"wds_key": "--wds-key", "columns": "--columns", "delimiter": "--delimiter"}


def _check_taken(what: str, taken: Sequence[str], options: ReadOptions) -> None:
    """Refuse an option that the dataset's format has no use for."""
    for field in fields(ReadOptions):
        flag = _FLAGS.get(field.name)
        if flag and getattr(options, field.name) and field.name not in taken:
            raise UsageError(f"{flag} is not about this input, which is {what}")


def _kind(spec: InputSpec) -> str:
    return "pictures" if spec.format_name is None else f"a dataset ({spec.format_name})"


def _no_picture(spec: InputSpec, reader: FolderReader, *, is_filtered: bool) -> UsageError:
    passed = reader.skipped.passed_over
    found = ", ".join(f"{number:,} {reason}" for reason, number in sorted(passed.items()))
    left_out = f" (left out: {found})" if found else ""
    name = path_text(spec.path)
    if is_filtered:
        return UsageError(f"{name}: no picture fits this{left_out}; check the spelling")
    return UsageError(
        f"{name}: there is no picture in this folder{left_out}; check the path, or name the "
        "dataset file"
    )


def _unknown(name: str, ending: str) -> InputError:
    return InputError(
        f"{path_text(name)}: the ending {ending!r} is no known format; "
        f"{_CURES.get(ending.lower(), '')}known are "
        f"{known_endings()}, a folder of pictures, and single pictures "
        f"({' '.join(sorted(PICTURE_ENDINGS))})"
    )
