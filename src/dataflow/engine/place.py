"""Where an output truly is, and what becomes of what stood there."""

from __future__ import annotations

import os
import time
from pathlib import Path

from dataflow.core.errors import UsageError

LONGEST_NAME = 255
"""Bytes in the name of one file (``NAME_MAX`` of Linux and macOS)."""

_LONGEST_ENDING = len(".journal.20260102-030405-wal")


def true_place(path: Path) -> Path:
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


def files_at(path: Path) -> list[Path]:
    """The output of one file that is there."""
    return [path] if path.is_file() else []


def free_name(path: Path) -> Path:
    """A name beside `path` that is free: its own and the time."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    free = path.with_name(f"{path.name}.{stamp}")
    number = 1
    while free.exists():
        free = path.with_name(f"{path.name}.{stamp}-{number}")
        number += 1
    return free


def keep_former(file: Path) -> Path:
    """Keep `file` under a free name beside it, while something else takes its place.

    Returns:
        That name. Where the file system can do it, the file stays under its own name, too.

    Raises:
        OSError: the folder cannot be written.
    """
    aside = free_name(file)
    try:
        os.link(file, aside)
    except OSError:  # a file system without links
        file.rename(aside)
    return aside
