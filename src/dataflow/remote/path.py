"""A file or folder at a URL, and what its store says about it.

No package of a store is loaded before something is asked of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

from dataflow.remote import filesystem
from dataflow.remote.filesystem import RemoteStat
from dataflow.remote.pure_path import PureRemotePath, is_remote, is_url, scheme_of, server_of

__all__ = [
    "AnyPath", "RemotePath", "RemoteStat", "is_remote", "is_url", "scheme_of", "server_of",
    "to_path",
]  # fmt: skip


class RemotePath(PureRemotePath):
    """A file or folder at a URL; its methods raise `errors.RemoteError`."""

    __slots__ = ()

    def exists(self) -> bool:
        """Whether there is a file or a folder."""
        return filesystem.kind_at(self) is not None

    def is_file(self) -> bool:
        """Whether there is a file."""
        return filesystem.kind_at(self) == "file"

    def is_dir(self) -> bool:
        """Whether there is a folder; a web server has none."""
        if self.scheme == "http":
            return False
        return filesystem.kind_at(self) == "directory"

    def stat(self) -> RemoteStat:
        """What is known of the file."""
        return filesystem.stat(self)

    def iterdir(self) -> Iterator[RemotePath]:
        """The files and folders in this folder."""
        return (self / name.rstrip("/") for name in filesystem.names_in(self))

    def glob(self) -> list[RemotePath]:
        """The files that fit this pattern."""
        return [RemotePath(url) for url in filesystem.matches(self)]

    def unlink(self) -> None:
        """Remove the file."""
        filesystem.remove(self)


AnyPath: TypeAlias = "Path | RemotePath"
"""Where a dataset is: on this machine or at a URL."""


def to_path(name: str | AnyPath) -> AnyPath:
    """What `name` stands for: a file or folder at a URL, or one of this machine."""
    if isinstance(name, str) and is_remote(name):
        return RemotePath(name)
    return Path(name) if isinstance(name, str) else name
