"""The members of a tar archive (POSIX.1-2017 pax, ustar, GNU), read as a stream.

Nothing is ever extracted to the disk. Each member comes with its exact bytes, headers and padding
included, so that it can be copied into another archive as it is. Python's tarfile reads the
headers; what it takes for an early end (a damaged header, a missing rest) is an error here.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from dataflow.core.errors import InputError
from dataflow.core.text import path_text
from dataflow.formats.base import read_limits
from dataflow.formats.base.read_limits import too_long
from dataflow.formats.base.reading import unreadable, wrong_at

BLOCK = 512
"""Bytes; everything in an archive begins at a multiple of it."""

_READ = 1 << 18


@dataclass(frozen=True, slots=True)
class Member:
    """One member.

    Attributes:
        info: Its header, as Python's tarfile tells it.
        raw: All its bytes in the archive: headers, contents, padding.
        start: Where its contents begin in `raw`.
    """

    info: tarfile.TarInfo
    raw: bytes = field(repr=False)
    start: int

    @property
    def data(self) -> bytes:
        """Its contents; empty for what is no file."""
        return self.raw[self.start : self.start + self.info.size] if self.info.isreg() else b""


def members_of(stream: BinaryIO, name: str) -> Iterator[Member]:
    """The members of the archive in `stream`, in order; memory holds one of them.

    Args:
        stream: Its bytes from the start, not compressed.
        name: The archive's, for messages.

    Raises:
        InputError: it is no tar archive, cut short or damaged; the message names the byte.
    """
    window = _Window(stream)
    try:
        archive = _opened(window, name)
        end = 0
        # of an archive without members, Python 3.10 has no next one
        is_empty = archive.firstmember is None  # type: ignore[attr-defined]
        while not is_empty and (info := archive.next()) is not None:
            archive.members.clear()  # type: ignore[attr-defined]  # else each is kept
            _check_size(info, f"{name}, byte {window.end}", end)
            if info.issparse():
                raise wrong_at(f"{name}, {info.name}", "it is stored sparse; pack it again whole")
            start, end = end, _end_of(info)
            if not window.reach(end):
                raise _cut_short(name, window.end)
            raw = window.between(start, end)
            window.forget(end - 1)  # tarfile looks at the byte before a header
            yield Member(info, raw, info.offset_data - start)
        _check_end(window, end, name)
    except (tarfile.TarError, RecursionError, ValueError, OverflowError) as error:
        # thousands of headers in a row nest as deep in Python's tarfile
        raise _damaged(name, window.end, str(error)) from error
    except OSError as error:
        raise unreadable(name, error) from error


def new_member(name: str, data: bytes, like: tarfile.TarInfo | None = None) -> bytes:
    """The exact bytes of a new member, of which owner, mode and time are those of `like`.

    Args:
        name: Its name.
        data: Its contents.
        like: Another member; without one, the time is 1970, so that equal runs make equal bytes.
    """
    info = tarfile.TarInfo(name)
    info.size = len(data)
    if like is not None:
        info.mode, info.mtime = like.mode, int(like.mtime)
        info.uid, info.gid, info.uname, info.gname = like.uid, like.gid, like.uname, like.gname
    header = info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")
    return header + data + b"\0" * (-len(data) % BLOCK)


def ending_for(size: int) -> bytes:
    """What ends an archive whose members take `size` bytes: two empty blocks, and a full record."""
    blank = 2 * BLOCK
    return b"\0" * (blank + -(size + blank) % tarfile.RECORDSIZE)


def _check_size(info: tarfile.TarInfo, where: str, begin: int) -> None:
    """Refuse a member whose size is no size, or more than may be in memory."""
    if info.size < 0 or info.offset_data < begin:
        raise wrong_at(where, f"the archive is damaged (a member of {info.size} bytes)")
    if info.size > read_limits.MAX_MEMBER:
        what = f"the member {path_text(info.name)}"
        raise wrong_at(where, too_long(what, read_limits.MAX_MEMBER))


def _opened(window: _Window, name: str) -> tarfile.TarFile:
    if not window.reach(1):
        raise wrong_at(name, "it has no bytes, and even an empty tar archive has some")
    file: Any = window
    try:
        return tarfile.TarFile(fileobj=file, mode="r", errorlevel=2)
    except (tarfile.TarError, RecursionError, ValueError, OverflowError) as error:
        raise wrong_at(name, f"this is no tar archive ({error})") from error


def _end_of(info: tarfile.TarInfo) -> int:
    has_data = info.isreg() or info.type not in tarfile.SUPPORTED_TYPES
    return info.offset_data + (-(-info.size // BLOCK) * BLOCK if has_data else 0)


def _check_end(window: _Window, end: int, name: str) -> None:
    """After the last member come empty blocks only; tarfile would take any nonsense for them."""
    if not window.reach(end + BLOCK):
        raise _cut_short(name, window.end)
    at = end
    while at < window.end:
        if window.between(at, window.end).strip(b"\0"):
            raise _damaged(name, at, "neither a member nor the end begins there")
        at = window.end
        window.forget(at)
        window.reach(at + _READ)
    if window.end % BLOCK:
        raise _cut_short(name, window.end)


def _cut_short(name: str, at: int) -> InputError:
    return wrong_at(f"{name}, byte {at}", "the archive is cut short; fetch or write it again")


def _damaged(name: str, at: int, why: str) -> InputError:
    return wrong_at(
        f"{name}, byte {at}", f"the archive is damaged ({why}); fetch or write it again"
    )


class _Window:
    """The part of a stream that is held in memory, as a file in which tarfile may seek."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._buffer = bytearray()
        self._first = 0
        self._at = 0

    @property
    def end(self) -> int:
        """How many bytes were read from the stream."""
        return self._first + len(self._buffer)

    def reach(self, end: int) -> bool:
        """Read on until `end`; False where the stream ends before."""
        while self.end < end:
            data = self._stream.read(max(_READ, end - self.end))
            if not data:
                return False
            self._buffer += data
        return True

    def between(self, start: int, end: int) -> bytes:
        """The bytes from `start` to `end`, which are held."""
        return bytes(memoryview(self._buffer)[start - self._first : end - self._first])

    def forget(self, until: int) -> None:
        """Let go of the bytes before `until`."""
        if until > self._first:
            del self._buffer[: until - self._first]
            self._first = until

    def tell(self) -> int:
        return self._at

    def seek(self, at: int) -> None:
        self._at = at

    def read(self, size: int) -> bytes:
        """What tarfile reads: headers only, whose size is told by the archive itself."""
        if not 0 <= size <= read_limits.MAX_HEADER:
            raise tarfile.ReadError(f"a header of {size} bytes")
        self.reach(self._at + size)
        data = self.between(self._at, min(self._at + size, self.end))
        self._at += len(data)
        return data
