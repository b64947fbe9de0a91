"""A picture that the first entry only knows, written into the steps after it.

COCO's ``file_name`` and img2dataset's downloads are found under the picture column's name without
being a column. A step is an ordinary file, so there the picture gets a column of its own.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from dataflow.core.dataset import Columns, Reader, Writer
from dataflow.core.row import Row


def hides_picture(reader: Reader, picture_key: str) -> bool:
    """Whether the first row has its picture under `picture_key` without having that column.

    Raises:
        InputError: the dataset cannot be read.
    """
    first = next(iter(reader.rows()), None)
    return first is not None and picture_key in first.fields and picture_key not in [*first.fields]


def with_picture(columns: Columns, picture_key: str) -> Columns:
    """What is added to each row: its picture, and `columns`."""
    shapes = columns if isinstance(columns, Mapping) else dict.fromkeys(columns)
    return {picture_key: None, **shapes}


class PictureWriter:
    """Writes each row's picture as a column by another writer.

    Args:
        writer: The writer; it has to know of the column.
        picture_key: The column.
    """

    def __init__(self, writer: Writer, picture_key: str) -> None:
        self._writer = writer
        self._picture_key = picture_key
        self.close = writer.close
        self.move_in = writer.move_in
        self.abandon = writer.abandon

    def write(self, row: Row, added: Mapping[str, Any]) -> None:
        """Append one row; see `core.dataset.Writer`."""
        picture = {self._picture_key: _as_text(row.fields.get(self._picture_key))}
        own = Row(row.index, dict(row.fields), row.place, row.raw)
        self._writer.write(own, {**picture, **added})


def _as_text(picture: Any) -> Any:
    """A path as it is; of ``{"bytes", "path"}`` the bytes, in base64."""
    if isinstance(picture, Mapping):
        return base64.b64encode(picture["bytes"]).decode("ascii")
    return picture
