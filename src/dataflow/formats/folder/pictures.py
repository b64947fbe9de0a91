"""A folder of pictures, or single pictures, as a dataset: one row a picture."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from dataflow.core.errors import InputError
from dataflow.core.protocols.dataset import Skipped
from dataflow.core.row import Row
from dataflow.core.text import path_text
from dataflow.formats.base.reading import wrong_at
from dataflow.formats.folder.folder_walk import FolderWalk, path_below
from dataflow.formats.folder.sidecar import SidecarFiles
from dataflow.formats.patterns.endings import is_picture
from dataflow.formats.patterns.glob_filter import GlobFilter
from dataflow.remote.path import RemotePath, is_remote

_METADATA = ("metadata.jsonl", "metadata.csv", "metadata.parquet")  # of Hugging Face's imagefolder
_LISTED_PAIRS = 20  # of pictures with one sidecar, in a message


@dataclass(frozen=True, slots=True)
class PictureFolder:
    """How the pictures of a folder become rows.

    Attributes:
        key: The column that holds the picture's path.
        pick: Which are taken.
        sidecars: Their sidecars: each row then also tells the caption that is there
            (`SidecarFiles.field`), and a picture whose caption is to be left as it is makes no row.
            None to look for none.
        skip_bad_rows: Leave out a picture whose sidecar cannot be read or would be another
            picture's, too, and note it; otherwise it is an error.
        takes_all: Take masks, thumbnails, recycle bins and hidden files, too; see
            `ignored_files`.
    """

    key: str = "image"
    pick: GlobFilter = field(default_factory=GlobFilter)
    sidecars: SidecarFiles | None = None
    skip_bad_rows: bool = False
    takes_all: bool = False


class FolderReader:
    """All pictures below some folders, and single pictures.

    Linked folders are followed (see `folder_walk`). Thumbnails, masks, recycle bins and hidden
    files are left out by named rules (see `ignored_files`) and counted in `skipped`. A file
    without a picture's ending is taken where its first bytes are those of a picture.

    Args:
        paths: The folder or picture, or several, as the user gave them; the rows' paths begin
            with them.
        pictures: How pictures become rows.

    Attributes:
        left: Pictures that the latest pass left as they are, because they have a caption.
        sidecars: As given; None for none.
    """

    def __init__(
        self, paths: str | Sequence[str], pictures: PictureFolder = PictureFolder()
    ) -> None:
        self.skipped = Skipped()
        self.left = 0
        self._roots = [paths] if isinstance(paths, str) else list(paths)
        self._pictures = pictures
        self.sidecars = pictures.sidecars

    def rows(self) -> Iterator[Row]:
        """One row a picture.

        Raises:
            InputError: a folder cannot be listed, two pictures would share a sidecar, or a
                sidecar cannot be read, and its picture is not to be skipped.
        """
        self.skipped, self.left = Skipped(), 0
        index = 0
        for root, path in self._paths():
            try:
                fields = self._fields(root, path)
            except InputError as error:
                if not self._pictures.skip_bad_rows:
                    raise
                self.skipped.add(error)
                continue
            if fields is None:
                continue
            source = str(RemotePath(path)) if is_remote(path) else path_text(path)
            yield Row(index=index, fields=fields, source=source)
            index += 1

    def fits_any(self) -> bool:
        """Whether there is a picture that is taken, be it left as it is or not.

        Raises:
            InputError: a folder cannot be listed, or two pictures would share a sidecar.
        """
        self.skipped = Skipped()
        return next(self._paths(), None) is not None

    def count(self) -> int | None:
        """The number of single pictures; None for a folder: counting would mean walking it."""
        is_known = not self.sidecars and not any(map(_is_folder, self._roots))
        return len(self._roots) if is_known else None

    def folder(self) -> str:
        """The working folder, because the rows' paths are as the user gave them."""
        return "."

    def column_names(self) -> list[str]:
        """The picture column, and where sidecars are looked for, that of their captions."""
        return [self._pictures.key, *([self.sidecars.field] if self.sidecars else [])]

    def notices(self) -> list[str]:
        """The files beside the pictures that hold more columns and are not read."""
        found = []
        for root in self._roots:
            if is_remote(root) or not _is_folder(root):
                continue
            for folder in itertools.chain([root], itertools.islice(_subfolders(root), 100)):
                paths = (os.path.join(folder, name) for name in _METADATA)  # noqa: PTH118
                found += [path_text(path) for path in paths if os.path.isfile(path)]  # noqa: PTH113
        if not found:
            return []
        others = f" and {len(found) - 1} more" if len(found) > 1 else ""
        notice = (
            f"{found[0]}{others} is not read: its columns will not be in the output; to keep them, "
            f"give the file as INPUT instead of the folder (dataflow caption {found[0]})"
        )
        return [notice]

    def _fields(self, root: str, path: str) -> dict[str, str] | None:
        """The row's fields; None where the picture makes no row."""
        fields, sidecars = {self._pictures.key: path}, self.sidecars
        if sidecars is None:
            return fields
        if error := sidecars.unwritable(path):
            self.skipped.add(error)  # the fault of this picture alone
            return None
        if sidecars.is_left(path):
            self.left += 1
            return None
        # a caption that is to be left alone is no caption to add to
        fields[sidecars.field] = "" if sidecars.existing == "skip" else sidecars.text(path)
        return fields

    def _paths(self) -> Iterator[tuple[str, str]]:
        """Each picture's root and path."""
        for root in self._roots:
            if not _is_folder(root):
                yield root, root
                continue
            for below in self._walk(root, self.skipped).pictures():
                yield root, path_below(root, below)

    def _walk(self, root: str, skipped: Skipped) -> FolderWalk:
        def choose(parent: str, entries: list[str]) -> list[str]:
            pairs = self._pairs(root, parent, entries)
            if pairs and not self._pictures.skip_bad_rows:
                raise self._all_pairs(root)
            for name, other in pairs.items():
                skipped.add(_pair_error(root, parent + name, parent + other))
            return [entry for entry in entries if entry not in pairs]

        return FolderWalk(
            root,
            self._pictures.pick,
            takes_all=self._pictures.takes_all,
            skipped=skipped,
            choose=choose if self.sidecars else None,
        )

    def _pairs(self, root: str, parent: str, entries: Sequence[str]) -> dict[str, str]:
        """The pictures that would share a sidecar, each with another of those that have it."""
        assert self.sidecars is not None  # noqa: S101 (for the type checker)
        first: dict[str, str] = {}
        pairs: dict[str, str] = {}
        for entry in entries:
            if entry.endswith("/"):
                continue
            sidecar = self.sidecars.beside(path_below(root, parent + entry))
            other = first.setdefault(sidecar, entry)
            if other != entry:
                pairs[entry] = other
                pairs.setdefault(other, entry)
        return pairs

    def _all_pairs(self, root: str) -> InputError:
        """The error that names the pictures below `root` that would share a sidecar."""
        found: list[tuple[str, str]] = []

        def note(parent: str, entries: list[str]) -> list[str]:
            pairs = self._pairs(root, parent, entries)
            found.extend(
                (parent + other, parent + name) for name, other in pairs.items() if other < name
            )
            return entries

        pictures = self._pictures
        walk = FolderWalk(
            root, pictures.pick, takes_all=pictures.takes_all, skipped=Skipped(), choose=note
        )
        for _ in walk.pictures():
            pass
        listed = ", ".join(
            f"{_shown(root, one)} and {_shown(root, two)}" for one, two in found[:_LISTED_PAIRS]
        )
        more = f", and {len(found) - _LISTED_PAIRS:,} more" if len(found) > _LISTED_PAIRS else ""
        return wrong_at(
            path_text(root),
            f"these pictures would share a sidecar, as their names differ only in the ending: "
            f"{listed}{more}; rename one of each, leave one out with --exclude, or leave out all "
            "of them with --on-bad-row skip",
        )


def _pair_error(root: str, name: str, other: str) -> InputError:
    return wrong_at(
        _shown(root, name),
        f"its sidecar would be that of {_shown(root, other)}, too; rename one of them",
    )


def _shown(root: str, below: str) -> str:
    return path_text(os.path.join(root, below))  # noqa: PTH118 (keeps "./" as given)


def _is_folder(root: str) -> bool:
    if is_remote(root):
        return not is_picture(str(RemotePath(root)))
    return os.path.isdir(root)  # noqa: PTH112 (the name is kept as given)


def _subfolders(root: str) -> Iterator[str]:
    try:
        with os.scandir(root) as entries:
            yield from (e.path for e in entries if e.is_dir() and not e.name.startswith("."))
    except OSError:
        return  # the walk says what is wrong with it
