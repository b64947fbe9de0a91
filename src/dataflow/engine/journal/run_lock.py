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
        path: The lock file; it is made where it is missing and goes with `release`.

    Raises:
        OutputError: another process holds it, or the folder cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            while self._file is None:
                self._file = self._take()
            os.truncate(self._file, 0)
            os.write(self._file, f"process {os.getpid()} on {socket.gethostname()}\n".encode())
        except OSError as error:
            self.release()
            raise OutputError(
                f"cannot write beside the output ({path}): {error.strerror}; choose an output in "
                "a folder that can be written, on a disk with space"
            ) from error

    def _take(self) -> int | None:
        """The locked file; None where its holder has just let it go and removed it."""
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(file, 200).decode("utf-8", "replace").strip() or "another run"
            os.close(file)
            raise OutputError(
                f"{holder} is writing this output (lock {self._path}); wait for it, stop it, or "
                "choose another output"
            ) from None
        except OSError:
            os.close(file)
            raise
        try:
            is_ours = os.path.samestat(os.fstat(file), self._path.stat())
        except FileNotFoundError:
            is_ours = False
        if not is_ours:
            os.close(file)
            return None
        return file

    def release(self) -> None:
        """Let go and remove the file; may be called twice."""
        if self._file is not None:
            # removed while it is still held, so that nobody can hold a file that is gone
            self._path.unlink(missing_ok=True)
            os.close(self._file)
            self._file = None


def holder_of(path: Path) -> str | None:
    """Who holds the lock at `path`, for people; None for nobody.

    Told without touching the lock: a run that begins at this moment must not meet us holding it.
    A holder on another machine is believed.
    """
    try:
        words = path.read_text(encoding="utf-8", errors="replace").split()
    except OSError:
        return None
    if len(words) != _WORDS or not words[1].isdecimal():
        return None
    process, host = int(words[1]), words[3]
    is_there = host != socket.gethostname() or _is_alive(process)
    return f"process {process} on {host}" if is_there else None


_WORDS = 4  # "process 123 on host"


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        return True
    return True
