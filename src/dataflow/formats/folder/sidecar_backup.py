"""What stood in the sidecars before a run wrote them, so that the run can be repeated.

A run that is killed while it writes, or is run again, must not take its own captions for those
that were there: it would add to them twice, or ask about them. So each original is kept before its
sidecar is written. A sidecar that somebody changed since is what it is now.

Format: SQLite 3. Table `originals`: a sidecar's path, what it held (null: there was none), and the
BLAKE2 digest of what was written. Table `run`: what was asked for, by which a run knows its own.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path

from dataflow.core.errors import OutputError
from dataflow.core.text import path_text

_TABLES = """
    CREATE TABLE IF NOT EXISTS run (what TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS originals (path BLOB PRIMARY KEY, data BLOB, written BLOB NOT NULL);
"""


class SidecarBackup:
    """The originals of one run; its methods may be called from any thread.

    Args:
        path: The file; it is made with the first original.
        run: What determines the captions and where they go. The originals of a run that asked for
            something else do not count, and go with the first one kept: its captions are originals
            now.
    """

    def __init__(self, path: Path, run: str) -> None:
        self._path = path
        self._run = run
        self._lock = threading.Lock()
        self._database: sqlite3.Connection | None = None
        self._is_ours = False

    def find(self, sidecar: str, now: bytes | None) -> bytes | None:
        """What stood in `sidecar` before this run, which holds `now`; None where there was none.

        Raises:
            OutputError: the file cannot be read.
        """
        if self._database is None and not self._path.exists():
            return now
        with self._opened() as database:
            row = database.execute(
                "SELECT data, written FROM originals WHERE path = ?", (_key(sidecar),)
            ).fetchone()
        if not self._is_ours or row is None or now is None or row[1] != _digest(now):
            return now
        data: bytes | None = row[0]
        return data

    def keep(self, sidecar: str, original: bytes | None, written: bytes) -> None:
        """Keep `original` before `written` takes its place in `sidecar`.

        Raises:
            OutputError: the file cannot be written.
        """
        with self._opened() as database:
            if not self._is_ours:
                database.execute("DELETE FROM originals")
                database.execute("DELETE FROM run")
                database.execute("INSERT INTO run VALUES (?)", (self._run,))
                self._is_ours = True
            database.execute(
                "INSERT OR REPLACE INTO originals VALUES (?, ?, ?)",
                (_key(sidecar), original, _digest(written)),
            )
            database.commit()

    def close(self) -> None:
        """Let go of the file; the next use opens it again."""
        with self._lock:
            if self._database is not None:
                self._database.close()
                self._database = None

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        try:
            with self._lock:
                if self._database is None:
                    self._database = self._open()
                yield self._database
        except sqlite3.Error as error:
            raise OutputError(
                f"{path_text(self._path)}: what stood in the sidecars cannot be kept there "
                f"({error}); make room, or move the file away if it is damaged"
            ) from error

    def _open(self) -> sqlite3.Connection:
        database = sqlite3.connect(self._path, check_same_thread=False)
        # a kill loses nothing that was committed, and a commit need not wait for the disk
        database.executescript(f"PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF; {_TABLES}")
        self._is_ours = database.execute("SELECT what FROM run").fetchall() == [(self._run,)]
        return database


def _key(sidecar: str) -> bytes:
    return os.fsencode(os.path.abspath(sidecar))  # noqa: PTH100 (names may be odd)


def _digest(data: bytes) -> bytes:
    return blake2b(data, digest_size=16).digest()
