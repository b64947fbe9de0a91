"""A file that is being written; everything the disk refuses becomes an `OutputError`."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from dataflow.core.errors import OutputError
from dataflow.formats.input_file import shown

_BUFFER = 1 << 20  # bytes; few large writes are kinder to network disks


class OutputFile:
    """A new file at `path`, written from start to end.

    Args:
        path: Where; an existing file is overwritten.

    Raises:
        OutputError: the file cannot be created.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.stream = open(path, "wb", buffering=_BUFFER)  # noqa: SIM115 (close, abandon)
        except OSError as error:
            raise self.refused(error) from error

    def write(self, data: bytes) -> None:
        """Append `data`.

        Raises:
            OutputError: the disk is full or fails.
        """
        try:
            self.stream.write(data)
        except OSError as error:
            raise self.refused(error) from error

    def close(self) -> None:
        """Make the file durable: when this returns, its bytes are on the disk.

        Raises:
            OutputError: the disk is full or fails.
        """
        try:
            self.stream.flush()
            os.fsync(self.stream.fileno())
            self.stream.close()
        except OSError as error:
            raise self.refused(error) from error

    def abandon(self) -> None:
        """Let go of the file, whatever state it is in."""
        with contextlib.suppress(OSError, ValueError):
            self.stream.close()

    def refused(self, error: OSError) -> OutputError:
        """The error that names this file and what the disk said."""
        reason = error.strerror or str(error)
        return OutputError(
            f"{shown(self.path)}: cannot be written ({reason}); check the folder, its rights and "
            "the free space"
        )
