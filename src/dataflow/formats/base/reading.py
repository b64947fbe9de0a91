"""What all readers of one dataset file share: opening it, naming it, its folder."""

from __future__ import annotations

import contextlib
import os
import stat
from abc import abstractmethod
from collections.abc import Callable, Iterator
from io import BufferedReader

from dataflow.core.errors import InputError
from dataflow.core.portable.file_flags import NO_WAIT
from dataflow.core.protocols.dataset import Skipped
from dataflow.core.row import Row
from dataflow.core.text import path_text
from dataflow.formats.base import read_limits
from dataflow.formats.base.compression import (
    DamagedError,
    compression_by_magic,
    compression_of,
    decompressed,
)
from dataflow.remote.errors import RemoteError
from dataflow.remote.path import AnyPath, RemotePath
from dataflow.remote.stream import BUFFER, open_stream

UTF8_MARK = b"\xef\xbb\xbf"
"""The byte order mark that some editors put at the start of a UTF-8 file; it is no content."""


def open_input(path: AnyPath, *, buffer: int = BUFFER) -> BufferedReader:
    """Open `path` for reading bytes; a pipe or a device would block, and could be read only once.

    Args:
        path: The file, here or at a URL.
        buffer: Bytes fetched at once from a URL; fewer where the file is not read in its order.

    Raises:
        InputError: it cannot be opened, or is no regular file.
    """
    try:
        if isinstance(path, RemotePath):
            return open_stream(path, buffer)
        file = open(path, "rb", opener=_opened)  # noqa: SIM115 (the caller closes it)
    except OSError as error:
        raise unreadable(path, error) from error
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise InputError(
            f"{path_text(path)}: is no regular file, and a dataset is read more than once; save "
            "what comes out of it as a file, and give that"
        )
    return file


def _opened(path: str, flags: int) -> int:
    return os.open(path, flags | NO_WAIT)  # a pipe that no process writes to would never open


def open_text(path: AnyPath) -> BufferedReader:
    """Open `path`, which may be compressed, for reading the bytes of UTF-8 text.

    Raises:
        InputError: it cannot be opened, is not compressed as its ending says, or is UTF-16 or
            UTF-32 by its first bytes.
    """
    file = open_input(path)
    compression = compression_of(path)
    try:
        if compression:
            file = decompressed(file, compression)
        head = file.peek(4)[:4]
    except OSError as error:
        file.close()
        raise unreadable(path, error) from error
    if not compression and (packed := compression_by_magic(head)):
        file.close()
        raise InputError(
            f"{path_text(path)}: is compressed; rename it so that its name ends with {packed}"
        )
    # no JSON and no CSV begins with a NUL character, so a NUL here is half of another one
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in head:
        file.close()
        raise not_utf8(path_text(path), "UTF-32" if b"\0\0" in head else "UTF-16")
    return file


def long_lines(file: BufferedReader, path: AnyPath) -> Iterator[bytes | None]:
    """The lines of `file`, without a byte order mark; None for one that is too long to be read.

    Memory holds at most `MAX_LINE` bytes of a line, whatever stands in the file.

    Raises:
        InputError: the file cannot be read.
    """
    try:
        line = file.readline(read_limits.MAX_LINE).removeprefix(UTF8_MARK)
        while line:
            if line.endswith(b"\n") or len(line) < read_limits.MAX_LINE - len(UTF8_MARK):
                yield line
            else:
                while line and not line.endswith(b"\n"):
                    line = file.readline(BUFFER)
                yield None
            line = file.readline(read_limits.MAX_LINE)
    except OSError as error:
        raise unreadable(path, error) from error


def unreadable(path: str | AnyPath, error: OSError) -> InputError:
    """The error that says that `path` cannot be opened or read, and what to check."""
    reason = error.strerror or str(error)
    if isinstance(error, RemoteError):
        return InputError(f"{path_text(path)}: cannot be read: {reason}; {error.cure}")
    if isinstance(error, DamagedError):
        return InputError(
            f"{path_text(path)}: what is compressed in it is damaged or cut short ({reason}); "
            "fetch or write the file again"
        )
    return InputError(
        f"{path_text(path)}: cannot be read ({reason}); check its path, rights and disk"
    )


@contextlib.contextmanager
def as_input_errors(path: AnyPath) -> Iterator[None]:
    """What a store says while it is asked for what is at `path` becomes an `InputError`."""
    try:
        yield
    except RemoteError as error:
        raise unreadable(path, error) from error


def not_utf8(where: str, encoding: str | None = None) -> InputError:
    """The error that says that the text at `where` is not UTF-8, and the cure.

    Args:
        where: The file, with its line where that is known.
        encoding: What the file is instead, as ``iconv`` calls it; None where the bytes do not tell.
    """
    known = "" if encoding else ", where ENCODING is what it was written in: GB18030, CP1252 …"
    return wrong_at(
        where,
        "the text is not UTF-8; save the file as UTF-8 (in Excel: CSV UTF-8), or run "
        f"iconv -f {encoding or 'ENCODING'} -t UTF-8 OLD > NEW{known}",
    )


def wrong_at(where: str, problem: str) -> InputError:
    """The error that says that there is `problem` at `where`."""
    return InputError(f"{where}: {problem}", source=where)


class FileReader:
    """The part of `core.dataset.Reader` that is the same for every dataset file.

    Args:
        path: The file.
        skip_bad_rows: Leave out each row that cannot be read, where the next one is found again,
            and note it in `skipped`; otherwise it is an error.
    """

    def __init__(self, path: AnyPath, *, skip_bad_rows: bool = False) -> None:
        self.path = path
        self.name = path_text(path)
        self.skipped = Skipped()
        self._skip_bad_rows = skip_bad_rows

    @abstractmethod
    def rows(self) -> Iterator[Row]:
        """The rows in order; see `core.dataset.Reader`."""

    def count(self) -> int | None:
        """None: counting rows would mean reading the file."""
        return None

    def column_names(self) -> list[str] | None:
        """None: only the rows know their columns."""
        return None

    def folder(self) -> str:
        """The folder that holds the file."""
        return str(self.path.parent)

    def _begin(self) -> Callable[[InputError], None]:
        """A pass over the rows begins; returns what each bad row's error is handed to."""
        self.skipped = Skipped()
        return self.skipped.add if self._skip_bad_rows else _raised


def _raised(error: InputError) -> None:
    raise error
