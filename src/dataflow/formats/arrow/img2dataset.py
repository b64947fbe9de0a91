"""Several Parquet files as one dataset; also those of img2dataset.

img2dataset (https://github.com/rom1504/img2dataset) writes ``00000.parquet`` with a row for each
URL, and its pictures into the folder ``00000`` (``files``) or a column ``jpg`` (``parquet``). Both
are found under the picture column's name. A row whose download failed (``status``) has no picture.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

from dataflow.core.errors import InputError
from dataflow.core.text import path_text
from dataflow.formats.arrow.many_tables import ManyTablesReader
from dataflow.formats.arrow.parquet_file import ParquetReader
from dataflow.formats.base.reading import FileReader
from dataflow.formats.patterns.brace_patterns import files_for, natural
from dataflow.formats.patterns.endings import is_parquet
from dataflow.remote.path import AnyPath

_ENCODINGS = ("jpg", "png", "webp")  # those of img2dataset's --encode_format
_DONE = "success"


class DownloadedFields(Mapping[str, Any]):
    """A row's fields; the picture that was downloaded is there under one name more.

    Args:
        fields: The row's own.
        picture_key: The name.
        folder: Where the pictures of the row's file are, seen from the dataset's folder.
        here: The same, seen from here.
    """

    __slots__ = ("_fields", "_folder", "_here", "_picture_key")

    def __init__(
        self, fields: Mapping[str, Any], picture_key: str, folder: str, here: AnyPath
    ) -> None:
        self._fields = fields
        self._picture_key = picture_key
        self._folder = folder
        self._here = here

    def __getitem__(self, name: str) -> Any:
        if name != self._picture_key or name in self._fields:
            return self._fields[name]
        return self._picture() if self._fields.get("status", _DONE) == _DONE else None

    def __contains__(self, name: object) -> bool:
        return name == self._picture_key or name in self._fields

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def _picture(self) -> Any:
        key = self._fields["key"]
        for encoding in _ENCODINGS:
            if isinstance(self._fields.get(encoding), bytes):
                return {"bytes": self._fields[encoding], "path": f"{key}.{encoding}"}
            if (self._here / f"{key}.{encoding}").is_file():
                return f"{self._folder}/{key}.{encoding}"
        return None


class ParquetFolderReader(ManyTablesReader):
    """The rows of all Parquet files in a folder, or of those that a pattern stands for.

    Args:
        path: The folder, or the pattern.
        picture_key: The column under which img2dataset's picture is found.
        skip_bad_rows: Nothing can be skipped: a damaged file is an error.

    Raises:
        InputError: there is no Parquet file.
    """

    def __init__(
        self, path: AnyPath, *, picture_key: str = "image", skip_bad_rows: bool = False
    ) -> None:
        files = _parquet_in(path) if path.is_dir() else files_for(path)
        super().__init__([ParquetReader(file) for file in files])
        self._picture_key = picture_key
        names = set(self.column_names())
        self._is_downloaded = {"key", "status"} <= names and picture_key not in names

    def fields(self, file: FileReader, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        """The row's own, and its downloaded picture where img2dataset made the file."""
        if not self._is_downloaded:
            return fields
        here = file.path.with_suffix("")
        return DownloadedFields(
            fields, self._picture_key, os.path.relpath(here, self.folder()), here
        )


def _parquet_in(folder: AnyPath) -> list[Any]:
    files = sorted((file for file in folder.iterdir() if is_parquet(file.name)), key=natural)
    if not files:
        raise InputError(f"{path_text(folder)}: no .parquet lies in this folder")
    return files
