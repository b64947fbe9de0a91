"""The tables of results and attempts: read and written within the journal's transactions."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import replace

from dataflow.core.database.sqlite import marks, select_in
from dataflow.engine.journal.records import (
    ATTEMPT_COLUMNS,
    RESULT_COLUMNS,
    AttemptRecord,
    ResultRecord,
    checksum,
)

_MARKS = marks(len(RESULT_COLUMNS.split(",")))
_ATTEMPT_MARKS = marks(len(ATTEMPT_COLUMNS.split(",")))


def look_up(
    db: sqlite3.Connection, keys: Sequence[bytes], expression: str
) -> Iterator[tuple[ResultRecord, bool, int]]:
    """Each result that there is of `keys`, whether it is sound, and what `expression` is for it."""
    found = select_in(
        db,
        f"SELECT {RESULT_COLUMNS}, checksum, {expression} FROM results WHERE key IN (*)",  # noqa: S608
        keys,
    )
    for *values, stored, value in found:
        yield ResultRecord.of(values), checksum(values) == stored, value


def sound_results(db: sqlite3.Connection, keys: Sequence[bytes]) -> dict[bytes, ResultRecord]:
    """The results of `keys`, but for the damaged ones."""
    found = (result for result, is_sound, _ in look_up(db, keys, "run") if is_sound)
    return {result.key: result for result in found}


def keep_results(
    db: sqlite3.Connection, results: Sequence[ResultRecord], run: int, now: float
) -> None:
    """Write `results` with what they used before; nothing is committed.

    A caption that another one replaces moves into `former_results`.

    Args:
        db: The journal.
        results: What is to be kept.
        run: In which it is.
        now: In seconds since 1970.
    """
    former = sound_results(db, [result.key for result in results])
    total = [r.after(former[r.key]) if r.key in former else r for r in results]
    db.executemany(
        "INSERT INTO former_results (key, caption, model, run, committed_at) "
        "SELECT key, caption, model, run, committed_at FROM results WHERE key = ? "
        "AND caption NOT NULL AND caption IS NOT ?",
        [(result.key, result.caption) for result in total if result.key in former],
    )
    db.executemany(
        f"INSERT OR REPLACE INTO results ({RESULT_COLUMNS}, checksum, run, committed_at) "  # noqa: S608
        f"VALUES ({_MARKS}, ?, ?, ?)",
        [(*(values := result.values()), checksum(values), run, now) for result in total],
    )


def replace_verdicts(db: sqlite3.Connection, results: Sequence[ResultRecord]) -> set[bytes]:
    """Keep what other checks made of answers that are there; each stays that of its own run.

    Returns:
        The keys that were there.
    """
    former = sound_results(db, [result.key for result in results])
    total = [result.after(former[result.key]) for result in results if result.key in former]
    db.executemany(
        f"UPDATE results SET ({RESULT_COLUMNS}, checksum) = ({_MARKS}, ?) WHERE key = ?",  # noqa: S608
        [(*(values := result.values()), checksum(values), result.key) for result in total],
    )
    return set(former)


def of_same_content(
    db: sqlite3.Connection, content_keys: Sequence[bytes], condition: str
) -> dict[bytes, ResultRecord]:
    """The newest sound result for each of `content_keys` that fits `condition`, as a copy.

    Args:
        db: The journal.
        content_keys: See `request_key.RequestHasher.content_key`.
        condition: In SQL, on `RESULT_COLUMNS`.
    """
    found = select_in(
        db,
        f"SELECT {RESULT_COLUMNS}, checksum FROM results WHERE content_key IN (*) "  # noqa: S608
        f"AND {condition} ORDER BY committed_at",
        content_keys,
    )
    copies: dict[bytes, ResultRecord] = {}
    for *values, stored in found:
        if checksum(values) == stored:
            result = ResultRecord.of(values)
            origin = result.copied_from or result.key
            copies[result.content_key or b""] = replace(result, copied_from=origin)
    return copies


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
        f"VALUES ({_ATTEMPT_MARKS}, ?, ?, ?)",
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
