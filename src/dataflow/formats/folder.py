"""A folder of pictures, or one picture file, as a dataset: one row a picture.

The rows come sorted bytewise by the path below the folder with ``/`` between its parts, so the
order is the same on every machine. Memory is bounded by the largest single directory.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from dataflow.core.dataset import Skipped
from dataflow.core.row import Row
from dataflow.formats.input_file import shown, unreadable

PICTURE_ENDINGS = frozenset(
    f".{name}"
    for name in (
        *("jpg", "jpeg", "jpe", "jfif", "png", "apng", "webp", "gif", "bmp", "dib"),
        *("tif", "tiff", "heic", "heif", "avif", "jxl", "jp2", "j2k", "jpx"),
        *("ppm", "pgm", "pbm", "pnm", "tga", "ico"),
    )
)
"""The endings, in lower case, by which a file is taken for a picture."""


def is_picture(name: str) -> bool:
    """Whether the file called `name` is taken for a picture."""
    return os.path.splitext(name)[1].lower() in PICTURE_ENDINGS  # noqa: PTH122 (names may be odd)


class FolderReader:
    """All pictures below a folder.

    Hidden files and folders (a leading dot) and folders behind symbolic links are left out.

    Args:
        folder: The folder, as the user gave it; the rows' paths begin with it.
        picture_key: The column that holds the path.
    """

    def __init__(self, folder: str, picture_key: str) -> None:
        self.skipped = Skipped()
        self._folder = folder
        self._picture_key = picture_key

    def rows(self) -> Iterator[Row]:
        """One row a picture.

        Raises:
            InputError: a folder cannot be listed.
        """
        for index, relative in enumerate(_walk(self._folder)):
            path = os.path.join(self._folder, relative)  # noqa: PTH118 (keeps "./" as given)
            yield Row(index=index, fields={self._picture_key: path}, place=shown(path))

    def count(self) -> int | None:
        """None: counting would mean walking the folder."""
        return None

    def folder(self) -> str:
        """The working folder, because the rows' paths are as the user gave them."""
        return "."

    def column_names(self) -> list[str]:
        """The picture column."""
        return [self._picture_key]


class PictureReader:
    """A dataset of one picture.

    Args:
        path: The picture, as the user gave it.
        picture_key: The column that holds the path.
    """

    def __init__(self, path: str, picture_key: str) -> None:
        self.skipped = Skipped()
        self._path = path
        self._picture_key = picture_key

    def rows(self) -> Iterator[Row]:
        """The one row."""
        yield Row(index=0, fields={self._picture_key: self._path}, place=shown(self._path))

    def count(self) -> int | None:
        """One."""
        return 1

    def folder(self) -> str:
        """The working folder, because the row's path is as the user gave it."""
        return "."

    def column_names(self) -> list[str]:
        """The picture column."""
        return [self._picture_key]


def _walk(folder: str) -> Iterator[str]:
    """The pictures' paths below `folder`, sorted; a stack, because folders may nest deeply."""
    stack = [("", iter(_entries(folder)))]
    while stack:
        parent, entries = stack[-1]
        entry = next(entries, None)
        if entry is None:
            stack.pop()
            continue
        relative = parent + os.fsdecode(entry)
        if entry.endswith(b"/"):
            below = os.path.join(folder, relative)  # noqa: PTH118
            stack.append((relative, iter(_entries(below))))
        else:
            yield relative


def _entries(folder: str) -> list[bytes]:
    """The names in one directory, sorted; a sub-folder's ends with ``/``, which sorts the whole."""
    names = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    names.append(os.fsencode(entry.name) + b"/")
                elif is_picture(entry.name) and _is_file(entry):
                    names.append(os.fsencode(entry.name))
    except OSError as error:
        raise unreadable(folder, error) from error
    return sorted(names)


def _is_file(entry: os.DirEntry[str]) -> bool:
    """A link to nothing or to itself counts: its row then says what is wrong with it."""
    try:
        if entry.is_file():
            return True
    except OSError:
        return True
    return entry.is_symlink() and not os.path.exists(entry.path)  # noqa: PTH110
