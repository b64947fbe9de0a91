"""The files that belong to an output: how they are called, and how they are made.

Their names are known to whoever knows the output's, so that a link may lie in their place that
leads to anybody's file: none is followed.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO, Any

from dataflow.core.errors import OutputError
from dataflow.core.portable.file_flags import BYTES, NO_LINK, NOT_INHERITED

ERRORS_ENDING = ".errors.jsonl"
"""Of the errors file beside an output."""

RECORD_ENDING = ".run.json"
"""Of the record of a run beside an output."""

FOLDER_ENDING = ".dataflow"
"""Of the folder beside an output in which all else lies that belongs to it."""


def refuse_link(path: Path) -> None:
    """Refuse a symbolic link where a file of ours is to be: it may lead to anybody's file.

    Raises:
        OutputError: there is one.
    """
    if path.is_symlink():
        raise OutputError(
            f"{path} is a link, and what belongs to an output is not written through links; remove "
            "the link, or choose another output"
        )


def open_new(path: str | os.PathLike[str], mode: str = "w", *, buffering: int = -1) -> IO[Any]:
    """A new file at `path`; what stood there, a link at the most, is removed, not followed.

    Args:
        path: Where.
        mode: ``"w"`` for text in UTF-8, ``"wb"`` for bytes.
        buffering: As that of `open`.

    Raises:
        OSError: it cannot be written.
    """
    clear_way(path)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | NO_LINK | NOT_INHERITED | BYTES
    file = os.open(path, flags, 0o666)
    if "b" in mode:
        return open(file, mode, buffering)
    return open(file, mode, buffering, encoding="utf-8", newline="\n")


def open_append(path: str | os.PathLike[str]) -> IO[str]:
    """The text file at `path`, to add to; a link is not followed.

    Raises:
        OSError: it cannot be written, or is a link.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | NO_LINK | NOT_INHERITED | BYTES
    return open(os.open(path, flags, 0o666), "a", encoding="utf-8", newline="\n")


def clear_way(path: str | os.PathLike[str]) -> None:
    """Remove the file or link at `path`, so that what is written there goes nowhere else.

    Raises:
        OSError: it cannot be removed.
    """
    path = Path(path)
    if path.is_symlink() or path.is_file():
        path.unlink()
