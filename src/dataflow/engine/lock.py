"""One run per output: the second is told who holds it."""

from __future__ import annotations

import fcntl
import os
import socket
from pathlib import Path

from dataflow.core.errors import OutputError


class RunLock:
    """Holds a file's lock until `release` or until the process ends, however it ends.

    Args:
        path: The lock file; it is made where it is missing and stays when released.

    Raises:
        OutputError: another process holds it, or the folder cannot be written.
    """

    def __init__(self, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file: int | None = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise OutputError(
                f"cannot write beside the output ({path}): {error.strerror}; choose an output in "
                "a folder that can be written"
            ) from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.read(self._file, 200).decode("utf-8", "replace").strip() or "another run"
            os.close(self._file)
            raise OutputError(
                f"{holder} is writing this output (lock {path}); wait for it, stop it, or choose "
                "another output"
            ) from error
        os.truncate(self._file, 0)
        os.write(self._file, f"process {os.getpid()} on {socket.gethostname()}\n".encode())

    def release(self) -> None:
        """Let go; may be called twice."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
