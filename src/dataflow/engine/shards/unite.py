"""What one journal knows → another one, in SQL: of a file that is attached as ``shard``.

An answer beats none, a failure that is final beats one that is not, and a later one beats an
earlier one. Whatever is taken in twice is there once.
"""

from __future__ import annotations

import sqlite3

from dataflow.engine.journal.decisions import DECISION_COLUMNS
from dataflow.engine.journal.records import ATTEMPT_COLUMNS, RESULT_COLUMNS

_RANK = "({0}.caption NOT NULL) * 2 + {0}.is_final, {0}.committed_at"
_IS_BETTER = f"({_RANK.format('theirs')}) > ({_RANK.format('ours')})"
_RESULTS = f"{RESULT_COLUMNS}, checksum, committed_at"
_ATTEMPTS = f"{ATTEMPT_COLUMNS}, checksum, committed_at"


def unite_answers(db: sqlite3.Connection, run: int) -> None:
    """Take results and attempts over, as those of run number `run`; the caller commits."""
    better = (
        "shard.results AS theirs LEFT JOIN main.results AS ours ON ours.key = theirs.key "
        f"WHERE ours.key IS NULL OR {_IS_BETTER}"
    )
    db.execute(
        "INSERT INTO main.former_results (key, caption, model, run, committed_at) "  # noqa: S608
        "SELECT ours.key, ours.caption, ours.model, ours.run, ours.committed_at FROM "
        f"{better.replace('LEFT JOIN', 'JOIN')} AND ours.caption IS NOT theirs.caption "
        "AND ours.caption NOT NULL"
    )
    db.execute(
        f"INSERT OR REPLACE INTO main.attempts ({_ATTEMPTS}, run) SELECT {_ATTEMPTS}, ? "  # noqa: S608
        f"FROM shard.attempts WHERE key IN (SELECT theirs.key FROM {better}) "
        "OR key NOT IN (SELECT key FROM main.results)",
        (run,),
    )
    named = ", ".join(f"theirs.{name.strip()}" for name in _RESULTS.split(","))
    db.execute(
        f"INSERT OR REPLACE INTO main.results ({_RESULTS}, run) SELECT {named}, ? FROM {better}",  # noqa: S608
        (run,),
    )
    db.execute(
        "INSERT INTO main.former_results (key, caption, model, run, committed_at) "  # noqa: S608
        "SELECT key, caption, model, ?, committed_at FROM shard.former_results AS theirs "
        f"WHERE {_is_new('former_results', ('key', 'caption', 'committed_at'))}",
        (run,),
    )


def unite_decisions(db: sqlite3.Connection) -> int:
    """Take people's decisions over that are not there yet, in their order; the caller commits.

    Returns:
        How many there were.
    """
    names = tuple(name.strip() for name in DECISION_COLUMNS.split(","))
    return db.execute(
        f"INSERT INTO main.decisions ({DECISION_COLUMNS}, checksum) "  # noqa: S608
        f"SELECT {DECISION_COLUMNS}, checksum FROM shard.decisions AS theirs "
        f"WHERE {_is_new('decisions', names)} ORDER BY number"
    ).rowcount


def unite_losses(db: sqlite3.Connection) -> None:
    """Take over what was lost and not agreed to be paid again; the caller commits."""
    db.execute(
        "INSERT INTO main.losses (what, noted) SELECT what, noted FROM shard.losses AS theirs "  # noqa: S608
        f"WHERE accepted IS NULL AND {_is_new('losses', ('what', 'noted'))}"
    )


def _is_new(table: str, names: tuple[str, ...]) -> str:
    """The condition that no line of ours has the same values as theirs."""
    same = " AND ".join(f"ours.{name} IS theirs.{name}" for name in names)
    return f"NOT EXISTS (SELECT 1 FROM main.{table} AS ours WHERE {same})"  # noqa: S608
