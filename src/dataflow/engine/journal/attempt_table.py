"""The journal's table of answers: read and written within its own transactions."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence

from dataflow.engine.journal.records import ATTEMPT_COLUMNS, AttemptRecord, attempt_checksum
from dataflow.engine.journal.schema import LOOKUP_BATCH

_MARKS = ", ".join("?" * len(ATTEMPT_COLUMNS.split(",")))


def has_answers(db: sqlite3.Connection) -> bool:
    """Whether an answer was ever turned down, edited or asked for again."""
    return db.execute("SELECT 1 FROM answers LIMIT 1").fetchone() is not None


def keep_answers(
    db: sqlite3.Connection, answers: Sequence[AttemptRecord], run: int, now: float
) -> None:
    """Write `answers`; nothing is committed.

    Args:
        db: The journal.
        answers: What is to be kept.
        run: In which it is.
        now: In seconds since 1970.
    """
    db.executemany(
        f"INSERT OR REPLACE INTO answers ({ATTEMPT_COLUMNS}, checksum, run, at) "  # noqa: S608
        f"VALUES ({_MARKS}, ?, ?, ?)",
        [(*one.values(), one.checksum(), run, now) for one in answers],
    )
    # an answer that came in a batch is the journal's from here on, in the same commit
    if db.execute("SELECT 1 FROM sqlite_master WHERE name = 'asked'").fetchone():
        db.executemany("DELETE FROM asked WHERE key = ?", [(one.key,) for one in answers])


def answers_to(db: sqlite3.Connection, keys: Sequence[bytes]) -> Iterator[AttemptRecord]:
    """The answers to the requests of these keys, each one's in their order; no damaged one."""
    for start in range(0, len(keys), LOOKUP_BATCH):
        part = keys[start : start + LOOKUP_BATCH]
        marks = ", ".join("?" * len(part))
        found = db.execute(
            f"SELECT {ATTEMPT_COLUMNS}, checksum FROM answers WHERE key IN ({marks}) "  # noqa: S608
            "ORDER BY key, ask",
            part,
        )
        for *values, told in found:
            if attempt_checksum(values) == told:
                yield AttemptRecord.of(values)
