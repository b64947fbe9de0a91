"""Where an output truly is, and what becomes of what stood there."""

from __future__ import annotations

import os
import time
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from dataflow.core.errors import UsageError
from dataflow.remote.filesystem import copy
from dataflow.remote.path import AnyPath, RemotePath

_Place = TypeVar("_Place", Path, RemotePath)

LONGEST_NAME = 255
"""Bytes in the name of one file (``NAME_MAX`` of Linux and macOS)."""

_LONGEST_ENDING = len(".journal.20260102-030405-wal")


def resolved_path(path: Path) -> Path:
    """`path`, or the file that it is a symbolic link to, so that the link stays one.

    Raises:
        UsageError: the link leads round in a circle, or the names of the files beside the output
            would be too long.
    """
    _check_name(path)
    if not path.is_symlink():
        return path
    true = Path(os.path.realpath(path))
    if true.is_symlink():
        raise UsageError(f"{path} is a link that leads back to itself; choose another output")
    _check_name(true)
    return true


def _check_name(path: Path) -> None:
    longest = LONGEST_NAME - _LONGEST_ENDING
    size = len(os.fsencode(path.name))
    if size > longest:
        raise UsageError(
            f"the output's name has {size} bytes, and the files beside it are called like it, with "
            f"up to {_LONGEST_ENDING} more: choose a name of {longest} bytes at most"
        )


def state_folder() -> Path:
    """Where programs keep what they need to go on (``XDG_STATE_HOME``), ours in it."""
    given = os.environ.get("XDG_STATE_HOME")
    return (Path(given) if given else Path("~/.local/state").expanduser()) / "dataflow"


def escaped_name(place: RemotePath, folder: Path | None = None) -> Path:
    """The path of this machine beside which all lies that belongs to an output at a URL.

    Journal, lock, errors file and what is not finished; each output has its own, whose path is
    made of its URL.

    Args:
        place: The output.
        folder: Where such paths begin; None for `state_folder`.
    """
    parts = place.url.replace("://", "/").split("/")
    names = [_short(quote(part).replace("..", "%2E%2E")) or "%2F" for part in parts]
    return (folder or state_folder()).joinpath(*names)


def _short(name: str) -> str:
    """`name`, or where no file can be called so, its beginning and a digest of it."""
    if len(name) <= LONGEST_NAME - _LONGEST_ENDING:
        return name
    digest = blake2b(name.encode("utf-8"), digest_size=16).hexdigest()
    return f"{name[:100]}%~{digest}"  # what is quoted has no %~


def files_at(path: AnyPath) -> list[Any]:
    """The output of one file that is there."""
    return [path] if path.is_file() else []


def free_name(path: _Place) -> _Place:
    """A name beside `path` that is free: its own and the time."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    free = path.with_name(f"{path.name}.{stamp}")
    number = 1
    while free.exists():
        free = path.with_name(f"{path.name}.{stamp}-{number}")
        number += 1
    return free


def keep_former(file: AnyPath) -> AnyPath:
    """Keep `file` under a free name beside it, while something else takes its place.

    Returns:
        That name. Where the file system can do it, the file stays under its own name, too.

    Raises:
        OSError: the folder cannot be written.
    """
    if isinstance(file, RemotePath):
        kept = free_name(file)
        copy(file, kept)
        return kept
    aside = free_name(file)
    try:
        os.link(file, aside)
    except OSError:  # a file system without links
        file.rename(aside)
    return aside
