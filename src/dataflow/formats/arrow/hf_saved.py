"""Folders that Hugging Face's datasets saves and loads (``save_to_disk``, ``load_from_disk``).

Arrow streams ``data-00000-of-00001.arrow``, ``state.json`` that lists them, and
``dataset_info.json``. They are read and written here without that package.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dataflow.core.errors import InputError, OutputError, UsageError
from dataflow.core.row import Row
from dataflow.core.text import path_text
from dataflow.formats.arrow.ipc_file import ArrowReader, StreamWriter
from dataflow.formats.arrow.many_tables import ManyTablesReader
from dataflow.formats.base.reading import open_input, unreadable
from dataflow.formats.base.writing import AtomicFile
from dataflow.formats.columns.writer_context import WriterContext
from dataflow.remote.path import AnyPath

STATE, INFO, SPLITS = "state.json", "dataset_info.json", "dataset_dict.json"
_DATA = "data-00000-of-00001.arrow"
_OF_THE_OLD = ("features", "splits", "size_in_bytes", "dataset_size", "download_size")


class SavedReader(ManyTablesReader):
    """The rows of one split that was saved.

    Args:
        path: Its folder.
        skip_bad_rows: Nothing can be skipped: a damaged file is an error.
        picture_key: Not needed: the rows have their own column of pictures.

    Raises:
        InputError: the folder holds several splits, or is none that was saved.
    """

    def __init__(
        self, path: AnyPath, *, picture_key: str = "image", skip_bad_rows: bool = False
    ) -> None:
        if (path / SPLITS).is_file():
            splits = _json(path / SPLITS).get("splits", [])
            one = path / str(splits[0] if splits else "train")
            raise InputError(
                f"{path_text(path)}: holds several splits ({', '.join(map(str, splits))}); give "
                f"one of their folders, such as {path_text(one)}"
            )
        listed = _json(path / STATE).get("_data_files", [])
        names = [str(file["filename"]) for file in listed if isinstance(file, dict)]
        files = [path / name for name in names]
        if not files or any(file.parent != path for file in files):
            raise InputError(f"{path_text(path / STATE)}: lists no files of its own folder")
        super().__init__([ArrowReader(file) for file in files])
        self._path = path

    def info(self) -> dict[str, Any]:
        """What is told of the dataset as a whole."""
        return _json(self._path / INFO)


class SavedWriter:
    """A folder that ``load_from_disk`` loads, being written beside its place.

    Args:
        part: Where it is written.
        target: Where it will be.
        source: See `ArrowBatchWriter`.

    Raises:
        UsageError: `target` is not of this machine.
        OutputError: the folder cannot be made.
    """

    def __init__(self, part: Path, target: AnyPath, source: WriterContext) -> None:
        if not isinstance(target, Path):
            raise UsageError(
                f"{path_text(target)}: a saved folder is written on this machine only; write "
                f"{path_text(target)}.parquet"
            )
        self._part = part
        self._info = source.reader.info() if isinstance(source.reader, SavedReader) else {}
        shutil.rmtree(part, ignore_errors=True)  # of a run that was killed
        try:
            part.mkdir()
        except OSError as error:
            raise OutputError(f"{path_text(part)}: cannot be made ({error.strerror})") from error
        self._rows = StreamWriter(AtomicFile(part / _DATA), source)

    def write(self, row: Row, added: Mapping[str, Any]) -> None:
        """Append one row; see `core.dataset.Writer`."""
        self._rows.write(row, added)

    def close(self) -> None:
        """Finish the rows, and tell of them."""
        self._rows.close()
        # without features they are told by the rows' own schema, the new column included
        info = {name: value for name, value in self._info.items() if name not in _OF_THE_OLD}
        state: dict[str, Any] = {
            "_data_files": [{"filename": _DATA}],
            "_fingerprint": uuid.uuid4().hex[:16],
            "_format_columns": None,
            "_format_kwargs": {},
            "_format_type": None,
            "_output_all_columns": False,
            "_split": None,
        }
        for name, content in ((INFO, info), (STATE, state)):
            file = AtomicFile(self._part / name)
            file.write(json.dumps(content, indent=2).encode())
            file.close()

    def commit(self, target: Any) -> None:
        """Let the folder take its place; a former one goes."""
        former = target.with_name(f".{target.name}.former")
        try:
            if target.exists():
                shutil.rmtree(former, ignore_errors=True)
                target.rename(former)
            self._part.rename(target)
        except OSError as error:
            raise OutputError(
                f"{path_text(target)}: cannot be put there ({error.strerror})"
            ) from error
        shutil.rmtree(former, ignore_errors=True)

    def discard(self) -> None:
        """Remove what was written; see `core.dataset.Writer`."""
        self._rows.discard()
        with contextlib.suppress(OSError):
            shutil.rmtree(self._part)


def _json(path: AnyPath) -> dict[str, Any]:
    try:
        with open_input(path) as file:
            value = json.loads(file.read())
    except OSError as error:
        raise unreadable(path, error) from error
    except ValueError as error:
        raise InputError(
            f"{path_text(path)}: invalid JSON ({error}); save the dataset again"
        ) from error
    if not isinstance(value, dict):
        raise InputError(f"{path_text(path)}: an object {{…}} is expected; save the dataset again")
    return value
