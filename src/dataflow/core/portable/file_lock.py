"""A lock on an open file that ends with its process, however that ends.

POSIX has ``flock``. Windows locks bytes, which nobody else can read meanwhile; so the locked byte
is one far behind the end of the file, which the system allows:
https://learn.microsoft.com/windows/win32/api/fileapi/nf-fileapi-lockfile
"""

from __future__ import annotations

import errno
import os

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_LOCKED_BYTE = 0x7FFF_FFFE
_TAKEN = (errno.EACCES, errno.EAGAIN, errno.EDEADLK)


def try_lock(file: int) -> bool:
    """Lock an open file for this holder alone, without waiting.

    Args:
        file: The descriptor of a file that is open for writing.

    Returns:
        Whether it is locked now; another one has the lock otherwise.

    Raises:
        OSError: the file system has no locks.
    """
    if fcntl is None:
        return _lock_byte(file)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_locked(file: int) -> bool:
    """Whether somebody else has locked an open file.

    Raises:
        OSError: the file system has no locks.
    """
    if fcntl is None:
        if not _lock_byte(file):
            return True
        _unlock_byte(file)
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(file, fcntl.LOCK_UN)
    return False


def read_start(file: int, size: int) -> bytes:
    """Up to `size` bytes from the start of an open file."""
    os.lseek(file, 0, os.SEEK_SET)
    return os.read(file, size)


def write_all(file: int, data: bytes) -> None:
    """Let an open file hold `data` and nothing else."""
    os.lseek(file, 0, os.SEEK_SET)
    os.write(file, data)
    os.ftruncate(file, len(data))


def _lock_byte(file: int) -> bool:
    import msvcrt

    os.lseek(file, _LOCKED_BYTE, os.SEEK_SET)
    try:
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    except OSError as error:
        if error.errno in _TAKEN:
            return False
        raise
    return True


def _unlock_byte(file: int) -> None:
    import msvcrt

    os.lseek(file, _LOCKED_BYTE, os.SEEK_SET)
    msvcrt.locking(file, msvcrt.LK_UNLCK, 1)  # type: ignore[attr-defined]
