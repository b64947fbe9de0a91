"""What people decided about captions: an append-only table beside the machine's answers.

A decision names the request key and the column it is about, so it stays with its picture when rows
move. The latest one is in force; ``undo`` takes the one before it back.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Literal, TypeAlias

from dataflow.core.database.sqlite import marks, select_in
from dataflow.engine.journal.records import checksum

DecisionKind: TypeAlias = Literal["edit", "accept", "reject", "undo"]
Where: TypeAlias = "tuple[bytes, str]"
"""A request's key and the column."""

DECISION_COLUMNS = (
    'key, "column", kind, text, author, decided_at, seen_digest, "group", source, picture'
)
"""What the table `decisions` holds of a `Decision`, in this order."""

DIGEST_BYTES = 8


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision of a person.

    Attributes:
        key: Of the request whose caption it is about.
        column: The caption's column.
        kind: ``"edit"``: the caption is `text`. ``"accept"``: the machine's caption is right.
            ``"reject"``: there is to be no caption. ``"undo"``: the decision before it is void.
        text: The caption of an edit; None otherwise.
        author: Who decided.
        decided_at: When, in seconds since 1970.
        seen_digest: `text_digest` of the machine's caption that was looked at; None for none.
        group: The action that it was part of, such as one edit of many rows, which one undo takes
            back; empty for an action of its own.
        source: Where the row stands, such as ``data.jsonl:7``.
        picture: The row's picture, as it is named there.
    """

    key: bytes
    column: str
    kind: DecisionKind
    text: str | None
    author: str
    decided_at: float
    seen_digest: bytes | None = None
    group: str = ""
    source: str = ""
    picture: str = ""

    def values(self) -> tuple[object, ...]:
        """As they stand in `DECISION_COLUMNS`."""
        return (
            self.key, self.column, self.kind, self.text, self.author, self.decided_at,
            self.seen_digest, self.group, self.source, self.picture,
        )  # fmt: skip

    def caption(self, machine: str | None) -> str | None:
        """The caption that this decision leaves, beside the machine's."""
        if self.kind == "edit":
            return self.text
        return None if self.kind == "reject" else machine


FIXER = "check --fix"
"""Who put an engine's other answer into a caption's own file; no person."""


class DecisionTable:
    """The decisions in an open journal, from one thread at a time.

    Args:
        db: The journal.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def append(self, decisions: Iterable[Decision]) -> None:
        """Add `decisions` in their order, all or none; returns when they are committed.

        Raises:
            sqlite3.Error: the journal cannot be written.
        """
        with self._db:
            append(self._db, decisions)

    def of(self, key: bytes, column: str) -> list[Decision]:
        """Every sound decision about a caption, the oldest first."""
        return list(_select(self._db, 'WHERE key = ? AND "column" = ? ', (key, column)))

    def all(self) -> Iterator[Decision]:
        """Every sound decision, the oldest first."""
        return _select(self._db, "", ())

    def latest(self) -> Iterator[tuple[Where, Decision]]:
        """The decision in force for each key and column."""
        return iter(in_force(self._history()).items())

    def not_undone(self) -> Iterator[Decision]:
        """Each decision that no undo took back."""
        for decisions in self._history().values():
            yield from not_undone(decisions)

    def _history(self) -> dict[Where, list[Decision]]:
        history: dict[Where, list[Decision]] = {}
        for decision in self.all():
            history.setdefault((decision.key, decision.column), []).append(decision)
        return history

    def undo(self, group: str, author: str, *, clock: Callable[[], float] = time.time) -> int:
        """Take back what is in force of one group.

        Returns:
            How many captions it was about.

        Raises:
            sqlite3.Error: the journal cannot be written.
        """
        now = clock()
        undone = [
            replace(decision, kind="undo", text=None, author=author, decided_at=now)
            for _, decision in self.latest()
            if group and decision.group == group
        ]
        self.append(undone)
        return len(undone)


def text_digest(text: str | None) -> bytes | None:
    """What tells one caption from another; None for no caption."""
    if text is None:
        return None
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=DIGEST_BYTES).digest()


def append(db: sqlite3.Connection, decisions: Iterable[Decision]) -> None:
    """Add `decisions` in their order; nothing is committed."""
    count = len(DECISION_COLUMNS.split(","))
    db.executemany(
        f"INSERT INTO decisions ({DECISION_COLUMNS}, checksum) VALUES ({marks(count + 1)})",  # noqa: S608
        [(*(values := one.values()), checksum(values)) for one in decisions],
    )


def decisions_for(db: sqlite3.Connection, keys: Sequence[bytes]) -> dict[Where, Decision]:
    """The decision in force for each of `keys`, by key and column."""
    history: dict[Where, list[Decision]] = {}
    found = select_in(
        db,
        f"SELECT {DECISION_COLUMNS}, checksum FROM decisions WHERE key IN (*) ORDER BY number",  # noqa: S608
        keys,
    )
    for *values, stored in found:
        if checksum(values) == stored:
            decision = Decision(*values)
            history.setdefault((decision.key, decision.column), []).append(decision)
    return in_force(history)


def in_force(history: Mapping[Where, Sequence[Decision]]) -> dict[Where, Decision]:
    """The decision that counts in each history: an undo takes the one before it back."""
    left = {where: not_undone(decisions) for where, decisions in history.items()}
    return {where: decisions[-1] for where, decisions in left.items() if decisions}


def not_undone(decisions: Iterable[Decision]) -> list[Decision]:
    """The decisions about one caption that no undo took back, the oldest first."""
    left: list[Decision] = []
    for decision in decisions:
        if decision.kind != "undo":
            left.append(decision)
        elif left:
            left.pop()
    return left


def _select(db: sqlite3.Connection, condition: str, values: Sequence[object]) -> Iterator[Decision]:
    found = db.execute(
        f"SELECT {DECISION_COLUMNS}, checksum FROM decisions {condition}ORDER BY number",  # noqa: S608
        values,
    )
    for *fields, stored in found:
        if checksum(fields) == stored:
            yield Decision(*fields)
