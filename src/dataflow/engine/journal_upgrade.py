"""A journal of the former layout → today's, so that a new version loses no paid answer."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any
from zlib import crc32

from dataflow.core.request import Usage
from dataflow.engine.entry import COLUMNS, Entry

_FORMER_VERSION = 1
_FORMER_TABLES = """
CREATE TABLE replies (
    key BLOB PRIMARY KEY, caption TEXT, error_kind TEXT, error TEXT, is_final INTEGER NOT NULL,
    finish_reason TEXT, prompt_tokens INTEGER, completion_tokens INTEGER,
    attempts INTEGER NOT NULL, seconds REAL NOT NULL, model TEXT NOT NULL,
    checksum INTEGER NOT NULL, run INTEGER NOT NULL, at REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE plan (row INTEGER PRIMARY KEY, key BLOB NOT NULL);
CREATE TABLE runs (run INTEGER PRIMARY KEY, started REAL NOT NULL);
"""
_MARKS = ", ".join("?" * (len(COLUMNS.split(",")) + 3))
_NO_CHECKSUM = -1
"""No entry has it: an answer that was damaged in the former layout stays so."""


def is_former(db: sqlite3.Connection) -> bool:
    """Whether the journal has the layout that the version before had, whole."""
    version = db.execute("PRAGMA user_version").fetchone()[0]
    tables = [sql for (sql,) in db.execute("SELECT sql FROM sqlite_master WHERE sql NOT NULL")]
    former = [f"{sql.strip()}" for sql in _FORMER_TABLES.split(";") if sql.strip()]
    return version == _FORMER_VERSION and sorted(tables) == sorted(former)


def upgrade(db: sqlite3.Connection, tables: str, version: int) -> None:
    """Bring the former layout to `tables`, in one transaction; what it holds is kept.

    Args:
        db: The journal; nobody else has it open.
        tables: The statements that make today's tables.
        version: Today's.

    Raises:
        sqlite3.Error: the file cannot be written; it is as it was.
    """
    with db:  # commits, or rolls back
        db.execute("BEGIN IMMEDIATE")
        for name in ("replies", "plan", "runs"):
            db.execute(f"ALTER TABLE {name} RENAME TO former_{name}")
        for statement in filter(str.strip, tables.split(";")):
            db.execute(statement)
        db.executemany(
            f"INSERT INTO replies ({COLUMNS}, checksum, run, at) VALUES ({_MARKS})",  # noqa: S608
            _rows(db),
        )
        db.execute("INSERT INTO runs (run, started) SELECT run, started FROM former_runs")
        for name in ("replies", "plan", "runs"):
            db.execute(f"DROP TABLE former_{name}")
        db.execute(f"PRAGMA user_version = {version}")


def _rows(db: sqlite3.Connection) -> Iterator[tuple[Any, ...]]:
    former = db.execute(
        "SELECT key, caption, error_kind, error, is_final, finish_reason, prompt_tokens, "
        "completion_tokens, attempts, seconds, model, checksum, run, at FROM former_replies"
    )
    for row in former:
        *outcome, prompt, completion, attempts, seconds, model, checksum, run, at = row
        key, caption, error_kind, error, is_final, finish_reason = outcome
        entry = Entry(
            key, caption, error_kind, error, bool(is_final), finish_reason,
            Usage(prompt, completion), None, attempts, seconds, model,
        )  # fmt: skip
        is_sound = checksum == _former_checksum(entry)
        yield (*entry.values(), entry.checksum() if is_sound else _NO_CHECKSUM, run, at)


def _former_checksum(entry: Entry) -> int:
    text = f"{entry.caption!r}|{entry.error_kind}|{entry.error!r}|{entry.is_final}"
    return crc32(text.encode("utf-8", "surrogatepass"), crc32(entry.key))
