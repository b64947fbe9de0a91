"""SQLite, as every file of ours uses it: one way to connect, to look up many keys, to say errors.

SQLite's own pages say what each PRAGMA does (https://sqlite.org/pragma.html), and why write-ahead
mode needs a disk of this machine (https://sqlite.org/wal.html).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

T = TypeVar("T")

LOOKUP_KEYS = 500
"""Keys in one SELECT; SQLite's oldest limit on bound values is 999."""

BUSY_SECONDS = 30.0
"""How long a connection waits for another program that has the file locked."""


def connect(name: str, *, uri: bool = False) -> sqlite3.Connection:
    """Open the SQLite file `name`; no table is made.

    A text that is damaged on disk reads with replacement characters: its row's checksum tells, and
    the other rows can still be read. The caller sees to it that one thread at a time uses it.

    Args:
        name: A path, ``":memory:"``, or a ``file:`` URI.
        uri: Whether `name` is a URI.

    Raises:
        sqlite3.Error: the file cannot be opened.
    """
    db = sqlite3.connect(name, timeout=BUSY_SECONDS, check_same_thread=False, uri=uri)
    db.text_factory = _text
    return db


def write_ahead(db: sqlite3.Connection, *, fsync: bool) -> None:
    """Use a write-ahead log: readers and the writer do not wait for each other.

    Args:
        db: The file, on a disk of this machine.
        fsync: Whether each commit waits for the disk and so survives a power cut.
    """
    db.execute("PRAGMA journal_mode = WAL")
    db.execute(f"PRAGMA synchronous = {'FULL' if fsync else 'NORMAL'}")


def exclusive(db: sqlite3.Connection) -> None:
    """Use a rollback journal, and let no other program in: the way for a network disk.

    Write-ahead mode shares memory between processes, which a network disk cannot do
    (https://sqlite.org/wal.html, section 1). Each commit waits for the disk.
    """
    db.execute("PRAGMA locking_mode = EXCLUSIVE")
    db.execute("PRAGMA journal_mode = DELETE")
    db.execute("PRAGMA synchronous = FULL")


def marks(count: int) -> str:
    """The text of `count` placeholders: ``"?, ?, ?"``."""
    return ", ".join("?" * count)


def chunks(values: Sequence[T], size: int = LOOKUP_KEYS) -> Iterator[Sequence[T]]:
    """`values` in their order, `size` of them at a time."""
    for start in range(0, len(values), size):
        yield values[start : start + size]


def select_in(
    db: sqlite3.Connection, sql: str, keys: Sequence[bytes], *more: object
) -> Iterator[tuple[Any, ...]]:
    """The rows that `sql` finds for any number of `keys`.

    Args:
        db: The file.
        sql: A SELECT in which ``IN (*)`` stands for the keys, and whose other placeholders follow.
        keys: Of the rows.
        more: Values of these placeholders.
    """
    for part in chunks(keys):
        yield from db.execute(sql.replace("IN (*)", f"IN ({marks(len(part))})"), (*part, *more))


def tables(db: sqlite3.Connection) -> list[tuple[str, str]]:
    """Each table's and index's name and the statement that made it, by name."""
    return db.execute(
        "SELECT name, sql FROM sqlite_master WHERE sql NOT NULL AND name NOT LIKE 'sqlite_%' "
        "ORDER BY 1"
    ).fetchall()


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")
