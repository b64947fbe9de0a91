"""What an engine's process writes: read in a thread, kept within bounds, searched for reasons."""

from __future__ import annotations

import os
import re
import threading
from collections import deque

from dataflow.serving.local.engine_log import EngineLog

_HEAD = 200  # lines kept from the start, where an engine says why it does not load
_TAIL = 400  # lines kept from the end, where it says why it died
_WIDTH = 2000  # characters kept of a line
_ENGINE = re.compile(r"engine (\d+)$")  # the watchdog's first line
_COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


class ProcessLog:
    """The lines of a process's output, as they come.

    Args:
        descriptor: The reading end of the pipe; closed at the end of the output.
        copy: The file that keeps every line, or None.

    Attributes:
        engine: The engine's process id as the watchdog reports it, or None before that.
    """

    def __init__(self, descriptor: int, copy: EngineLog | None = None) -> None:
        self.engine: int | None = None
        self._copy = copy
        self._head: list[str] = []
        self._tail: deque[str] = deque(maxlen=_TAIL)
        self._lock = threading.Lock()
        # Unbuffered reading: a daemon thread inside a buffered read would hold that buffer's lock
        # when the interpreter ends.
        self._thread = threading.Thread(
            target=self._read, args=(descriptor,), name="engine-output", daemon=True
        )
        self._thread.start()

    def lines(self) -> list[str]:
        """The lines kept: the first 200 and the last 400."""
        with self._lock:
            return [*self._head, *self._tail]

    def last(self) -> str:
        """The last line that says anything, or an empty string."""
        return next((line for line in reversed(self.lines()) if line.strip()), "")

    def finish(self, seconds: float = 2.0) -> None:
        """Wait up to `seconds` until everything written has been read."""
        self._thread.join(seconds)

    def _read(self, descriptor: int) -> None:
        rest = b""
        while True:
            try:
                data = os.read(descriptor, 65536)
            except OSError:
                data = b""
            # A progress bar overwrites its line with carriage returns; each state is a line to us.
            *whole, rest = (rest + data).replace(b"\r", b"\n").split(b"\n")
            kept = [self._keep(line) for line in (whole if data else [*whole, rest])]
            if self._copy is not None and any(kept):
                self._copy.write([line for line in kept if line])
            rest = rest[-_WIDTH:]
            if not data:
                break
        os.close(descriptor)

    def _keep(self, raw: bytes) -> str:
        """Keep a line; returns it, or an empty text where it says nothing."""
        line = _COLOUR.sub("", raw[: 4 * _WIDTH].decode("utf-8", "replace"))[:_WIDTH].rstrip()
        if self.engine is None and (found := _ENGINE.match(line)):
            self.engine = int(found[1])
            return ""
        if line:
            with self._lock:
                (self._head if len(self._head) < _HEAD else self._tail).append(line)
        return line
