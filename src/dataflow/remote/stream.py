"""The bytes of a file at a URL, read by ranges as they are wanted."""

from __future__ import annotations

import io
import tempfile
from typing import Any

from dataflow.remote import filesystem
from dataflow.remote.errors import RemoteError, changed, map_errors, with_retries
from dataflow.remote.filesystem import RemoteStat
from dataflow.remote.pure_path import PureRemotePath

BUFFER = 4 << 20
"""Bytes read at once where a file is read from start to end."""


def open_stream(place: PureRemotePath, buffer: int = BUFFER) -> io.BufferedReader:
    """The file at `place`, for reading and seeking.

    Where the server gives no parts of a file, it is fetched whole into a temporary file first.

    Args:
        place: Where.
        buffer: Bytes read at once, at least.

    Raises:
        RemoteError: there is no file, or it cannot be had.
        MissingPackageError: the store's package is not installed.
    """
    known = filesystem.stat(place)
    if known.has_ranges:
        source = _Ranges(place, known)
        if with_retries(source.gives_parts):
            return io.BufferedReader(source, buffer)
        source.close()
    return with_retries(lambda: _fetched(place, known))


class _Ranges(io.RawIOBase):
    """The file; each read is a request. Read to its end, it is checked to be still the same."""

    def __init__(self, place: PureRemotePath, known: RemoteStat) -> None:
        self._place = place
        self._known = known
        self._at = 0
        self._file = self._opened()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._known.st_size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def readinto(self, buffer: Any) -> int:
        end = min(self._at + len(buffer), self._known.st_size)
        if end <= self._at:
            return 0
        data = with_retries(lambda: self._range(self._at, end))
        if end == self._known.st_size and filesystem.stat(self._place) != self._known:
            raise changed(self._place)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def readall(self) -> bytes:
        parts = iter(lambda: self.read(BUFFER), b"")
        return b"".join(filter(None, parts))

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()

    def gives_parts(self) -> bool:
        """Whether the server does what it is asked: some web servers give the whole file."""
        if self._place.scheme != "http" or self._known.st_size < 2:
            return True
        with map_errors(self._place):
            try:
                self._file.seek(1)
                self._file.read(1)
            except ValueError:
                return False
        return True

    def _opened(self) -> Any:
        # a BufferedReader reads ahead; another cache would only hold the same bytes twice
        return filesystem.ask(self._place, "open", "rb", block_size=BUFFER, cache_type="none")

    def _range(self, start: int, end: int) -> bytes:
        with map_errors(self._place):
            self._file.seek(start)
            data: bytes = self._file.read(end - start)
        if len(data) != end - start:
            raise RemoteError(self._place, f"a part of {end - start} bytes came as {len(data)}")
        return data


def _fetched(place: PureRemotePath, known: RemoteStat) -> io.BufferedReader:
    file = tempfile.TemporaryFile()  # noqa: SIM115 (the caller closes it)
    try:
        with filesystem.ask(place, "open", "rb", block_size=0) as source:
            while data := _next(source, place):
                file.write(data)
        if filesystem.stat(place) != known:
            raise changed(place)
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return file  # type: ignore[return-value]  # a BufferedRandom, which reads as one


def _next(source: Any, place: PureRemotePath) -> bytes:
    with map_errors(place):
        data: bytes = source.read(BUFFER)
    return data
