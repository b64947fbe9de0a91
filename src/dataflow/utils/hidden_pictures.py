"""A picture that the first entry only knows, as a column of the steps after it.

COCO's ``file_name`` and img2dataset's downloads are found under the picture column's name without
being a column. A step is an ordinary file, so there the picture gets a column of its own.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from dataclasses import dataclass
from posixpath import relpath
from typing import Any

from dataflow.core.column_types import Columns
from dataflow.core.errors import UsageError
from dataflow.core.protocols.dataset import Reader, Writer, first_rows
from dataflow.core.row import Row
from dataflow.remote.path import is_url


@dataclass(frozen=True, slots=True)
class HiddenPicture:
    """Where the rows have their picture without having the column.

    Attributes:
        key: The name under which it is found.
        folder: What its paths are relative to.
    """

    key: str
    folder: str

    def of(self, row: Row) -> Any:
        """The picture of `row` as a step holds it: its path from here, or its bytes in base64."""
        picture = row.fields.get(self.key)
        if isinstance(picture, Mapping):
            return base64.b64encode(picture["bytes"]).decode("ascii")
        if isinstance(picture, str) and not picture.startswith(("data:", "http:", "https:")):
            return os.path.join(self.folder, picture)  # noqa: PTH118 - "." shall not go
        return picture

    def before(self, columns: Columns) -> Columns:
        """What is added to each row: its picture, and `columns`.

        Raises:
            UsageError: one of them has the picture's name.
        """
        if self.key in columns:
            raise UsageError(f"the column {self.key!r} is the picture's; choose another name")
        shapes = columns if isinstance(columns, Mapping) else dict.fromkeys(columns)
        return {self.key: None, **shapes}


def hidden_picture(reader: Reader, key: str, beside: str) -> HiddenPicture | None:
    """Where the rows' pictures are, if the first rows that have any have no such column.

    Args:
        reader: The rows.
        key: The name under which the picture is looked for.
        beside: Where the dataset is; pictures at a URL are named from there.

    Raises:
        InputError: the dataset cannot be read.
    """
    for row in first_rows(reader):
        if key in row.fields:
            if key in [*row.fields]:
                return None
            folder = reader.folder()
            return HiddenPicture(key, relpath(folder, beside) if is_url(folder) else folder)
    return None


class PictureWriter:
    """Writes each row's picture as a column by another writer.

    Args:
        writer: The writer; it has to know of the column.
        picture: Where the pictures are.
    """

    def __init__(self, writer: Writer, picture: HiddenPicture) -> None:
        self._writer = writer
        self._picture = picture
        self.close = writer.close
        self.commit = writer.commit
        self.discard = writer.discard

    def write(self, row: Row, added: Mapping[str, Any]) -> None:
        """Append one row; see `core.dataset.Writer`."""
        own = Row(row.index, dict(row.fields), row.source, row.raw)
        self._writer.write(own, {self._picture.key: self._picture.of(row), **added})
