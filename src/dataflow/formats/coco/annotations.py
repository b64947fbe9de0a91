"""The captions that a COCO file has already (https://cocodataset.org/#format-data), a row each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dataflow.core.errors import InputError
from dataflow.core.row import Row
from dataflow.formats.base.json_rows import one_line, row_object
from dataflow.formats.base.json_values import dump_bytes
from dataflow.formats.base.writing import AtomicFile, FileWriter
from dataflow.formats.coco.coco import ANNOTATIONS, IMAGES, CocoReader
from dataflow.formats.coco.members import ObjectMember
from dataflow.remote.path import AnyPath

WITHOUT_ANNOTATION = "pictures without an annotation: dataflow caption gives them one"
"""Why pictures are counted in `Skipped.passed_over`."""


class CocoCaptions(CocoReader):
    """The elements of ``annotations``.

    Args:
        path: The file.
        picture_key: The column under which the picture is found, too.
        skip_bad_rows: See `CocoReader`.
        has_files: Whether the picture is told by its ``file_name``, for which all images are read
            first; else by its id alone.
    """

    def __init__(
        self,
        path: AnyPath,
        *,
        picture_key: str = "image",
        skip_bad_rows: bool = False,
        has_files: bool = False,
    ) -> None:
        super().__init__(path, picture_key=picture_key, skip_bad_rows=skip_bad_rows)
        self._has_files = has_files

    def rows(self) -> Iterator[Row]:
        """The annotations in order.

        Raises:
            InputError: the file is no COCO file, or has no annotations at all.
        """
        self._begin()
        files = self._files() if self._has_files else {}
        index = 0
        has_annotations = False
        images, annotated = set[Any](), set[Any]()
        for piece in self.pieces():
            has_annotations |= piece.name == ANNOTATIONS
            if piece.name == IMAGES and piece.is_element:
                images.add(repr(piece.value.get("id")))
            if piece.name != ANNOTATIONS or not piece.is_element:
                continue
            number = piece.value.get("image_id", "")
            annotated.add(repr(number))
            picture = files.get(number) if self._has_files else str(number)
            fields = {self._picture_key: picture, **piece.value}
            yield Row(index, fields, f"{self.name}, annotation {index}", piece.raw)
            index += 1
        if bare := len(images - annotated):
            self.skipped.pass_over(WITHOUT_ANNOTATION, bare)
        if not has_annotations:
            raise InputError(f"{self.name}: no COCO file: the object has no {ANNOTATIONS!r}")

    def _files(self) -> dict[Any, str]:
        """Each image's file by its id."""
        images = (p.value for p in self.pieces() if p.name == IMAGES and p.is_element)
        return {image.get("id"): image.get("file_name") for image in images}


class CocoCaptionsWriter(FileWriter):
    """A COCO file being written whose annotations have other captions; all else stays as it is.

    Args:
        file: The file.
        reader: The file that the annotations come from; each of them has to be written.
    """

    def __init__(self, file: AtomicFile, reader: CocoCaptions) -> None:
        super().__init__(file)
        self._pieces = reader.pieces()
        self._array: str | None = None
        self._between = b"{\n"

    def write(self, row: Row, added: Mapping[str, Any]) -> None:
        """Write the next annotation, and what stands before it; see `core.dataset.Writer`."""
        for piece in self._pieces:
            if piece.name == ANNOTATIONS and piece.is_element:
                self._put(piece, row_object(row, added))
                return
            self._put(piece, piece.raw)

    def close(self) -> None:
        """Write what stands behind the last annotation, and finish the file."""
        for piece in self._pieces:
            self._put(piece, piece.raw)
        self._file.write(b"\n}\n")
        super().close()

    def _put(self, piece: ObjectMember, raw: bytes) -> None:
        if piece.is_element and piece.name != self._array:
            self._file.write(self._between + dump_bytes(piece.name) + b": [\n  " + one_line(raw))
            self._array, self._between = piece.name, b",\n  "
        elif piece.is_element:
            self._file.write(self._between + one_line(raw))
        elif piece.value is None and not raw:  # an array's end
            empty = b"" if self._array else self._between + dump_bytes(piece.name) + b": ["
            self._file.write(empty + b"\n]")
            self._array, self._between = None, b",\n"
        else:
            self._file.write(self._between + dump_bytes(piece.name) + b": " + raw)
            self._between = b",\n"
