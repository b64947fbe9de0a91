"""The journal's table of attempts: read and written within its own transactions."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence

from dataflow.core.database.sqlite import marks, select_in
from dataflow.engine.journal.records import ATTEMPT_COLUMNS, AttemptRecord, checksum

_MARKS = marks(len(ATTEMPT_COLUMNS.split(",")))


def has_attempts(db: sqlite3.Connection) -> bool:
    """Whether an answer was ever turned down, edited or asked for again."""
    return db.execute("SELECT 1 FROM attempts LIMIT 1").fetchone() is not None


def keep_attempts(
    db: sqlite3.Connection, attempts: Sequence[AttemptRecord], run: int, now: float
) -> None:
    """Write `attempts`; nothing is committed.

    Args:
        db: The journal.
        attempts: What is to be kept.
        run: In which it is.
        now: In seconds since 1970.
    """
    db.executemany(
        f"INSERT OR REPLACE INTO attempts ({ATTEMPT_COLUMNS}, checksum, run, committed_at) "  # noqa: S608
        f"VALUES ({_MARKS}, ?, ?, ?)",
        [(*(values := one.values()), checksum(values), run, now) for one in attempts],
    )
    # an answer that came in a batch is the journal's from here on, in the same commit
    db.executemany("DELETE FROM batch_requests WHERE key = ?", [(one.key,) for one in attempts])


def attempts_for(db: sqlite3.Connection, keys: Sequence[bytes]) -> Iterator[AttemptRecord]:
    """The attempts at the requests of these keys, each one's in their order; no damaged one."""
    found = select_in(
        db,
        f"SELECT {ATTEMPT_COLUMNS}, checksum FROM attempts WHERE key IN (*) ORDER BY key, ask",  # noqa: S608
        keys,
    )
    for *values, stored in found:
        if checksum(values) == stored:
            yield AttemptRecord.of(values)
