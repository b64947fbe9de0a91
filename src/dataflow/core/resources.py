"""What the machine itself lacks: no row is to blame, and no server."""

from __future__ import annotations

import errno

from dataflow.core.errors import StopRunError

_NO_FILES = {errno.EMFILE, errno.ENFILE}
_SOME_MEMORY = 32 * 1024 * 1024
_LIBRARIES = {"ssl", "sqlite3", "zlib"}  # by name: none is imported for want of memory
_NO_MEMORY = (
    "failed to map", "cannot allocate memory", "cannot create shared object",  # the loader
    "malloc failure", "out of memory", "not enough memory",  # OpenSSL, SQLite, zlib
)  # fmt: skip


def lack_of(error: BaseException) -> StopRunError | None:
    """The error that stops the run where `error` means that the machine has no more room.

    Args:
        error: Of the operating system, or of Python for it.

    Returns:
        What is lacking (open files, memory, threads) and the cure; None for any other error.
    """
    number = error.errno if isinstance(error, OSError) else None
    if number in _NO_FILES:
        return StopRunError(
            "no more files and connections can be opened on this machine: raise the limit "
            "(ulimit -n 4096), or have fewer requests in flight (--concurrency)"
        )
    if number == errno.ENOMEM or isinstance(error, MemoryError) or _is_out_of_memory(error):
        return StopRunError(
            "this machine has no memory left: have fewer requests in flight (--concurrency), or "
            "end other programs"
        )
    if isinstance(error, RuntimeError) and "start new thread" in str(error):
        return StopRunError(
            "no more threads can be started on this machine: raise the limit (ulimit -u), or end "
            "other programs"
        )
    return None


def _is_out_of_memory(error: BaseException) -> bool:
    """Whether a library says in words of its own that it got no memory."""
    library = type(error).__module__
    if library not in _LIBRARIES and not isinstance(error, ImportError):
        return False
    if any(word in str(error).lower() for word in _NO_MEMORY):
        return True
    return library == "ssl" and not getattr(error, "reason", None) and not _has_memory()


def _has_memory() -> bool:
    """Whether some memory can be had now: OpenSSL calls the lack of it an unknown error, too."""
    try:
        return bool(bytearray(_SOME_MEMORY))
    except MemoryError:
        return False
