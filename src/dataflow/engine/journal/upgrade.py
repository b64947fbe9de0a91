"""A journal of a former layout → today's, so that a new version loses no paid answer."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias
from zlib import crc32

from dataflow.core.request import Usage
from dataflow.engine.journal.records import RESULT_COLUMNS, ResultRecord

Tables: TypeAlias = "list[tuple[str, str]]"
"""Each table's and index's name and the statement that made it, by name."""

_FORMER_REPLIES = """CREATE TABLE replies (
    key BLOB PRIMARY KEY, caption TEXT, error_kind TEXT, error TEXT, is_final INTEGER NOT NULL,
    finish_reason TEXT, prompt_tokens INTEGER, completion_tokens INTEGER,
    cached_tokens INTEGER, picture_tokens INTEGER, reasoning_tokens INTEGER, cost REAL,
    attempts INTEGER NOT NULL, seconds REAL NOT NULL, model TEXT NOT NULL,
    checksum INTEGER NOT NULL, run INTEGER NOT NULL, at REAL NOT NULL
) WITHOUT ROWID"""
"""Version 4, which did not judge answers and had no table of them; in all else it is version 5."""

_SINCE_4 = ("pictures", "standing")
"""The tables that version 3 had not; in all else it is version 4."""

_FORMER_PLAN = "CREATE TABLE plan (row INTEGER PRIMARY KEY, key BLOB NOT NULL)"
"""Version 2, in which each row had one caption; in all else it is version 3."""

_FIRST_TABLES = """
CREATE TABLE replies (
    key BLOB PRIMARY KEY, caption TEXT, error_kind TEXT, error TEXT, is_final INTEGER NOT NULL,
    finish_reason TEXT, prompt_tokens INTEGER, completion_tokens INTEGER,
    attempts INTEGER NOT NULL, seconds REAL NOT NULL, model TEXT NOT NULL,
    checksum INTEGER NOT NULL, run INTEGER NOT NULL, at REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE plan (row INTEGER PRIMARY KEY, key BLOB NOT NULL);
CREATE TABLE runs (run INTEGER PRIMARY KEY, started REAL NOT NULL);
"""
_MARKS = ", ".join("?" * (len(RESULT_COLUMNS.split(",")) + 3))
_NO_CHECKSUM = -1
"""No entry has it: an answer that was damaged in the former layout stays so."""


def former_version(db: sqlite3.Connection, today: Iterable[Tables]) -> int | None:
    """The version of the journal's layout, where it is a former one and whole; else None.

    Args:
        db: The journal.
        today: The layouts that today's version may have.
    """
    version = int(db.execute("PRAGMA user_version").fetchone()[0])
    names = "SELECT name, sql FROM sqlite_master WHERE sql NOT NULL ORDER BY 1"
    found = db.execute(names).fetchall()
    first = sorted(sql.strip() for sql in _FIRST_TABLES.split(";") if sql.strip())
    if version == 1 and sorted(sql for _, sql in found) == first:
        return 1
    unlike = {"replies": _FORMER_REPLIES} | ({"plan": _FORMER_PLAN} if version == 2 else {})
    missing = {"answers", *(_SINCE_4 if version < 4 else ())}
    layouts = [[(n, unlike.get(n, sql)) for n, sql in one if n not in missing] for one in today]
    return version if version in (2, 3, 4) and found in layouts else None


def upgrade(db: sqlite3.Connection, former: int, tables: str, version: int) -> None:
    """Bring a former layout to `tables`, in one transaction; what it holds is kept.

    But for the plan of its latest run, which the next run makes anew.

    Args:
        db: The journal; nobody else has it open.
        former: The version of its layout.
        tables: The statements that make today's tables.
        version: Today's.

    Raises:
        sqlite3.Error: the file cannot be written; it is as it was.
    """
    statements = [sql.strip() for sql in tables.split(";") if sql.strip()]
    with db:  # commits, or rolls back
        db.execute("BEGIN IMMEDIATE")
        if former == 1:
            _rebuild(db, statements)
        else:
            _extend(db, statements)
        db.execute(f"PRAGMA user_version = {version}")


def _extend(db: sqlite3.Connection, statements: Iterable[str]) -> None:
    """Make all tables anew but those of the runs; the answers are taken over."""
    db.execute("ALTER TABLE replies RENAME TO former_replies")
    for name in ("plan", *_SINCE_4):
        db.execute(f"DROP TABLE IF EXISTS {name}")
    for statement in statements:
        if not statement.startswith("CREATE TABLE runs "):
            db.execute(statement)
    told = RESULT_COLUMNS.removesuffix(", asks, judged")
    db.execute(
        f"INSERT INTO replies ({told}, asks, judged, checksum, run, at) "  # noqa: S608
        f"SELECT {told}, 0, 0, checksum, run, at FROM former_replies"
    )
    db.execute("DROP TABLE former_replies")


def _rebuild(db: sqlite3.Connection, statements: Iterable[str]) -> None:
    for name in ("replies", "plan", "runs"):
        db.execute(f"ALTER TABLE {name} RENAME TO former_{name}")
    for statement in statements:
        db.execute(statement)
    db.executemany(
        f"INSERT INTO replies ({RESULT_COLUMNS}, checksum, run, at) VALUES ({_MARKS})",  # noqa: S608
        _rows(db),
    )
    db.execute("INSERT INTO runs (run, started) SELECT run, started FROM former_runs")
    for name in ("replies", "plan", "runs"):
        db.execute(f"DROP TABLE former_{name}")


def _rows(db: sqlite3.Connection) -> Iterator[tuple[Any, ...]]:
    former = db.execute(
        "SELECT key, caption, error_kind, error, is_final, finish_reason, prompt_tokens, "
        "completion_tokens, attempts, seconds, model, checksum, run, at FROM former_replies"
    )
    for row in former:
        *outcome, prompt, completion, attempts, seconds, model, checksum, run, at = row
        key, caption, error_kind, error, is_final, finish_reason = outcome
        entry = ResultRecord(
            key, caption, error_kind, error, bool(is_final), finish_reason,
            Usage(prompt, completion), None, attempts, seconds, model,
        )  # fmt: skip
        is_sound = checksum == _former_checksum(entry)
        yield (*entry.values(), entry.checksum() if is_sound else _NO_CHECKSUM, run, at)


def _former_checksum(entry: ResultRecord) -> int:
    text = f"{entry.caption!r}|{entry.error_kind}|{entry.error!r}|{entry.is_final}"
    return crc32(text.encode("utf-8", "surrogatepass"), crc32(entry.key))
