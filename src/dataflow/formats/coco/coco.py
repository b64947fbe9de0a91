"""COCO captions (https://cocodataset.org/#format-data): pictures, and captions that name them.

A row is an element of ``images``, with its own bytes; its picture is ``file_name``. A caption
becomes one more element of ``annotations``, for a picture may have several: ``id`` is new,
``image_id`` that of the row, and the caption stands under the new column's name.
"""

from __future__ import annotations

import itertools
import math
import re
import tempfile
from collections.abc import Iterator, Mapping
from typing import IO, Any

from dataflow.core.errors import InputError, OutputError
from dataflow.core.protocols.dataset import FIRST_ROWS
from dataflow.core.row import Row
from dataflow.formats.base.json_rows import exact, one_line, row_object
from dataflow.formats.base.json_values import dump_bytes
from dataflow.formats.base.reading import FileReader, open_text, wrong_at
from dataflow.formats.base.writing import AtomicFile, FileWriter
from dataflow.formats.coco.members import ObjectMember, pieces
from dataflow.formats.columns.column_probe import names_in
from dataflow.formats.columns.picture_paths import holds_picture, named_in
from dataflow.formats.columns.seen_ids import SeenIds
from dataflow.formats.columns.writer_context import WriterContext
from dataflow.formats.text.json_window import JsonWindow
from dataflow.remote.path import AnyPath

IMAGES, ANNOTATIONS = "images", "annotations"
_FILE_NAME, _SOURCE_ID = "file_name", "source_id"
_SPLIT = re.compile(r"(?:train|val|test)\d*")
_IN_MEMORY = 1 << 20  # bytes that wait for their where in the file; more wait on the disk


class ImageFields(dict[str, Any]):
    """An image's fields; its ``file_name`` is there under the picture column's name, too."""

    picture_key = _FILE_NAME

    def __missing__(self, name: str) -> Any:
        if name == self.picture_key and _FILE_NAME in self:
            return self[_FILE_NAME]
        raise KeyError(name)

    def __contains__(self, name: object) -> bool:
        has = super().__contains__
        return has(name) or (name == self.picture_key and has(_FILE_NAME))

    def get(self, name: str, default: Any = None) -> Any:
        """The field's value, or `default`."""
        return self[name] if name in self else default  # noqa: SIM401 (that would be this)


class CocoReader(FileReader):
    """The images of a COCO file.

    Args:
        path: The file.
        picture_key: The column under which ``file_name`` is found, too.
        skip_bad_rows: Leave out an image without an ``id`` of its own and note it; otherwise it is
            an error.
    """

    def __init__(
        self, path: AnyPath, *, picture_key: str = "image", skip_bad_rows: bool = False
    ) -> None:
        super().__init__(path, skip_bad_rows=skip_bad_rows)
        self._picture_key = picture_key

    def rows(self) -> Iterator[Row]:
        """The images in order.

        Raises:
            InputError: the file is no COCO file, or an image has no ``id`` or the number of one
                before it, and is not to be skipped; the message names line and column, or the
                image.
        """
        on_bad_row = self._begin()
        index = number = 0
        has_images, seen = False, SeenIds()
        for piece in self.pieces():
            has_images |= piece.name == IMAGES
            if piece.name != IMAGES or not piece.is_element:
                continue
            where = f"{self.name}, image {number}"
            number += 1
            if "id" not in piece.value:
                on_bad_row(wrong_at(where, "it has no 'id', which its captions would name"))
                continue
            image_id = piece.value["id"]
            if type(image_id) is int and seen.has_before(image_id):
                on_bad_row(
                    wrong_at(where, f"its id {image_id} is another image's too; renumber one")
                )
                continue
            fields = ImageFields(piece.value)
            fields.picture_key = self._picture_key
            yield Row(index, fields, where, piece.raw)
            index += 1
        if not has_images:
            raise InputError(f"{self.name}: no COCO file: the object has no {IMAGES!r}")

    def pieces(self) -> Iterator[ObjectMember]:
        """The file's members, the elements of its two arrays one by one.

        Raises:
            InputError: the file is no JSON object.
        """
        with open_text(self.path) as file:
            yield from pieces(JsonWindow(file, self.name), (IMAGES, ANNOTATIONS))

    def folder(self) -> str:
        """Where the pictures are: the first usual place that has one of the first 1,000.

        One picture after the other is looked for in the file's folder, in ``images``, and in the
        split that the file's name tells (``captions_val2017.json``: ``val2017``), there or one
        folder up.
        """
        beside = self.path.parent
        split = _SPLIT.search(self.path.stem)
        names = ["", "images", *([split[0], f"images/{split[0]}"] if split else [])]
        folders = [folder / name for folder in (beside, beside / "..") for name in names]
        images = (p.value for p in self.pieces() if p.name == IMAGES and p.is_element)
        for image in itertools.islice(images, FIRST_ROWS):
            name = str(image.get(_FILE_NAME) or ".")
            if found := next((folder for folder in folders if (folder / name).is_file()), None):
                return str(found)
        return str(beside)


def needed(source: WriterContext) -> tuple[str, ...]:
    """The columns that must not be left out, of those that there are.

    Of COCO, what its annotations and its pictures are found by; else what tells ``file_name``.

    Raises:
        InputError: the dataset's first rows cannot be read.
    """
    if source.reader is None:
        return ()
    names = names_in(source.reader, ("id", _FILE_NAME))
    if isinstance(source.reader, CocoReader):
        return tuple(name for name in ("id", _FILE_NAME) if name in names)
    is_named = _FILE_NAME in names and source.choice.takes(_FILE_NAME)
    return () if is_named else source.needed_picture()


class CocoWriter(FileWriter):
    """A COCO file being written: the source's members as they were, and each row's new captions.

    A list makes as many annotations, for so COCO has several captions of a picture.
    Rows that come from elsewhere make images of all their fields; ``file_name`` is their first
    picture's path where they have none. ``id`` is their own where all rows have one, a whole number
    that no other has; else their number from 1, and their own stands under ``source_id``.

    Args:
        file: The file.
        source: Its other members and former annotations are kept where it is COCO too.

    Raises:
        InputError: the source cannot be read.
    """

    def __init__(self, file: AtomicFile, source: WriterContext) -> None:
        super().__init__(file)
        self._reader = source.reader if isinstance(source.reader, CocoReader) else None
        self._picture_key, self._choice = source.picture_key, source.choice
        self._keeps_ids = self._reader is None and source.has_own_numbers
        self._images: IO[bytes] = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115
        self._captions: IO[bytes] = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115

    def write(self, row: Row, added: Mapping[str, Any]) -> None:
        """Append one image and its captions; see `core.dataset.Writer`."""
        try:
            image = self._choice.row(row) if self._reader else self._as_image(row)
            self._images.write(one_line(row_object(image, {})) + b"\n")
            for given in _annotations(added):
                line = dump_bytes({"image_id": image.fields["id"], **given})
                self._captions.write(line + b"\n")
        except OSError as error:
            raise self._file.as_output_error(error) from error
        except (TypeError, ValueError) as error:
            raise OutputError(f"{row.source}: cannot be written as JSON: {error}") from error

    def close(self) -> None:
        """Write images and captions to their places and finish the file."""
        members = self._members()
        self._file.write(b"{")
        for number, name in enumerate(members):
            self._file.write((b",\n" if number else b"\n") + dump_bytes(name) + b": ")
            for part in members[name]:
                self._file.write(part)
        self._file.write(b"\n}\n")
        self._forget()
        super().close()

    def discard(self) -> None:
        """Remove the file; see `core.dataset.Writer`."""
        self._forget()
        super().discard()

    def _members(self) -> dict[str, Iterator[bytes]]:
        """Each member's text, in the order of the source; the large ones are read when written."""
        order: dict[str, Iterator[bytes]] = {}
        for piece in self._reader.pieces() if self._reader else ():
            order.setdefault(piece.name, iter((piece.raw,)))
        order[IMAGES] = _array(line[:-1] for line in _again(self._images))
        order[ANNOTATIONS] = _array(self._annotations())
        return order

    def _annotations(self) -> Iterator[bytes]:
        last = 0
        for piece in self._reader.pieces() if self._reader else ():
            if piece.name == ANNOTATIONS and piece.is_element:
                known = piece.value.get("id")
                if isinstance(known, (int, float)) and math.isfinite(known):
                    last = max(last, math.floor(known))
                yield one_line(piece.raw)
        for number, line in enumerate(_again(self._captions), last + 1):
            yield b'{"id": %d, %s' % (number, line[1:-1])

    def _as_image(self, row: Row) -> Row:
        """A row from elsewhere as an image."""
        fields: dict[str, Any] = {} if self._keeps_ids else {"id": row.index + 1}
        names = named_in(row.fields.get(self._picture_key))
        row = self._choice.row(row)
        if names and _FILE_NAME not in row.fields:
            fields[_FILE_NAME] = names[0]
        own = exact(row)
        for name, value in row.fields.items():
            if holds_picture(value):  # COCO names its pictures, it does not hold them
                continue
            if name != "id" or self._keeps_ids:
                fields[name] = own[name]
            elif value is not None and (type(value) is not int or value != row.index + 1):
                fields[_free(_SOURCE_ID, row)] = own[name]
        return Row(row.index, fields, row.source)

    def _forget(self) -> None:
        self._images.close()
        self._captions.close()


def _annotations(added: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """What new annotations hold; null makes none."""
    columns = [value if isinstance(value, list) else [value] for value in added.values()]
    for values in itertools.zip_longest(*columns):
        given = dict(zip(added, values, strict=True))
        if given := {name: value for name, value in given.items() if value is not None}:
            yield given


def _free(name: str, row: Row) -> str:
    """`name`, or one like it that the row has not."""
    while name in row.fields:
        name = f"source_{name}"
    return name


def _array(items: Iterator[bytes]) -> Iterator[bytes]:
    any_yet = False
    for item in items:
        yield (b",\n  " if any_yet else b"[\n  ") + item
        any_yet = True
    yield b"\n]" if any_yet else b"[]"


def _again(spool: IO[bytes]) -> Iterator[bytes]:
    spool.seek(0)
    yield from spool
