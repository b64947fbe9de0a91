"""What all readers of one dataset file share: opening it, naming it, its folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

from dataflow.core.errors import InputError

UTF8_MARK = b"\xef\xbb\xbf"
"""The byte order mark that some editors put at the start of a UTF-8 file; it is no content."""


def shown(path: str | Path) -> str:
    r"""`path` fit for messages and logs; bytes that are no UTF-8 are shown as ``\udcXX``."""
    return os.fspath(path).encode("utf-8", "backslashreplace").decode("utf-8")


def open_input(path: Path) -> BinaryIO:
    """Open `path` for reading bytes.

    Raises:
        InputError: it cannot be opened.
    """
    try:
        return open(path, "rb")
    except OSError as error:
        raise unreadable(path, error) from error


def unreadable(path: str | Path, error: OSError) -> InputError:
    """The error that says that `path` cannot be opened or read, and what to check."""
    reason = error.strerror or str(error)
    return InputError(f"{shown(path)}: cannot be read ({reason}); check its path, rights and disk")


def not_utf8(place: str) -> InputError:
    """The error that says that the text at `place` is not UTF-8, and the cure."""
    return InputError(f"{place}: the text is not UTF-8; save the file as UTF-8")


class FileReader:
    """The part of `core.dataset.Reader` that is the same for every dataset file.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = shown(path)

    def count(self) -> int | None:
        """None: counting rows would mean reading the file."""
        return None

    def folder(self) -> str:
        """The folder that holds the file."""
        return str(self.path.parent)
