"""The file that keeps what an engine writes, within bounds and without secrets."""

from __future__ import annotations

import contextlib
import threading
from datetime import datetime, timezone
from pathlib import Path

from dataflow.core.secrets import redact

MOST_BYTES = 4 * 2**20
"""A file that grew to this many bytes becomes ``engine.log.1``, in place of the one before."""


class EngineLog:
    """Keeps lines in a file; a disk that takes none is no reason to stop an engine.

    Args:
        path: The file; what is in it stays.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()

    def begin(self, name: str) -> None:
        """Note that the engine `name` is started."""
        at = datetime.now(timezone.utc).isoformat(timespec="seconds")
        self.write([f"--- {at} {name} is started"])

    def write(self, lines: list[str]) -> None:
        """Append `lines`."""
        with self._lock, contextlib.suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if self.path.exists() and self.path.stat().st_size >= MOST_BYTES:
                self.path.replace(self.path.with_name(self.path.name + ".1"))
            with self.path.open("a", encoding="utf-8", errors="replace") as opened:
                opened.writelines(f"{redact(line)}\n" for line in lines)
