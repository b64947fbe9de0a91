"""One answer to "has this file changed?", for files of this machine and at URLs."""

from __future__ import annotations

import os
from typing import TypeAlias

from dataflow.remote.path import AnyPath, RemotePath

FileFingerprint: TypeAlias = "tuple[int, int] | tuple[None, None]"
"""A file's size in bytes, its time of last change in nanoseconds; None where there is no file."""


def file_fingerprint(location: str | bytes) -> FileFingerprint:
    """What tells that the file at `location` on this machine has changed; it costs one stat."""
    try:
        status = os.stat(location)  # noqa: PTH116 - a name may not be one for Path
    except (OSError, ValueError):
        return None, None
    return status.st_size, status.st_mtime_ns


def path_fingerprint(path: AnyPath) -> tuple[object, ...] | None:
    """What tells that the file at `path` has changed or is another one; None for no such file.

    A file of this machine has size, time of last change and inode; one at a URL has its size and
    the version that its store gives, or ``()`` where the store gives none.

    Raises:
        RemoteError: the store cannot be asked.
    """
    if isinstance(path, RemotePath):
        if not path.is_file():
            return None
        known = path.stat()
        return (known.st_size, known.version) if known.version else ()
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return status.st_size, status.st_mtime_ns, status.st_ino
