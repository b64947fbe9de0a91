"""Opening the journal's file: made where it is missing, set aside where it cannot be trusted."""

from __future__ import annotations

import contextlib
import functools
import logging
import re
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path

from dataflow.core.errors import JournalError
from dataflow.engine.journal import upgrade as journal_upgrade
from dataflow.engine.paths import free_name

APPLICATION_ID = 0x44464A4C
"""Marks a SQLite file as ours ("DFJL"); see https://sqlite.org/pragma.html#pragma_application_id."""

SCHEMA_VERSION = 5

_FILE_VERSIONS = {1, 2}
"""Bytes 18 and 19 of a SQLite file that can be written (https://sqlite.org/fileformat.html)."""

TABLES = """
CREATE TABLE replies (
    key BLOB PRIMARY KEY, caption TEXT, error_kind TEXT, error TEXT, is_final INTEGER NOT NULL,
    finish_reason TEXT, prompt_tokens INTEGER, completion_tokens INTEGER,
    cached_tokens INTEGER, picture_tokens INTEGER, reasoning_tokens INTEGER, cost REAL,
    attempts INTEGER NOT NULL, seconds REAL NOT NULL, model TEXT NOT NULL,
    asks INTEGER NOT NULL, judged INTEGER NOT NULL,
    checksum INTEGER NOT NULL, run INTEGER NOT NULL, at REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE answers (
    key BLOB NOT NULL, ask INTEGER NOT NULL, text TEXT NOT NULL, kind TEXT, reason TEXT,
    changed TEXT, finish_reason TEXT, prompt_tokens INTEGER, completion_tokens INTEGER,
    cached_tokens INTEGER, picture_tokens INTEGER, reasoning_tokens INTEGER, cost REAL,
    attempts INTEGER NOT NULL, seconds REAL NOT NULL, model TEXT NOT NULL,
    checksum INTEGER NOT NULL, run INTEGER NOT NULL, at REAL NOT NULL, PRIMARY KEY (key, ask)
) WITHOUT ROWID;
CREATE TABLE plan (
    row INTEGER NOT NULL, place INTEGER NOT NULL, key BLOB NOT NULL, PRIMARY KEY (row, place)
) WITHOUT ROWID;
CREATE TABLE runs (
    run INTEGER PRIMARY KEY, started REAL NOT NULL, rows INTEGER, ended REAL, ending TEXT
);
CREATE TABLE pictures (
    place BLOB PRIMARY KEY, size INTEGER, time INTEGER
) WITHOUT ROWID;
CREATE TABLE standing (
    one INTEGER PRIMARY KEY CHECK (one = 1), stamp TEXT, rows INTEGER NOT NULL, output TEXT
);
"""

_SCHEMA = f"""
BEGIN;
{TABLES}
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {SCHEMA_VERSION};
COMMIT;
"""

BATCH_TABLES = """
BEGIN;
CREATE TABLE IF NOT EXISTS batches (
    number INTEGER PRIMARY KEY, token TEXT NOT NULL, place TEXT NOT NULL, state TEXT NOT NULL,
    requests INTEGER NOT NULL, size INTEGER NOT NULL, written REAL NOT NULL, file TEXT, id TEXT,
    status TEXT NOT NULL, done INTEGER NOT NULL, ended REAL
);
CREATE TABLE IF NOT EXISTS asked (
    key BLOB PRIMARY KEY, batch INTEGER NOT NULL, attempts INTEGER NOT NULL, spent TEXT,
    answer TEXT, checksum INTEGER
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS asked_by_batch ON asked (batch);
COMMIT;
"""
"""Added to the journal by `ledger` when requests are first put into batches."""

PRESET_TABLE = """
CREATE TABLE IF NOT EXISTS presets (
    run INTEGER NOT NULL, place TEXT NOT NULL, preset TEXT NOT NULL, PRIMARY KEY (run, place)
) WITHOUT ROWID;
"""
"""Added to the journal when a run asks by presets: each column's preset and its version."""

LOOKUP_BATCH = 500
"""Keys in one SELECT; SQLite's oldest limit on bound values is 999."""

BUSY_SECONDS = 30.0
"""So long is waited for another program that has the file locked."""

_PASSING = re.compile(
    r"locked|busy|unable to open|disk i/o|out of memory|readonly|read-only|is full", re.IGNORECASE
)
"""What SQLite says where not the file is at fault but the moment, the rights or the machine."""

_log = logging.getLogger("dataflow")


def open_database(path: Path | None, *, durable: bool) -> sqlite3.Connection:
    """Open or make the journal at `path`; in memory where it is None.

    A file of a former layout is brought to today's. One that is damaged, of another layout or
    another program's is set aside under a new name beside it, with a warning, and a new one is
    begun; nothing is deleted.

    Raises:
        JournalError: the folder cannot be written.
    """
    if path is None:
        return _prepare(connect(":memory:"), durable=False)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        reason = _distrust(path) if path.exists() else None
        if reason:
            aside = set_aside(path)
            _log.warning("the journal %s %s: set aside as %s; beginning anew", path, reason, aside)
        return _prepare(connect(str(path)), durable=durable)
    except (OSError, sqlite3.Error) as error:
        raise JournalError(
            f"cannot open the journal {path}: {error}; choose an output in a folder that can be "
            "written, on a disk with space"
        ) from error


@contextlib.contextmanager
def guarded(db: sqlite3.Connection, path: Path | None) -> Iterator[None]:
    """Turn SQLite's errors into ours, with the file's name; a half-done write is rolled back.

    Raises:
        JournalError: the file cannot be read or written.
    """
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        if db.in_transaction:
            db.rollback()
        raise JournalError(
            f"the journal {path} cannot be read or written: {error}; free disk space or mend the "
            "file, then run the same command again"
        ) from error


def note_presets(
    db: sqlite3.Connection, path: Path | None, run: int, presets: Mapping[str, str]
) -> None:
    """Keep by which presets a run asks: column → name and version. Without any, no table is made.

    Raises:
        JournalError: the disk is full or the file is damaged.
    """
    if not presets:
        return
    with guarded(db, path):
        db.execute(PRESET_TABLE)
        lines = [(run, column, preset) for column, preset in presets.items()]
        db.executemany(
            "INSERT OR REPLACE INTO presets (run, place, preset) VALUES (?, ?, ?)", lines
        )
        db.commit()


def set_aside(path: Path) -> Path:
    """Rename the journal, with its write-ahead files, to a free name beside it; returns that."""
    aside = free_name(path)
    for ending in ("-wal", "-shm", ""):
        part = path.with_name(path.name + ending)
        if part.exists():
            part.rename(aside.with_name(aside.name + ending))
    return aside


def connect(name: str) -> sqlite3.Connection:
    """A connection to the SQLite file `name`; no table is made."""
    # used by one thread at a time; the journal sees to that
    db = sqlite3.connect(name, timeout=BUSY_SECONDS, check_same_thread=False)
    # a text damaged on disk is caught by its checksum; it must not stop the reading of the others
    db.text_factory = _text
    return db


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


def _prepare(db: sqlite3.Connection, *, durable: bool) -> sqlite3.Connection:
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
        if not _tables(db):
            db.executescript(_SCHEMA)
        elif former := journal_upgrade.former_version(db, _own_tables()):
            journal_upgrade.upgrade(db, former, TABLES, SCHEMA_VERSION)
    except BaseException:
        db.close()
        raise
    return db


def _tables(db: sqlite3.Connection) -> list[tuple[str, str]]:
    """The tables, as they were created."""
    return db.execute(
        "SELECT name, sql FROM sqlite_master WHERE sql NOT NULL ORDER BY 1"
    ).fetchall()


@functools.cache
def _own_tables() -> tuple[list[tuple[str, str]], ...]:
    """The journal's tables, without and with those for batches and presets."""
    found = []
    for added in ("", BATCH_TABLES, PRESET_TABLE, BATCH_TABLES + PRESET_TABLE):
        db = connect(":memory:")
        try:
            db.executescript(_SCHEMA)
            db.executescript(added)
            found.append(_tables(db))
        finally:
            db.close()
    return tuple(found)


def _distrust(path: Path) -> str | None:
    """Why the file at `path` cannot be trusted, or None."""
    with open(path, "rb") as file:
        head = file.read(20)
    if not head and not path.with_name(path.name + "-wal").exists():
        return None
    if head and not set(head[18:20]) <= _FILE_VERSIONS:
        return "is damaged (its header)"  # SQLite would open it for reading only
    db = connect(str(path))
    try:
        verdict = db.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if verdict != "ok":
            return f"is damaged ({verdict})"
        tables = _tables(db)
        if not tables:
            return None  # made, and killed before its first table
        if db.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
            return "belongs to another program"
        if journal_upgrade.former_version(db, _own_tables()):
            return None
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version != SCHEMA_VERSION:
            return f"has another layout (version {version}, not {SCHEMA_VERSION})"
        return None if tables in _own_tables() else "is damaged (its tables)"
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # the latter in SQLite's messages
        if isinstance(error, sqlite3.OperationalError) and _PASSING.search(str(error)):
            raise  # the file may be whole: nothing is set aside, nothing asked again
        return f"is damaged ({error})"
    finally:
        db.close()
