"""A file that is being written; everything the disk refuses becomes an `OutputError`."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any, BinaryIO, cast

from dataflow.core.errors import OutputError
from dataflow.core.portable.files import replace_file
from dataflow.core.side_files import open_new
from dataflow.core.text import path_text
from dataflow.formats.base.compression import compressed
from dataflow.remote.errors import RemoteError
from dataflow.remote.filesystem import put
from dataflow.remote.path import AnyPath, RemotePath

_BUFFER = 1 << 20  # bytes; few large writes are kinder to network disks


class AtomicFile:
    """A new file at `path`, written from start to end.

    Args:
        path: Where; an existing file, or a link, is removed.
        compression: The ending of `compression.COMPRESSIONS` that it is to have; or empty.

    Raises:
        OutputError: the file cannot be created.
    """

    def __init__(self, path: Path, compression: str = "") -> None:
        self.path = path
        self._is_in_place = False
        try:
            self._file = cast("BinaryIO", open_new(path, "wb", buffering=_BUFFER))
        except OSError as error:
            raise self.as_output_error(error) from error
        self.stream: Any = compressed(self._file, compression) if compression else self._file

    def write(self, data: bytes) -> None:
        """Append `data`.

        Raises:
            OutputError: the disk is full or fails.
        """
        try:
            self.stream.write(data)
        except OSError as error:
            raise self.as_output_error(error) from error

    def close(self) -> None:
        """Make the file durable: when this returns, its bytes are on the disk.

        Raises:
            OutputError: the disk is full or fails.
        """
        try:
            if self.stream is not self._file:
                self.stream.close()
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
        except OSError as error:
            raise self.as_output_error(error) from error

    def commit(self, target: AnyPath) -> None:
        """Let the closed file take the place `target`, whatever stood there.

        Raises:
            OutputError: the folder or the store does not allow it.
        """
        try:
            if isinstance(target, RemotePath):
                put(self.path, target)
                self.path.unlink()
            else:
                replace_file(self.path, target)
        except RemoteError as error:
            raise OutputError(
                f"{path_text(target)}: cannot be written: {error.strerror}; {error.cure}, then run "
                "the same command again: nothing is asked twice"
            ) from error
        except OSError as error:
            raise self.as_output_error(error) from error
        self._is_in_place = True

    def discard(self) -> None:
        """Remove the file, whatever state it is in, unless it is in its place already."""
        if self._is_in_place:
            return
        for stream in (self.stream, self._file):
            with contextlib.suppress(OSError, ValueError):
                stream.close()
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)

    def as_output_error(self, error: OSError) -> OutputError:
        """The error that names this file and what the disk said."""
        reason = error.strerror or str(error)
        return OutputError(
            f"{path_text(self.path)}: cannot be written ({reason}); check the folder, its rights "
            "and the free space"
        )


class FileWriter:
    """The part of `core.dataset.Writer` that is the same for every format of one file.

    Args:
        file: The file, empty so far.
    """

    def __init__(self, file: AtomicFile) -> None:
        self._file = file

    def close(self) -> None:
        """Finish the file; see `core.dataset.Writer`."""
        self._file.close()

    def commit(self, target: AnyPath) -> None:
        """Let the file take its place; see `core.dataset.Writer`."""
        self._file.commit(target)

    def discard(self) -> None:
        """Remove the file; see `core.dataset.Writer`."""
        self._file.discard()
