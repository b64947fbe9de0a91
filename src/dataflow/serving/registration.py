"""A server's entry in a folder that a run watches: there while it lives, renewed by a heartbeat.

Each server has a file of its own, which it writes whole under another name and renames, so that no
half of one is read. An entry that is renewed no more belongs to a machine that is gone. The reader
sees that by its own clock, since the clocks of two machines differ.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from dataflow.core.errors import OutputError
from dataflow.core.side_files import open_new

ENDING = ".server.json"
"""Of an entry's file."""

BEAT_SECONDS = 5.0
"""Between two renewals."""

STALE_SECONDS = 30.0
"""An entry that was not renewed for so long is stale: its server is gone, or cut off."""

_log = logging.getLogger("dataflow")


@dataclass(frozen=True, slots=True)
class Registration:
    """One server.

    Attributes:
        url: Its address, as other machines reach it.
        model: The name by which requests ask for its model.
        host: The machine's name.
        process: The process's number there.
        beat: Counts the renewals.
        renewed: When the server last renewed it, in seconds since 1970 by its own clock.
    """

    url: str
    model: str
    host: str
    process: int
    beat: int
    renewed: float


@contextlib.contextmanager
def registered(
    folder: Path, url: str, model: str, *, clock: Callable[[], float] = time.time
) -> Iterator[Path]:
    """Keep a server's entry in `folder` during the block, and take it away at its end.

    Args:
        folder: It is made where it is missing.
        url: The server's address.
        model: The name of its model.
        clock: Seconds since 1970.

    Returns:
        The entry's file.

    Raises:
        OutputError: the folder cannot be written.
    """
    name = re.sub(r"[^A-Za-z0-9.-]+", "-", url.partition("://")[2]).strip("-")
    path = folder / f"{name}{ENDING}"
    over = threading.Event()

    def write(beat: int) -> None:
        entry = Registration(url, model, socket.gethostname(), os.getpid(), beat, clock())
        part = path.with_name(f".{path.name}.{os.getpid()}.part")
        with open_new(part) as file:
            file.write(json.dumps(asdict(entry)) + "\n")
        part.replace(path)

    def renew() -> None:
        beat = 0
        while not over.wait(BEAT_SECONDS):
            beat += 1
            try:
                write(beat)
            except OSError as error:  # a disk that is away comes back
                _log.warning("cannot renew %s: %s", path, error.strerror or error)

    try:
        folder.mkdir(parents=True, exist_ok=True)
        write(0)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
    thread = threading.Thread(target=renew, name="dataflow-heartbeat", daemon=True)
    thread.start()
    try:
        yield path
    finally:
        over.set()
        thread.join()
        path.unlink(missing_ok=True)


class RegisteredServers:
    """The servers with an entry in a folder.

    Args:
        folder: It need not be there yet.
        clock: Seconds since 1970.
        watch: Seconds of a clock that never goes back.
    """

    def __init__(
        self,
        folder: Path,
        *,
        clock: Callable[[], float] = time.time,
        watch: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = folder
        self._clock = clock
        self._watch = watch
        self._seen: dict[Path, tuple[tuple[int, float], float]] = {}

    def __reduce__(self) -> tuple[type[RegisteredServers], tuple[Path]]:
        return (RegisteredServers, (self._folder,))

    def living(self) -> list[Registration]:
        """Those whose entry is renewed, by their addresses.

        Raises:
            OSError: the folder cannot be read.
        """
        found = self._entries()
        self._seen = {path: seen for path, seen in self._seen.items() if path in found}
        return sorted(
            (entry for path, entry in found.items() if self._lives(path, entry)),
            key=lambda entry: entry.url,
        )

    def _entries(self) -> dict[Path, Registration]:
        try:
            paths = list(self._folder.iterdir())
        except FileNotFoundError:
            return {}
        read = {path: _read(path) for path in paths if path.name.endswith(ENDING)}
        return {path: entry for path, entry in read.items() if entry is not None}

    def _lives(self, path: Path, entry: Registration) -> bool:
        beat = (entry.beat, entry.renewed)
        known = self._seen.get(path)
        if known is None:
            # an entry of long ago is taken for dead until a heartbeat of it is seen
            is_fresh = abs(self._clock() - entry.renewed) <= STALE_SECONDS
            since = self._watch() if is_fresh else float("-inf")
            self._seen[path] = known = (beat, since)
        elif known[0] != beat:
            self._seen[path] = known = (beat, self._watch())
        return self._watch() - known[1] <= STALE_SECONDS


def _read(path: Path) -> Registration | None:
    """The entry at `path`; None for a file that holds none, or is gone by now."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        return Registration(
            url=str(value["url"]),
            model=str(value["model"]),
            host=str(value["host"]),
            process=int(value["process"]),
            beat=int(value["beat"]),
            renewed=float(value["renewed"]),
        )
    except (OSError, ValueError, TypeError, KeyError):
        return None
