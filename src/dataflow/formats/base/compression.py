"""Compressed text: gzip, Zstandard, bzip2 and xz, read and written as streams.

The ending of the name tells: ``rows.jsonl.zst`` is JSON Lines in Zstandard. Python's own modules do
the work; Zstandard comes with pyarrow. Members or frames that follow each other in one file are
read as one text.
"""

from __future__ import annotations

import io
import lzma
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from dataflow.formats.base.arrow_package import need_pyarrow
from dataflow.remote.path import AnyPath

COMPRESSIONS = (".gz", ".zst", ".bz2", ".xz")
"""The endings, in lower case."""

_MAGIC = {".gz": b"\x1f\x8b", ".zst": b"\x28\xb5\x2f\xfd", ".bz2": b"BZh", ".xz": b"\xfd7zX"}
_BUFFER = 1 << 18  # bytes of text decompressed at a time
_XZ_PRESET = 3  # 32 MB of memory; xz's own default, 6, takes 94
_GZIP_LEVEL = 6  # gzip's own default; Python's, 9, takes several times as long for 1 % less


class DamagedError(OSError):
    """What was read is not the compressed data that its name says, or is cut short."""


def compression_of(path: str | AnyPath) -> str:
    """The last ending of `path` in lower case where it is one of `COMPRESSIONS`; else empty."""
    ending = Path(path).suffix.lower()
    return ending if ending in COMPRESSIONS else ""


def compression_by_magic(head: bytes) -> str:
    """The one of `COMPRESSIONS` that a file beginning with `head` (4 bytes) has; else empty."""
    return next((ending for ending, magic in _MAGIC.items() if head.startswith(magic)), "")


def ending_of(path: str | AnyPath) -> str:
    """The ending of `path` in lower case, with its dot; empty where it has none.

    That of a compressed file is both: ``".jsonl.gz"``.
    """
    compression = compression_of(path)
    inner = Path(path).stem if compression else path
    return Path(inner).suffix.lower() + compression


def decompressed(file: io.BufferedReader, compression: str) -> io.BufferedReader:
    """The text in `file`, which is compressed as the ending `compression` says.

    Closing it closes `file`. Reading raises `DamagedError` where the data is damaged or cut short.

    Raises:
        DamagedError: the file has no bytes; even no text has some when it is compressed.
    """
    if not file.peek(1):
        raise DamagedError("it has no bytes")
    return io.BufferedReader(_Text(file, _READERS[compression](file)), _BUFFER)


def compressed(file: BinaryIO, compression: str) -> Any:
    """What compresses into `file` all that is written to it; closing it leaves `file` open."""
    return _WRITERS[compression](file)


class _Text(io.RawIOBase):
    """The bytes of one decompressor, whose many kinds of error become one."""

    def __init__(self, file: BinaryIO, inner: Any) -> None:
        self._file = file
        self._inner = inner

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._inner.read(len(buffer))
        except (EOFError, zlib.error, lzma.LZMAError, OSError) as error:
            raise DamagedError(str(error)) from error
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._inner.close()
            self._file.close()
        super().close()


def _gzip_reader(file: BinaryIO) -> Any:
    import gzip

    return gzip.GzipFile(fileobj=file, mode="rb")


def _zstd_reader(file: BinaryIO) -> Any:
    need_pyarrow("files compressed by Zstandard")
    import pyarrow as pa

    return pa.CompressedInputStream(file, "zstd")


def _bz2_reader(file: BinaryIO) -> Any:
    import bz2

    return bz2.BZ2File(file)


def _gzip_writer(file: BinaryIO) -> Any:
    import gzip

    # without name and time in its head, the same rows make the same bytes
    return gzip.GzipFile("", "wb", _GZIP_LEVEL, file, mtime=0)


def _zstd_writer(file: BinaryIO) -> Any:
    need_pyarrow("files compressed by Zstandard")
    import pyarrow as pa

    return pa.CompressedOutputStream(_KeptOpen(file), "zstd")


def _bz2_writer(file: BinaryIO) -> Any:
    import bz2

    return bz2.BZ2File(file, "wb")


def _xz_writer(file: BinaryIO) -> Any:
    return lzma.LZMAFile(file, "wb", preset=_XZ_PRESET)


class _KeptOpen:
    """`file` for a library that closes what it is given."""

    closed = False
    mode = "wb"

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write(self, data: bytes) -> int:
        return self._file.write(data)

    def flush(self) -> None:
        self._file.flush()

    def tell(self) -> int:
        return self._file.tell()

    def writable(self) -> bool:
        return True

    def readable(self) -> bool:
        return False

    def close(self) -> None:
        self.closed = True


_READERS: dict[str, Callable[[BinaryIO], Any]] = {
    ".gz": _gzip_reader,
    ".zst": _zstd_reader,
    ".bz2": _bz2_reader,
    ".xz": lzma.LZMAFile,
}
_WRITERS: dict[str, Callable[[BinaryIO], Any]] = {
    ".gz": _gzip_writer,
    ".zst": _zstd_writer,
    ".bz2": _bz2_writer,
    ".xz": _xz_writer,
}
