"""The captions that a COCO file has already (https://cocodataset.org/#format-data), a row each."""

from __future__ import annotations

from collections.abc import Iterator

from dataflow.core.errors import InputError
from dataflow.core.row import Row
from dataflow.formats.coco_file import ANNOTATIONS, CocoReader


class CocoCaptions(CocoReader):
    """The elements of ``annotations``; each tells its picture by ``image_id`` alone.

    That id stands under the picture column's name, too, as text. Args: see `CocoReader`.
    """

    def rows(self) -> Iterator[Row]:
        """The annotations in order.

        Raises:
            InputError: the file is no COCO file, or has no annotations at all.
        """
        self._begin()
        index = 0
        has_annotations = False
        for piece in self.pieces():
            has_annotations |= piece.name == ANNOTATIONS
            if piece.name != ANNOTATIONS or not piece.is_element:
                continue
            fields = {self._picture_key: str(piece.value.get("image_id", "")), **piece.value}
            yield Row(index, fields, f"{self.name}, annotation {index}", piece.raw)
            index += 1
        if not has_annotations:
            raise InputError(f"{self.name}: no COCO file: the object has no {ANNOTATIONS!r}")
