"""A folder of pictures, or one picture file, as a dataset: one row a picture.

The rows come sorted bytewise by the path below the folder with ``/`` between its parts, so the
order is the same on every machine. Memory is bounded by the largest single directory.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field

from dataflow.core.dataset import Skipped
from dataflow.core.errors import InputError
from dataflow.core.row import Row
from dataflow.core.text import path_text
from dataflow.formats.base.reading import unreadable, wrong_at
from dataflow.formats.folder.sidecar import SidecarFiles
from dataflow.formats.patterns.endings import is_picture
from dataflow.formats.patterns.glob_filter import GlobFilter
from dataflow.remote.filesystem import names_in
from dataflow.remote.path import RemotePath, is_remote


@dataclass(frozen=True, slots=True)
class PictureFolder:
    """How the pictures of a folder become rows.

    Attributes:
        key: The column that holds the picture's path.
        pick: Which are taken.
        sidecars: Their sidecars: each row then also tells the caption that is there
            (`SidecarFiles.field`), and a picture whose caption is to be left as it is makes no row.
            None to look for none.
        skip_bad_rows: Leave out a picture whose sidecar cannot be read, and note it; otherwise it
            is an error.
    """

    key: str = "image"
    pick: GlobFilter = field(default_factory=GlobFilter)
    sidecars: SidecarFiles | None = None
    skip_bad_rows: bool = False


class FolderReader:
    """All pictures below a folder, or one picture.

    Hidden files and folders (a leading dot) and folders behind symbolic links are left out.

    Args:
        path: The folder or picture, as the user gave it; the rows' paths begin with it.
        pictures: How pictures become rows.

    Attributes:
        left: Pictures that the latest pass left as they are, because they have a caption.
        sidecars: As given; None for none.
    """

    def __init__(self, path: str, pictures: PictureFolder = PictureFolder()) -> None:
        self.skipped = Skipped()
        self.left = 0
        self._path = path
        self._pictures = pictures
        self.sidecars = pictures.sidecars

    def rows(self) -> Iterator[Row]:
        """One row a picture.

        Raises:
            InputError: a folder cannot be listed, two pictures would share a sidecar, or a
                sidecar cannot be read and its picture is not to be skipped.
        """
        self.skipped, self.left = Skipped(), 0
        index = 0
        for path in self._paths():
            try:
                fields = self._fields(path)
            except InputError as error:
                if not self._pictures.skip_bad_rows:
                    raise
                self.skipped.add(error)
                continue
            if fields is None:
                self.left += 1
                continue
            where = str(RemotePath(path)) if is_remote(path) else path_text(path)
            yield Row(index=index, fields=fields, source=where)
            index += 1

    def fits_any(self) -> bool:
        """Whether there is a picture that is taken, be it left as it is or not.

        Raises:
            InputError: a folder cannot be listed, or two pictures would share a sidecar.
        """
        return next(self._paths(), None) is not None

    def count(self) -> int | None:
        """One for a picture; None for a folder: counting would mean walking it."""
        return None if self.sidecars or self._is_folder() else 1

    def folder(self) -> str:
        """The working folder, because the rows' paths are as the user gave them."""
        return "."

    def column_names(self) -> list[str]:
        """The picture column, and where sidecars are looked for, that of their captions."""
        return [self._pictures.key, *([self.sidecars.field] if self.sidecars else [])]

    def _fields(self, path: str) -> dict[str, str] | None:
        fields, sidecars = {self._pictures.key: path}, self.sidecars
        if sidecars is None:
            return fields
        if sidecars.is_left(path):
            return None
        # a caption that is to be left alone is no caption to add to
        fields[sidecars.field] = "" if sidecars.existing == "skip" else sidecars.text(path)
        return fields

    def _is_folder(self) -> bool:
        if is_remote(self._path):
            return not is_picture(str(RemotePath(self._path)))
        return os.path.isdir(self._path)  # noqa: PTH112 (the name is kept as given)

    def _paths(self) -> Iterator[str]:
        if not self._is_folder():
            yield self._path
            return
        for relative in self._walk():
            yield self._path_of(relative)

    def _walk(self) -> Iterator[str]:
        """The pictures' paths below the folder, sorted; a stack, because folders nest deeply."""
        stack = [("", iter(self._taken("")))]
        while stack:
            parent, entries = stack[-1]
            entry = next(entries, None)
            if entry is None:
                stack.pop()
            elif entry.endswith("/"):
                stack.append((parent + entry, iter(self._taken(parent + entry))))
            else:
                yield parent + entry

    def _taken(self, parent: str) -> list[str]:
        """The entries of the folder `parent` that are taken."""
        pick = self._pictures.pick
        listed = map(os.fsdecode, _entries(self._path_of(parent)))
        entries = [
            entry
            for entry in listed
            if (
                pick.enters(parent + entry[:-1]) if entry[-1] == "/" else pick.takes(parent + entry)
            )
        ]
        if self.sidecars:
            self._refuse_twins(parent, entries)
        return entries

    def _refuse_twins(self, parent: str, entries: list[str]) -> None:
        """Stop where two pictures would have one sidecar: whose caption would be in it?"""
        seen: dict[str, str] = {}
        for entry in entries:
            if entry.endswith("/"):
                continue
            stem = os.path.splitext(entry)[0]  # noqa: PTH122 (names may be odd)
            if stem in seen:
                one, two = (path_text(self._path_of(parent + name)) for name in (seen[stem], entry))
                raise wrong_at(
                    two,
                    f"its sidecar would be that of {one} too; rename one of them, or leave one out "
                    "by --exclude",
                )
            seen[stem] = entry

    def _path_of(self, relative: str) -> str:
        return os.path.join(self._path, relative)  # noqa: PTH118 (keeps "./" as given)


def _entries(folder: str) -> list[bytes]:
    """The names in one directory, sorted; a sub-folder's ends with ``/``, which sorts the whole."""
    names: list[bytes] = []
    try:
        if is_remote(folder):
            return sorted(os.fsencode(name) for name in names_in(RemotePath(folder)) if _fits(name))
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


def _fits(name: str) -> bool:
    """Whether a name of a store, with ``/`` where it is a folder's, is taken."""
    return not name.startswith(".") and (name.endswith("/") or is_picture(name))


def _is_file(entry: os.DirEntry[str]) -> bool:
    """A link to nothing or to itself counts: its row then says what is wrong with it."""
    try:
        if entry.is_file():
            return True
    except OSError:
        return True
    return entry.is_symlink() and not os.path.exists(entry.path)  # noqa: PTH110
