"""What runs wrote into sidecars, and what stood there before, so that a run can be repeated.

A run that is killed while it writes, or is run again, must not take its own captions for those
that were there: it would add to them twice, or ask about them. So each original is kept before its
sidecar is written, beside a digest of what is written: whoever changes or deletes a sidecar
afterwards is noticed.

Format: SQLite 3. Table `sidecars`: a sidecar's path as seen from the file, the run that wrote it
(`SidecarBackup`), what it held before (null: there was none), the BLAKE2 digests of what was
written, of the captions that the writer was given and of those that stand in it, whether the
original counts no more, and while it is being written the digest of what it holds until then
(empty: nothing).
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from dataflow.core.errors import OutputError
from dataflow.core.side_files import refuse_link
from dataflow.core.text import path_text, trimmed

_TABLE = """
    CREATE TABLE IF NOT EXISTS sidecars (
        path BLOB PRIMARY KEY, run TEXT NOT NULL, original BLOB, written BLOB NOT NULL,
        given BLOB NOT NULL, text BLOB NOT NULL, is_whole INTEGER NOT NULL, pending BLOB
    ) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class KnownSidecar:
    """A sidecar that a run wrote.

    Attributes:
        original: What it held before; None for no file.
        written: `digest` of what was written, or of what a person made of it since; empty where
            there is no file.
        given: `caption_digest` of the captions that it was written for.
        text: `caption_digest` of the captions as they stand in it.
        is_whole: Whether a person replaced the original, too, so that nothing is added to it.
        pending: `digest` of what it holds until it is written, empty for no file; None once it is.
        is_same_run: Whether a run with the settings of this one wrote it.
    """

    original: bytes | None
    written: bytes
    given: bytes
    text: bytes
    is_whole: bool = False
    pending: bytes | None = None
    is_same_run: bool = True

    def is_as_written(self, data: bytes | None) -> bool:
        """Whether nobody changed a sidecar that holds `data` now; None for no file."""
        now = b"" if data is None else digest(data)
        return now in (self.written, self.pending)


class SidecarBackup:
    """What is known of the sidecars; its methods may be called from any thread.

    Args:
        path: The file; it is made with the first sidecar.
        run: What determines the captions and where they go. To a run that asks for something else,
            the captions of this one are originals.
    """

    def __init__(self, path: Path, run: str) -> None:
        self._path = path
        self._folder = os.path.abspath(path.parent)  # noqa: PTH100 (names may be odd)
        self._run = run
        self._lock = threading.Lock()
        self._database: sqlite3.Connection | None = None

    def _key(self, sidecar: str) -> bytes:
        """The sidecar's path as seen from the file: both may be moved or copied together."""
        place = os.path.abspath(sidecar)  # noqa: PTH100 (names may be odd)
        return os.fsencode(os.path.relpath(place, self._folder))

    def is_empty(self) -> bool:
        """Whether no sidecar was ever written."""
        return self._database is None and not self._path.exists()

    def find(self, sidecar: str) -> KnownSidecar | None:
        """What is known of `sidecar`; None where no run wrote it.

        Raises:
            OutputError: the file cannot be read.
        """
        if self.is_empty():
            return None
        with self._opened() as database:
            found = database.execute(
                "SELECT original, written, given, text, is_whole, pending, run FROM sidecars "
                "WHERE path = ?",
                (self._key(sidecar),),
            ).fetchone()
        if found is None:
            return None
        original, written, given, text, is_whole, pending, run = found
        is_same = run == self._run
        return KnownSidecar(original, written, given, text, bool(is_whole), pending, is_same)

    def keep(self, sidecar: str, known: KnownSidecar) -> None:
        """Keep what is about to be written into `sidecar`, or what a person wrote.

        Raises:
            OutputError: the file cannot be written.
        """
        values = (
            known.original, known.written, known.given, known.text, known.is_whole, known.pending
        )  # fmt: skip
        with self._opened() as database:
            database.execute(
                "INSERT OR REPLACE INTO sidecars "
                "(path, run, original, written, given, text, is_whole, pending) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (self._key(sidecar), self._run, *values),
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
        for ending in ("", "-wal", "-shm"):
            refuse_link(Path(os.fspath(self._path) + ending))
        database = sqlite3.connect(self._path, check_same_thread=False)
        # a kill loses nothing that was committed, and a commit need not wait for the disk
        database.executescript(f"PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF; {_TABLE}")
        return database


NO_SIDECAR = KnownSidecar(None, b"", b"", b"")
"""A sidecar that is not there: a run left it out, or a person deleted it."""


def digest(data: bytes) -> bytes:
    """What tells one content of a file from another."""
    return blake2b(data, digest_size=16).digest()


def caption_digest(caption: str | Sequence[str]) -> bytes:
    """What tells one caption, or one list of captions, from another.

    Blanks at the ends and the kind of line breaks do not count: editors change both.
    """
    texts = [caption] if isinstance(caption, str) else caption
    return digest("\0".join(map(trimmed, texts)).encode("utf-8", "surrogatepass"))
