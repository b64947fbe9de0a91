"""What the machine itself lacks: no row is to blame, and no server."""

from __future__ import annotations

import errno

from dataflow.core.errors import StopRunError

_NO_FILES = {errno.EMFILE, errno.ENFILE}


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
    if number == errno.ENOMEM or isinstance(error, MemoryError) or _is_unmapped(error):
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


def _is_unmapped(error: BaseException) -> bool:
    """Whether a library could not be loaded for want of memory."""
    words = ("failed to map", "cannot allocate memory", "cannot create shared object")
    return isinstance(error, ImportError) and any(word in str(error).lower() for word in words)
