"""The journal's tables, and the migrations that bring an older file to them.

The file is SQLite 3 (https://sqlite.org/fileformat.html). `user_version` is 1 and the number of
migrations that were made; a migration is never changed once it is released.
"""

from __future__ import annotations

import functools
import sqlite3

from dataflow.core.database import sqlite

APPLICATION_ID = 0x44464A4C
"""Marks a SQLite file as ours ("DFJL"); see https://sqlite.org/pragma.html#pragma_application_id."""

TABLES = """
CREATE TABLE results (
    key BLOB PRIMARY KEY, caption TEXT, error_kind TEXT, error TEXT, is_final INTEGER NOT NULL,
    asks INTEGER NOT NULL, check_fingerprint INTEGER NOT NULL, content_key BLOB, copied_from BLOB,
    finish_reason TEXT, prompt_tokens INTEGER, completion_tokens INTEGER,
    cached_tokens INTEGER, picture_tokens INTEGER, reasoning_tokens INTEGER, cost REAL,
    attempts INTEGER NOT NULL, seconds REAL NOT NULL, model TEXT NOT NULL,
    checksum INTEGER NOT NULL, run INTEGER NOT NULL, committed_at REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX results_by_content ON results (content_key) WHERE content_key NOT NULL;
CREATE TABLE former_results (
    number INTEGER PRIMARY KEY, key BLOB NOT NULL, caption TEXT NOT NULL, model TEXT NOT NULL,
    run INTEGER NOT NULL, committed_at REAL NOT NULL
);
CREATE INDEX former_results_by_key ON former_results (key);
CREATE TABLE attempts (
    key BLOB NOT NULL, ask INTEGER NOT NULL, text TEXT NOT NULL, kind TEXT, reason TEXT,
    changed TEXT, finish_reason TEXT, prompt_tokens INTEGER, completion_tokens INTEGER,
    cached_tokens INTEGER, picture_tokens INTEGER, reasoning_tokens INTEGER, cost REAL,
    attempts INTEGER NOT NULL, seconds REAL NOT NULL, model TEXT NOT NULL,
    checksum INTEGER NOT NULL, run INTEGER NOT NULL, committed_at REAL NOT NULL,
    PRIMARY KEY (key, ask)
) WITHOUT ROWID;
CREATE TABLE decisions (
    number INTEGER PRIMARY KEY, key BLOB NOT NULL, "column" TEXT NOT NULL, kind TEXT NOT NULL,
    text TEXT, author TEXT NOT NULL, decided_at REAL NOT NULL, seen_digest BLOB,
    "group" TEXT NOT NULL, source TEXT NOT NULL, picture TEXT NOT NULL, checksum INTEGER NOT NULL
);
CREATE INDEX decisions_by_key ON decisions (key, "column");
CREATE TABLE decision_subjects (
    key BLOB PRIMARY KEY, subject BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE plan (
    row INTEGER NOT NULL, caption_index INTEGER NOT NULL, key BLOB NOT NULL, subject BLOB,
    PRIMARY KEY (row, caption_index)
) WITHOUT ROWID;
CREATE TABLE written (
    row INTEGER NOT NULL, caption_index INTEGER NOT NULL, key BLOB NOT NULL,
    subject BLOB NOT NULL, digest BLOB,
    PRIMARY KEY (row, caption_index)
) WITHOUT ROWID;
CREATE TABLE runs (
    run INTEGER PRIMARY KEY, started REAL NOT NULL, rows INTEGER, ended REAL, ending TEXT,
    settings TEXT, options TEXT
);
CREATE TABLE presets (
    run INTEGER NOT NULL, column TEXT NOT NULL, preset TEXT NOT NULL, PRIMARY KEY (run, column)
) WITHOUT ROWID;
CREATE TABLE pictures (
    path BLOB PRIMARY KEY, size INTEGER, time INTEGER
) WITHOUT ROWID;
CREATE TABLE plan_state (
    one INTEGER PRIMARY KEY CHECK (one = 1), fingerprint TEXT, rows INTEGER NOT NULL, output TEXT
);
CREATE TABLE output_state (
    one INTEGER PRIMARY KEY CHECK (one = 1), files TEXT
);
CREATE TABLE batches (
    number INTEGER PRIMARY KEY, token TEXT NOT NULL, server TEXT NOT NULL, state TEXT NOT NULL,
    requests INTEGER NOT NULL, size INTEGER NOT NULL, written REAL NOT NULL, file TEXT, id TEXT,
    status TEXT NOT NULL, done INTEGER NOT NULL, ended REAL
);
CREATE TABLE batch_requests (
    key BLOB PRIMARY KEY, batch INTEGER NOT NULL, attempts INTEGER NOT NULL, spent TEXT,
    answer TEXT, checksum INTEGER
) WITHOUT ROWID;
CREATE INDEX batch_requests_by_batch ON batch_requests (batch);
"""

MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE adaptations (
        serving TEXT PRIMARY KEY, learned TEXT NOT NULL, run INTEGER NOT NULL
    ) WITHOUT ROWID;
    """,
    """
    CREATE TABLE losses (
        number INTEGER PRIMARY KEY, what TEXT NOT NULL, noted REAL NOT NULL, accepted REAL
    );
    """,
)
"""Statements that bring version 1 to 2, 2 to 3 …; only ever appended to."""

VERSION = 1 + len(MIGRATIONS)
"""The `user_version` of a file that is up to date."""


def create(db: sqlite3.Connection) -> None:
    """Make the tables in an empty file, all or none."""
    steps = "".join(MIGRATIONS)
    db.executescript(
        f"BEGIN; {TABLES} {steps} PRAGMA application_id = {APPLICATION_ID}; "
        f"PRAGMA user_version = {VERSION}; COMMIT;"
    )


def migrate(db: sqlite3.Connection) -> None:
    """Make the migrations that the file lacks, each in a transaction of its own."""
    for version in range(version_of(db), VERSION):
        step = MIGRATIONS[version - 1]
        db.executescript(f"BEGIN; {step} PRAGMA user_version = {version + 1}; COMMIT;")


def version_of(db: sqlite3.Connection) -> int:
    """The file's `user_version`."""
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def mismatch(db: sqlite3.Connection) -> str | None:
    """Why the tables of the file are not a journal's that this program can use; None if they are.

    Raises:
        sqlite3.Error: the file cannot be read.
    """
    if not (found := sqlite.tables(db)):
        return None  # made, and killed before its first table
    if db.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        return "belongs to another program"
    version = version_of(db)
    if not 1 <= version <= VERSION:
        return f"has another layout (version {version}, not {VERSION})"
    return None if found == _tables_of(version) else "is damaged (its tables)"


@functools.cache
def _tables_of(version: int) -> list[tuple[str, str]]:
    db = sqlite.connect(":memory:")
    try:
        db.executescript(TABLES + "".join(MIGRATIONS[: version - 1]))
        return sqlite.tables(db)
    finally:
        db.close()
