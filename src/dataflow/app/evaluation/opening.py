"""Datasets with captions, opened to be evaluated: their pictures' identity, and other columns."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dataflow.core.errors import InputError, OutputError, RowError, UsageError
from dataflow.core.picture import ImageRef
from dataflow.core.protocols.dataset import ColumnSelectingReader, MultiFileReader
from dataflow.core.row import Row
from dataflow.core.side_files import open_new
from dataflow.formats.columns.input_columns import DEFAULT_PICTURE, input_columns
from dataflow.formats.existing_captions import CaptionedDataset, open_captions
from dataflow.formats.patterns.endings import PICTURE_ENDINGS
from dataflow.formats.registry import open_reader
from dataflow.images.reference import parse_reference


@dataclass(frozen=True, slots=True)
class EvaluatedDataset:
    """A dataset whose captions are evaluated.

    Attributes:
        data: The dataset.
        picture_key: The column with its pictures.
    """

    data: CaptionedDataset
    picture_key: str

    def caption(self, row: Row) -> str:
        """The row's caption, its first where it has several; empty where it has none."""
        return self.data.of(row, self.data.columns[0])[0].text

    def references(self, row: Row) -> list[ImageRef]:
        """The row's pictures; none where it names none that can be read."""
        try:
            return parse_reference(
                row.fields.get(self.picture_key), [self.data.reader.folder(), os.curdir]
            )
        except RowError:
            return []


def open_evaluated(path: str, *, output_key: str | None, image_key: str) -> EvaluatedDataset:
    """Open a dataset with captions.

    Args:
        path: The dataset, or a folder of pictures with sidecars.
        output_key: The column with the captions; None for a usual one.
        image_key: The column with the pictures.

    Raises:
        UsageError: There is no such dataset, it has no captions, or no column with pictures.
    """
    columns = () if output_key is None else (output_key,)
    try:
        data = open_captions(path, columns=columns, picture_key=image_key, has_files=True)
        if image_key == DEFAULT_PICTURE and data.names and image_key not in data.names:
            image_key = input_columns(open_reader(path, skip_bad_rows=True), image_key).picture
            data = open_captions(path, columns=columns, picture_key=image_key, has_files=True)
    except InputError as error:  # nothing has begun yet
        raise UsageError(error.message) from error
    for one in data.reader.files if isinstance(data.reader, MultiFileReader) else [data.reader]:
        if isinstance(one, ColumnSelectingReader):
            one.columns = None  # pictures that stand in the data are read as well
    return EvaluatedDataset(data, image_key)


def picture_name(ref: ImageRef) -> str:
    """By what a picture is known: its file's true path, its URL, or the digest of its bytes."""
    if ref.kind == "bytes":
        return f"bytes:{blake2b(ref.data, digest_size=16).hexdigest()}"
    return os.path.realpath(ref.location) if ref.kind == "path" else ref.location


def file_name(ref: ImageRef) -> str:
    """The name of a picture's file without its folder; empty where it has none."""
    name = urlsplit(ref.location).path if ref.kind == "url" else ref.location or ref.name
    name = os.path.basename(name)  # noqa: PTH119 - it may be a URL's
    return name if os.path.splitext(name)[1].lower() in PICTURE_ENDINGS else ""  # noqa: PTH122


class PictureFiles:
    """Pictures that stand in a dataset itself, kept as files so that any row can name them.

    Args:
        folder: Where they are kept; it is made when the first one comes.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def named(self, ref: ImageRef) -> str:
        """The picture as a row can name it: a path or a URL.

        Raises:
            OutputError: its file cannot be written.
        """
        if ref.kind != "bytes":
            return picture_name(ref)
        path = self._folder.resolve() / picture_name(ref).removeprefix("bytes:")
        if not path.is_file():
            part = path.with_name(f"{path.name}.part")
            try:
                self._folder.mkdir(parents=True, exist_ok=True)
                with open_new(part, "wb") as file:
                    file.write(ref.data)
                part.replace(path)
            except OSError as error:
                raise OutputError(f"{path} cannot be written: {error.strerror}") from error
        return str(path)


def text_of(fields: Mapping[str, Any], column: str | None) -> str:
    """A field as text; empty where there is none."""
    value = None if column is None else fields.get(column)
    return "" if value is None else str(value)
