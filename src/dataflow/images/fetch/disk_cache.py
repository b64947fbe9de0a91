"""A folder that keeps files up to a number of bytes, and lets the longest unused go.

Format: each file lies under its key, ``ab/cdef…``. ``index.sqlite`` (SQLite 3) knows of each its
size, the BLAKE2 digest of its content, and when it was last used. A file never stands under its
name without a line in the index, whatever the instant at which a process is killed: so there are no
more bytes than the index counts.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import logging
import os
import re
import shutil
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from dataflow.images.base.open_file import SMALL

_TABLES = """
    CREATE TABLE IF NOT EXISTS files (
        key TEXT PRIMARY KEY, size INTEGER NOT NULL, digest BLOB NOT NULL, used REAL NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS by_use ON files (used);
    CREATE TABLE IF NOT EXISTS total (bytes INTEGER NOT NULL);
    INSERT INTO total SELECT 0 WHERE NOT EXISTS (SELECT * FROM total);
    CREATE TRIGGER IF NOT EXISTS added AFTER INSERT ON files
        BEGIN UPDATE total SET bytes = bytes + new.size; END;
    CREATE TRIGGER IF NOT EXISTS removed AFTER DELETE ON files
        BEGIN UPDATE total SET bytes = bytes - old.size; END;
"""
_LINE = "SELECT key, size, digest, used FROM files WHERE key = ?"
_KEY = re.compile(r"[0-9a-f]{3,}")
_BUSY = 10.0  # seconds that another process may hold the index
_LEFT_OVER = 3600.0  # seconds after which a file that is still being written belongs to nobody
_CHUNK = 1 << 20

_log = logging.getLogger("dataflow")


class DiskCache:
    """Files by key. Its methods may be called from any thread, and in several processes at once.

    No fault of the disk is raised: it is logged once, as a warning. What cannot be read is not
    there, what cannot be written is not kept.

    Args:
        folder: Where they are kept; made where it is missing.
        most: Bytes that all of them may have together.
    """

    def __init__(self, folder: str, most: int) -> None:
        self._folder = Path(folder)
        self._most = most
        self._lock = threading.Lock()
        self._index: sqlite3.Connection | None = None
        self._reads = self._writes = True

    def find(self, key: str) -> bytes | BinaryIO | None:
        """What is kept under `key`: bytes where it is small, else its open file; None for nothing.

        A file that is not what was kept is removed, and nothing is found.
        """
        if not self._reads:
            return None
        try:
            with self._opened() as index:
                line = index.execute(_LINE, (key,)).fetchone()
            found = None if line is None else self._read(*line[:3])
        except (OSError, sqlite3.Error) as error:
            self._reads = False
            self._warn(f"cannot be read ({_reason(error)})", "fetched again")
            return None
        if found is None and line is not None:
            self.forget(key)
        elif found is not None:
            self._write(lambda: self._note_use(key))
        return found

    def keep(self, key: str, content: bytes | BinaryIO) -> None:
        """Keep `content` under `key`, and let go of others for it.

        Args:
            key: Hexadecimal digits in lower case, at least three.
            content: Bytes, or a file, which is read from its start.
        """
        self._write(lambda: self._put(key, content))

    def forget(self, key: str) -> None:
        """Remove what is kept under `key`."""

        def remove() -> None:
            with self._changing() as index:
                self._remove(index, key)

        self._write(remove)

    def give_up(self, reason: str) -> None:
        """Neither find nor keep anything from now on.

        Args:
            reason: Why, for people.
        """
        self._reads = False
        self._warn(reason, "fetched without it")

    def close(self) -> None:
        """Let go of the index, unless a thread of ours hangs with it."""
        self._reads = self._writes = False
        if self._lock.acquire(timeout=1.0):
            try:
                if self._index is not None:
                    self._index.close()
                    self._index = None
            finally:
                self._lock.release()

    # --- the files ------------------------------------------------------------------------------

    def _path_of(self, key: str) -> Path:
        if not _KEY.fullmatch(key):  # an index from elsewhere may not lead out of the folder
            raise sqlite3.DatabaseError(f"the index holds {key!r:.50}, which is no key")
        return self._folder / key[:2] / key[2:]

    def _read(self, key: str, size: int, digest: bytes) -> bytes | BinaryIO | None:
        """The file of `key` where it has these bytes, else None."""
        try:
            file = open(self._path_of(key), "rb")  # noqa: SIM115 - handed on when it is large
        except FileNotFoundError:  # another process let it go
            return None
        content: bytes | BinaryIO = file
        if size <= SMALL:
            with file:
                content = file.read(SMALL + 1)
        if _measured(content) == (size, digest):
            return content
        file.close()
        return None

    def _put(self, key: str, content: bytes | BinaryIO) -> None:
        size, digest = _measured(content)
        if size > self._most:
            return
        new = self._folder / "new"
        new.mkdir(parents=True, exist_ok=True)
        handle, part = tempfile.mkstemp(dir=new)
        try:
            with os.fdopen(handle, "wb") as file:
                shutil.copyfileobj(_rewound(content), file, _CHUNK)
            self._take_in(key, size, digest, part)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(part)  # noqa: PTH108
            raise

    def _take_in(self, key: str, size: int, digest: bytes, part: str) -> None:
        """Note the file, then give it its name while its line is still there."""
        line = (key, size, digest, time.time())
        with self._changing() as index:
            self._remove(index, key)
            self._make_room(index, size)
            index.execute("INSERT INTO files VALUES (?, ?, ?, ?)", line)
        path = self._path_of(key)
        path.parent.mkdir(exist_ok=True)
        with self._changing() as index:
            if index.execute(_LINE, (key,)).fetchone() == line:
                os.replace(part, path)  # noqa: PTH105
            else:  # another process kept it, too, or let it go already
                os.unlink(part)  # noqa: PTH108

    def _make_room(self, index: sqlite3.Connection, size: int) -> None:
        """Let the longest unused go until there is space for `size` bytes."""
        oldest = "SELECT key FROM files ORDER BY used LIMIT 1"
        while self._total(index) + size > self._most and (line := index.execute(oldest).fetchone()):
            self._remove(index, line[0])

    def _remove(self, index: sqlite3.Connection, key: str) -> None:
        """The file first: what the index still knows of is never more than there is."""
        self._path_of(key).unlink(missing_ok=True)
        index.execute("DELETE FROM files WHERE key = ?", (key,))

    # --- the index ------------------------------------------------------------------------------

    def _note_use(self, key: str) -> None:
        with self._changing() as index:
            index.execute("UPDATE files SET used = ? WHERE key = ?", (time.time(), key))

    def _total(self, index: sqlite3.Connection) -> int:
        total: int = index.execute("SELECT bytes FROM total").fetchone()[0]
        return total

    @contextlib.contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        """The index, in a transaction that keeps other threads and processes from changing it."""
        with self._opened() as index:
            index.execute("BEGIN IMMEDIATE")
            try:
                yield index
                index.execute("COMMIT")
            finally:
                if index.in_transaction:
                    index.execute("ROLLBACK")

    @contextlib.contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            if self._index is None:
                self._index = self._open()
            yield self._index

    def _open(self) -> sqlite3.Connection:
        self._folder.mkdir(parents=True, exist_ok=True)
        _clear(self._folder / "new")
        index = sqlite3.connect(
            self._folder / "index.sqlite",
            timeout=_BUSY,
            isolation_level=None,
            check_same_thread=False,
        )
        # a kill loses nothing that was committed, and a commit need not wait for the disk
        index.executescript(f"PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; {_TABLES}")
        return index

    # --- faults ---------------------------------------------------------------------------------

    def _write(self, change: Callable[[], None]) -> None:
        if not self._writes:
            return
        try:
            change()
        except (OSError, sqlite3.Error) as error:
            self._warn(f"cannot be written ({_reason(error)})", "not kept")

    def _warn(self, fault: str, outcome: str) -> None:
        if self._writes:
            self._writes = False
            _log.warning(
                "the image cache %s %s: pictures are %s from now on, and the run goes on",
                self._folder,
                fault,
                outcome,
            )


def _rewound(content: bytes | BinaryIO) -> BinaryIO:
    if isinstance(content, bytes):
        return io.BytesIO(content)
    content.seek(0)
    return content


def _measured(content: bytes | BinaryIO) -> tuple[int, bytes]:
    """How many bytes it has, and their digest; a file is at its start afterwards."""
    file, digest, size = _rewound(content), hashlib.blake2b(digest_size=16), 0
    while chunk := file.read(_CHUNK):
        digest.update(chunk)
        size += len(chunk)
    file.seek(0)
    return size, digest.digest()


def _clear(folder: Path) -> None:
    """Remove what killed processes left half-written."""
    for file in folder.glob("*"):
        with contextlib.suppress(OSError):
            if file.stat().st_mtime < time.time() - _LEFT_OVER:
                file.unlink()


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
