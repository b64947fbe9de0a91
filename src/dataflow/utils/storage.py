"""A pipeline's steps as files."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from dataflow.core.column_types import Columns
from dataflow.core.errors import DataflowError, InputError, OutputError, UsageError
from dataflow.core.protocols.dataset import Reader, Writer, notices_of
from dataflow.core.protocols.storage import DataFlowStorage, StepFiles, StreamingStorage
from dataflow.core.settings import NAME, PATH, TEXT, value_text
from dataflow.formats.base.compression import ending_of
from dataflow.formats.detect import detect_format
from dataflow.formats.known_formats import FORMATS, by_ending, is_known, known_endings
from dataflow.formats.output_spec import writer_for
from dataflow.formats.patterns.brace_patterns import is_several
from dataflow.formats.registry import open_reader
from dataflow.formats.rows_in_memory import RowsInMemory
from dataflow.remote.path import AnyPath, is_url, to_path
from dataflow.utils.frames import frame_of, records_of, with_numbers
from dataflow.utils.hidden_pictures import PictureWriter, hidden_picture

__all__ = ["DataFlowStorage", "FileStorage"]

_log = logging.getLogger("dataflow")

_OF_A_HUB = {"hf", "ms"}
_PICTURE = "image"
_TEXT_TABLES = (FORMATS["csv"], FORMATS["tsv"])  # every cell is text; a number looks like one


class FileStorage(StreamingStorage):
    """Step 0 is the given file; step n is ``{cache_path}/{file_name_prefix}_step{n}.{cache_type}``.

    An operator reads the current step and writes the next; `step()` moves on by one and must be
    called before the first operator.

    Args:
        first_entry_file_name: A dataset file of any known ending, a folder of such or of pictures,
            or a pattern of either; here or at a URL.
        cache_path: The folder for the steps; made when the first is written.
        file_name_prefix: The start of each step's file name.
        cache_type: The steps' ending without its first dot, such as ``"jsonl"``, ``"parquet"`` or
            ``"csv.gz"``; or ``"pickle"``, which also lets a .pkl file be the first entry. Reading
            a pickle runs the code in it, so use it only for files of your own.
        media_key, media_type: Of older DataFlow scripts, kept and not used: the operators name
            the column. The type can only be ``"image"``.

    Raises:
        UsageError: a value is not what its argument takes, an unknown `cache_type`, or a
            `cache_path` at a URL.
    """

    def __init__(
        self,
        first_entry_file_name: str | os.PathLike[str],
        cache_path: str | os.PathLike[str] = "./cache",
        file_name_prefix: str = "dataflow_cache",
        cache_type: str = "jsonl",
        *,
        media_key: str | None = None,
        media_type: str | None = None,
    ) -> None:
        if media_type not in (None, "image"):
            raise UsageError(f"media_type {value_text(media_type)}: only pictures are supported")
        self.media_key = NAME.or_none().take("media_key", media_key)
        self.media_type = media_type
        first = PATH.take("first_entry_file_name", first_entry_file_name)
        folder = PATH.take("cache_path", cache_path)
        prefix = TEXT.take("file_name_prefix", file_name_prefix)
        if Path(prefix).name != prefix:
            raise UsageError(f"file_name_prefix {value_text(prefix)} must be a name, not a path")
        TEXT.take("cache_type", cache_type)
        if cache_type != "pickle" and not is_known(f"step.{cache_type}"):
            raise UsageError(
                f"the cache_type {cache_type!r} is no known ending; known are {known_endings()}, "
                "and pickle"
            )
        if is_url(folder):
            raise UsageError(f"the cache_path {folder!r} is a URL; give a folder here")
        self.first_entry_file_name: str = first
        self.cache_path: str = folder
        self.file_name_prefix: str = prefix
        self.cache_type = cache_type
        self.operator_step = -1
        self._is_unfinished = False
        self._opened: tuple[str, ...] = ()
        self._written: tuple[int, tuple[str, ...]] | None = None

    def __repr__(self) -> str:
        return (
            f"FileStorage({self.first_entry_file_name!r}, cache_path={self.cache_path!r}, "
            f"step {self.operator_step})"
        )

    def _repr_html_(self) -> str | None:
        """The first rows of the current step beside their pictures, as notebooks show them."""
        from dataflow.images.gallery import GalleryRow, gallery

        try:
            reader = self._reader(_PICTURE)
            hidden = hidden_picture(reader, _PICTURE, self._beside())
            rows = (
                GalleryRow(
                    row.fields.get(_PICTURE) if hidden is None else hidden.of(row),
                    {name: value for name, value in row.fields.items() if name != _PICTURE},
                )
                for row in reader.rows()
            )
            folders = [reader.folder(), self._beside(), os.curdir]
            return gallery(rows, folders, title=f"step {self.operator_step}: {self._current()}")
        except DataflowError:
            return None  # before the first step, or it is not written yet

    def step(self) -> FileStorage:
        """Move on to the next step; returns the storage itself.

        Where the operator of the current step failed or was interrupted, the storage stays at it:
        the same call goes on with what is not done yet.
        """
        if self._is_unfinished:
            self._is_unfinished = False
            _log.warning(
                "step %d did not finish: the storage stays at it (reset() starts over)",
                self.operator_step,
            )
        else:
            self.operator_step += 1
        return self

    def reset(self) -> FileStorage:
        """Go back to before the first step; returns the storage itself."""
        self.operator_step = -1
        self._is_unfinished, self._written = False, None
        return self

    def step_failed(self) -> None:
        """Note that the operator did not finish: the next `step` stays here."""
        self._is_unfinished = self.operator_step >= 0

    def step_written(self) -> None:
        """Note that the operator wrote the next step."""
        self._is_unfinished = False
        self._written = self.operator_step, self._opened

    def open_step(
        self, *, picture_key: str, columns: Columns, skip_bad_rows: bool = False
    ) -> StepFiles:
        """The current step's reader and the next step's writer; see `StreamingStorage`."""
        self._opened = tuple(columns)
        if self._written is not None and self._written[0] == self.operator_step:
            self._refuse_second(self._written[1])
        reader = self._reader(picture_key, skip_bad_rows=skip_bad_rows)
        output = self._path(self.operator_step + 1)
        # a later step holds the paths that the first entry held
        folders = [reader.folder(), self._beside(), os.curdir]
        hidden = hidden_picture(reader, picture_key, self._beside())
        if hidden is None:
            return StepFiles(reader, folders, output, self._writer(output, reader, columns))
        opened = self._writer(output, reader, hidden.before(columns))
        return StepFiles(reader, folders, output, lambda path: PictureWriter(opened(path), hidden))

    def read(self, output_type: str = "dataframe") -> Any:
        """All rows of the current step, a picture that is no column under ``"image"`` included.

        Args:
            output_type: ``"dataframe"`` for a pandas DataFrame, ``"dict"`` for a list of dicts. Of
                CSV and TSV, a DataFrame has numbers where a column holds nothing else.

        Raises:
            UsageError: before the first `step()`, or another `output_type`.
            InputError: the step's file cannot be read.
            MissingPackageError: pandas is not installed and a DataFrame was asked for.
        """
        if output_type not in ("dataframe", "dict"):
            raise UsageError(f"output_type {output_type!r} is neither 'dataframe' nor 'dict'")
        reader = self._reader(_PICTURE)
        hidden = hidden_picture(reader, _PICTURE, self._beside())
        rows = [
            {**row.fields, **({} if hidden is None else {_PICTURE: hidden.of(row)})}
            for row in reader.rows()
        ]
        if output_type == "dict":
            return rows
        is_text = by_ending(ending_of(self._current())) in _TEXT_TABLES
        return frame_of(with_numbers(rows) if is_text else rows)

    def write(self, data: Any) -> str:
        """Write `data` as the next step; a reader meets the whole file or none.

        Args:
            data: A list of dicts or a pandas DataFrame; a frame's missing values become null.

        Returns:
            The file's path.

        Raises:
            UsageError: before the first `step()`, or `data` is neither.
            OutputError: the file cannot be written.
        """
        return write_table(
            self._path(self.operator_step + 1), data, allow_pickle=self.cache_type == "pickle"
        )

    def _refuse_second(self, written: tuple[str, ...]) -> None:
        if written != self._opened:
            raise UsageError(
                f"step {self.operator_step + 1} is written already, with {', '.join(written)}: "
                "call storage.step() between two operators, or the second replaces the first"
            )
        # the same cell again, or another operator that fills the same column
        _log.warning(
            "step %d is written again: where this is another operator, call storage.step() between "
            "the two, or the second replaces the first",
            self.operator_step + 1,
        )

    def _beside(self) -> str:
        return str(to_path(_expanded(self.first_entry_file_name)).parent)

    def _reader(self, picture_key: str, *, skip_bad_rows: bool = False) -> Reader:
        path = self._current()
        is_looked_up = self.operator_step == 0 and (
            is_several(path) or detect_format(path) in _OF_A_HUB
        )
        if isinstance(path, Path) and not path.exists() and not is_looked_up:
            cure = (
                "check first_entry_file_name"
                if self.operator_step == 0
                else "run the operator of the step before first; where step() was called once too "
                "often, storage.reset() starts over"
            )
            raise InputError(f"step {self.operator_step} reads {path}, which is not there; {cure}")
        reader = open_reader(
            path,
            picture_key=picture_key,
            format_name=self._named(path),
            skip_bad_rows=skip_bad_rows,
        )
        for notice in notices_of(reader):
            _log.warning("%s", notice)
        return reader

    def _writer(self, path: Path, reader: Reader, columns: Columns) -> Callable[[Path], Writer]:
        return writer_for(path, reader, columns, format_name=self._named(path))

    def _named(self, path: AnyPath) -> str | None:
        """Pickle only by name, and the name is `cache_type`."""
        is_pickle = path.suffix.lower() in (".pkl", ".pickle")
        return "pickle" if is_pickle and self.cache_type == "pickle" else None

    def _current(self) -> AnyPath:
        step = self.operator_step
        return to_path(_expanded(self.first_entry_file_name)) if step == 0 else self._path(step)

    def _path(self, step: int) -> Path:
        if self.operator_step < 0:
            raise UsageError("call storage.step() before reading or writing")
        return (
            Path(_expanded(self.cache_path))
            / f"{self.file_name_prefix}_step{step}.{self.cache_type}"
        )


def _expanded(path: str) -> str:
    """`path` with ``~`` for the home folder; a URL stays as it is."""
    return path if is_url(path) else os.path.expanduser(path)  # noqa: PTH111 - "./" shall not go


def write_table(path: Path, data: Any, *, allow_pickle: bool = False) -> str:
    """Write a list of dicts or a DataFrame; a reader meets the whole file or none.

    Args:
        path: The file, whose ending names the format; its folder is made.
        data: The rows; a frame's missing values become null.
        allow_pickle: Whether an ending of pickle's names that format.

    Returns:
        The file's path.

    Raises:
        UsageError: `data` is neither.
        OutputError: the file cannot be written.
    """
    rows = RowsInMemory(records_of(data))
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
    is_pickle = allow_pickle and path.suffix.lower() in (".pkl", ".pickle")
    writer = writer_for(path, rows, [], format_name="pickle" if is_pickle else None)
    _write_rows(rows, writer(part), path)
    return str(path)


def __getattr__(name: str) -> object:
    """DataFlow's storage in memory."""
    if name == "DummyStorage":
        return getattr(import_module("dataflow.compat.storage"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _write_rows(rows: RowsInMemory, writer: Writer, path: Path) -> None:
    try:
        for row in rows.rows():
            writer.write(row, {})
        writer.close()
        writer.commit(path)
    except BaseException:
        writer.discard()
        raise
