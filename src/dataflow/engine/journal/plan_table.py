"""The journal's plan: which key stands for which caption of which row, and what it was made of."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from dataflow.core.database.sqlite import LOOKUP_KEYS
from dataflow.engine.journal.records import RESULT_COLUMNS, ResultRecord, checksum

SeenPicture: TypeAlias = "tuple[bytes, int | None, int | None]"
"""A picture's file: path, size in bytes, time of last change in ns; None where there is none."""

PlannedCaption: TypeAlias = "tuple[int, int, bytes] | tuple[int, int, bytes, bytes]"
"""A caption's row, its index among the row's captions, its request's key, and its subject."""

Outcome: TypeAlias = "tuple[int, int, bytes | None, ResultRecord | None]"
"""A planned caption's row, index and subject, and its result; None where there is none."""


@dataclass(frozen=True, slots=True)
class PlanState:
    """A plan in the journal.

    Attributes:
        fingerprint: Of what it was made; None where that was not known.
        rows: How many it holds when it is whole.
        output: What was written of it, as `set_output` was given it; None for nothing.
        planned: Rows from the first one on that it holds.
        captions: Captions that it holds.
    """

    fingerprint: str | None
    rows: int
    output: str | None
    planned: int
    captions: int


def begin(
    db: sqlite3.Connection, rows: int, fingerprint: str | None, *, keeps_former: bool = False
) -> None:
    """Forget the former plan, or keep it as the base of the new one that follows."""
    keep_subjects(db)
    for table in ("pictures", "plan_state", *(() if keeps_former else ("plan",))):
        db.execute(f"DELETE FROM {table}")  # noqa: S608
    db.execute(
        "INSERT INTO plan_state (one, fingerprint, rows) VALUES (1, ?, ?)", (fingerprint, rows)
    )


def add(
    db: sqlite3.Connection, planned: Iterable[PlannedCaption], pictures: Iterable[SeenPicture]
) -> None:
    """Write the keys of captions, and the files that they were made of."""
    db.executemany(
        "INSERT OR REPLACE INTO plan (row, caption_index, key, subject) VALUES (?, ?, ?, ?)",
        ((*one, None)[:4] for one in planned),
    )
    db.executemany("INSERT OR REPLACE INTO pictures (path, size, time) VALUES (?, ?, ?)", pictures)


def keep_subjects(db: sqlite3.Connection) -> None:
    """Note what decisions are about, so that they are found under other keys."""
    db.execute(
        "INSERT OR IGNORE INTO decision_subjects SELECT key, subject FROM plan "
        "WHERE subject NOT NULL AND key IN (SELECT key FROM decisions)"
    )


def add_subjects(db: sqlite3.Connection, subjects: Iterable[tuple[bytes, bytes]]) -> None:
    """Note key and subject of captions that decisions are about."""
    db.executemany("INSERT OR IGNORE INTO decision_subjects VALUES (?, ?)", subjects)


def moved_subjects(db: sqlite3.Connection) -> list[tuple[bytes, bytes]]:
    """Key and subject of decisions whose key the plan does not hold.

    Not where several rows have the subject: then nobody can tell which one was meant. No row need
    have it: of a run that was killed, the plan may hold a part alone.
    """
    return db.execute(
        "WITH moved AS (SELECT key, subject FROM decision_subjects "
        "WHERE key NOT IN (SELECT key FROM plan)) "
        "SELECT key, subject FROM moved WHERE (SELECT count(DISTINCT row) FROM plan "
        "WHERE plan.subject = moved.subject) <= 1"
    ).fetchall()


def state_of(db: sqlite3.Connection) -> PlanState | None:
    """The plan that the journal holds, whole or in part; None where there is none."""
    found = db.execute("SELECT fingerprint, rows, output FROM plan_state").fetchone()
    if found is None:
        return None
    fingerprint, total, output = found
    planned, captions = db.execute(
        "SELECT coalesce(max(row) + 1, 0), count(*) FROM plan"
    ).fetchone()
    return PlanState(fingerprint, total, output, planned, captions)


def open_captions(db: sqlite3.Connection, settled: str) -> Counter[int]:
    """How many captions of each row have no result that fits the condition `settled`."""
    return Counter(
        dict(
            db.execute(
                "SELECT row, count(*) FROM plan LEFT JOIN results ON plan.key = results.key "  # noqa: S608
                f"WHERE results.key IS NULL OR NOT {settled} GROUP BY row"
            )
        )
    )


def lacks_former(db: sqlite3.Connection, run: int) -> bool:
    """Whether `run` lacks what the latest finished run before it had.

    It does where it takes fewer rows, or none of those that were answered by then.
    """
    former = db.execute(
        "SELECT former.run, this.rows < former.rows FROM runs AS former, runs AS this "
        "WHERE this.run = ? AND former.run < this.run AND former.ending = 'done' "
        "ORDER BY former.run DESC LIMIT 1",
        (run,),
    ).fetchone()
    if former is None or former[1]:
        return former is not None
    # from the plan on, so that a run that resumes is done at its first row
    kept = db.execute(
        "SELECT 1 FROM plan CROSS JOIN results ON results.key = plan.key "
        "WHERE (results.run <= ? OR copied_from NOT NULL) AND caption NOT NULL LIMIT 1",
        former[:1],
    ).fetchone()
    had = "SELECT 1 FROM results WHERE run <= ? AND caption NOT NULL LIMIT 1"
    return not kept and db.execute(had, former[:1]).fetchone() is not None


def outcomes(
    cursor: sqlite3.Cursor,
) -> Iterator[list[Outcome]]:
    """What `outcome_cursor` finds, in groups; None stands where there is no result to trust."""
    while group := cursor.fetchmany(LOOKUP_KEYS):
        yield [
            (
                row,
                index,
                subject,
                ResultRecord.of(values, when) if stored == checksum(values) else None,
            )
            for row, index, subject, stored, when, *values in group
        ]


def _sound(values: Sequence[Any], stored: int | None, when: float | None) -> ResultRecord | None:
    return ResultRecord.of(values, when) if stored == checksum(values) else None


def note_shared_subjects(db: sqlite3.Connection) -> None:
    """Note, in a table of this connection's own, the subjects of several rows' different keys."""
    db.execute("DROP TABLE IF EXISTS temp.shared_subjects")
    db.execute(
        "CREATE TEMP TABLE shared_subjects AS SELECT DISTINCT subject FROM (SELECT subject FROM "
        "plan WHERE subject NOT NULL GROUP BY subject, caption_index HAVING min(key) <> max(key))"
    )
    db.execute("CREATE INDEX temp.shared_subjects_index ON shared_subjects (subject)")


class SharedSubjects:
    """The subjects that `note_shared_subjects` noted.

    Args:
        db: The journal's connection.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __contains__(self, subject: object) -> bool:
        sql = "SELECT 1 FROM temp.shared_subjects WHERE subject = ?"
        return self._db.execute(sql, (subject,)).fetchone() is not None


def outcome_cursor(db: sqlite3.Connection) -> sqlite3.Cursor:
    """Each planned caption's row, index and result, in order."""
    columns = RESULT_COLUMNS.replace("key", "plan.key", 1)
    return db.execute(
        f"SELECT row, caption_index, subject, results.checksum, committed_at, {columns} FROM plan "  # noqa: S608
        "LEFT JOIN results ON plan.key = results.key ORDER BY row, caption_index"
    )
