"""The pictures below a folder, in the same order on every machine, in bounded memory.

They come sorted bytewise by the path below the folder with ``/`` between its parts. Memory is
bounded by the largest single directory, times how deep they nest. Linked folders are followed: a
link that leads back to a folder that holds it is a circle and left out; inside a linked folder,
a further link is left out where its target was entered by a link before, so that links that lead
to each other end.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from dataflow.core.protocols.dataset import Skipped
from dataflow.formats.base.reading import unreadable
from dataflow.formats.folder import ignored_files as ignored
from dataflow.formats.patterns.endings import is_picture
from dataflow.formats.patterns.glob_filter import GlobFilter
from dataflow.remote.filesystem import names_in
from dataflow.remote.path import RemotePath, is_remote


@dataclass(frozen=True, slots=True)
class _Folder:
    """A folder that is read: its path below the root, what is in it, and where it really is."""

    below: str
    entries: Iterator[str]
    identity: tuple[int, int] | None = None
    in_link: bool = False


class FolderWalk:
    """One walk over the pictures below a folder.

    Args:
        root: The folder, as the user gave it.
        pick: Which pictures are taken.
        takes_all: Whether masks, thumbnails, recycle bins and hidden files are taken, too.
        skipped: Counts what is passed over, by reason.
        choose: Handed each folder's path below the root and its entries; returns those to take.
    """

    def __init__(
        self,
        root: str,
        pick: GlobFilter,
        *,
        takes_all: bool = False,
        skipped: Skipped,
        choose: Callable[[str, list[str]], list[str]] | None = None,
    ) -> None:
        self._root = root
        self._pick = pick
        self._takes_all = takes_all
        self._skipped = skipped
        self._choose = choose
        self._linked: set[tuple[int, int]] = set()

    def pictures(self) -> Iterator[str]:
        """The pictures' paths below the root, sorted; a stack, because folders nest deeply.

        Raises:
            InputError: a folder cannot be listed.
        """
        stack = [_Folder("", iter(self._taken("")), self._identity(""))]
        while stack:
            entry = next(stack[-1].entries, None)
            if entry is None:
                stack.pop()
            elif not entry.endswith("/"):
                yield stack[-1].below + entry
            elif folder := self._entered(stack[-1], entry, stack):
                stack.append(folder)

    def _entered(self, parent: _Folder, entry: str, stack: list[_Folder]) -> _Folder | None:
        """The sub-folder `entry`, unless it is a link that must not be followed."""
        below = parent.below + entry
        path = self._path(below)
        if is_remote(self._root):
            return _Folder(below, iter(self._taken(below)))
        identity, is_link = self._identity(below), os.path.islink(path.rstrip("/"))  # noqa: PTH114
        if is_link:
            is_circle = identity is None or any(one.identity == identity for one in stack)
            if is_circle or (parent.in_link and identity in self._linked):
                self._skipped.pass_over(ignored.LINKED)
                return None
            if identity is not None:
                self._linked.add(identity)
        in_link = parent.in_link or is_link
        return _Folder(below, iter(self._taken(below)), identity, in_link)

    def _identity(self, below: str) -> tuple[int, int] | None:
        if is_remote(self._root):
            return None
        try:
            status = os.stat(self._path(below) or ".")  # noqa: PTH116 (names may be odd)
        except OSError:
            return None
        return status.st_dev, status.st_ino

    def _path(self, below: str) -> str:
        return path_below(self._root, below)

    def _taken(self, parent: str) -> list[str]:
        """The entries of the folder `parent` that are taken, sorted; a folder's ends with ``/``."""
        remote = is_remote(self._root)
        listed = self._listed_remote(parent) if remote else self._listed(parent)
        pick = self._pick
        fitting = [
            entry
            for entry in listed
            if (
                pick.enters(parent + entry[:-1]) if entry[-1] == "/" else pick.takes(parent + entry)
            )
        ]
        if not self._takes_all:
            fitting = self._without_masks(fitting)
        fitting.sort(key=os.fsencode)
        return fitting if self._choose is None else self._choose(parent, fitting)

    def _without_masks(self, entries: list[str]) -> list[str]:
        stems = {os.path.splitext(entry)[0] for entry in entries if entry[-1] != "/"}  # noqa: PTH122
        masks = {entry for entry in entries if entry[-1] != "/" and ignored.is_mask(entry, stems)}
        if masks:
            self._skipped.pass_over(ignored.MASKS, len(masks))
        return [entry for entry in entries if entry not in masks]

    def _ignores(self, rule: str | None) -> bool:
        if rule is None or (self._takes_all and rule != ignored.MACOS):
            return False
        self._skipped.pass_over(rule)
        return True

    def _listed_remote(self, parent: str) -> Iterator[str]:
        folder = RemotePath(self._path(parent))
        try:
            for name in names_in(folder):
                if name.endswith("/"):
                    if not self._ignores(ignored.ignored_folder(name[:-1])):
                        yield name
                elif is_picture(name):
                    if not self._ignores(ignored.ignored_file(name.rpartition("/")[2])):
                        yield name
                elif ignored.other_kind(name) is None:
                    self._skipped.pass_over(ignored.UNLISTED)
        except OSError as error:
            raise unreadable(folder, error) from error

    def _listed(self, parent: str) -> Iterator[str]:
        folder = self._path(parent)
        try:
            with os.scandir(folder or ".") as entries:
                for entry in entries:
                    if _is_folder(entry):
                        if not self._ignores(ignored.ignored_folder(entry.name)):
                            yield entry.name + "/"
                    elif self._is_taken_file(entry):
                        yield entry.name
        except OSError as error:
            raise unreadable(folder, error) from error

    def _is_taken_file(self, entry: os.DirEntry[str]) -> bool:
        if is_picture(entry.name):
            return _is_file(entry) and not self._ignores(ignored.ignored_file(entry.name))
        kind = ignored.other_kind(entry.name)
        if kind is not None or entry.name.startswith("."):
            if kind:
                self._skipped.pass_over(f"{ignored.UNKNOWN} ({kind})")
            return False
        if not _is_regular(entry):
            return False
        if ignored.is_picture_head(_head(entry.path)):
            return True
        self._skipped.pass_over(ignored.UNKNOWN)
        return False


def path_below(root: str, below: str) -> str:
    """Where that is which the walk of `root` calls `below`; ``./`` and empty parts are kept."""
    if is_remote(root):
        return f"{root.rstrip('/')}/{below}"
    return os.path.join(root, below)  # noqa: PTH118 (would take "./" away)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _is_file(entry: os.DirEntry[str]) -> bool:
    """A link to nothing or to itself counts: its row then says what is wrong with it."""
    try:
        if entry.is_file():
            return True
    except OSError:
        return True
    return entry.is_symlink() and not os.path.exists(entry.path)  # noqa: PTH110


def _is_regular(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()  # no pipe and no device: reading such may never end
    except OSError:
        return False


def _head(path: str) -> bytes:
    """The first bytes of a file; none where it cannot be read."""
    try:
        with open(path, "rb") as file:
            return file.read(ignored.HEAD_BYTES)
    except OSError:
        return b""
