"""The standard streams: stderr is for people and may be gone, stdout is data that was asked for."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterable
from typing import Any, NoReturn

from dataflow.core.errors import OutputError, UsageError


class _Deaf(io.FileIO):
    """A stream whose reader may go away, or whose disk may fill up, without anybody being told."""

    def write(self, data: Any) -> int:
        """All of `data`, or as much of it as there is space for; what fails counts as written."""
        written: int | None = None
        with contextlib.suppress(OSError):
            written = super().write(data)
        return memoryview(data).nbytes if written is None else written


def prepare() -> None:
    """Let nothing that becomes of stderr end the run, and no file take a closed stream's number."""
    while (spare := os.open(os.devnull, os.O_RDWR)) <= 2:  # stdin, stdout, stderr
        os.set_inheritable(spare, True)
    os.close(spare)
    if sys.stderr is not None:
        with contextlib.suppress(OSError):
            sys.stderr.flush()
        stream = sys.stderr.buffer  # which is the file itself with PYTHONUNBUFFERED
        if not isinstance(getattr(stream, "raw", stream), io.FileIO):
            # a console of Windows, which takes characters and not bytes
            sys.stderr.reconfigure(errors="backslashreplace", line_buffering=True)  # type: ignore[union-attr]
            return
        sys.stderr = io.TextIOWrapper(
            io.BufferedWriter(_Deaf(2, "w", closefd=False)),
            encoding=sys.stderr.encoding,
            errors="backslashreplace",
            line_buffering=True,
        )


def end(code: int) -> NoReturn:
    """End the process at once; the interpreter would wait for threads that are stuck."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, AttributeError):  # None where it was closed
            stream.flush()
    os._exit(code)


def need_stdout(option: str) -> None:
    """Make sure that there is a stdout to print to, before anything is spent.

    Args:
        option: What prints there.

    Raises:
        UsageError: it was closed when the command began.
    """
    if sys.stdout is None:
        raise UsageError(f"{option} prints to stdout, which is closed: leave out {option}")


def put(lines: Iterable[str]) -> None:
    """Print `lines` to stdout; a reader that has seen enough (``| head``) is no error.

    Raises:
        OutputError: stdout cannot be written for another reason.
    """
    try:
        for line in lines:
            sys.stdout.buffer.write((line + "\n").encode("utf-8", "backslashreplace"))
        sys.stdout.flush()
    except OSError as error:
        # what is left in the buffer must not fail once more at the end
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
        if not isinstance(error, BrokenPipeError):
            raise OutputError(f"stdout cannot be written: {error.strerror or error}") from error
