"""What people decided about captions: an append-only table beside the machine's answers.

A decision names the request key and the column it is about, so it stays with its picture when rows
move. The latest one counts; ``undo`` takes the one before it back.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Literal, TypeAlias

from dataflow.core.sqlite import marks, select_in
from dataflow.engine.journal.records import checksum

DecisionKind: TypeAlias = Literal["edit", "accept", "reject", "undo"]

DECISION_COLUMNS = (
    "key, column, decision, text, author, decided_at, seen_digest, source, picture"
)
"""What the table `decisions` holds of a `Decision`, in this order."""

DIGEST_BYTES = 8


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision of a person.

    Attributes:
        key: Of the request whose caption it is about.
        column: The caption's column.
        decision: ``"edit"``: the caption is `text`. ``"accept"``: the machine's caption is right.
            ``"reject"``: there is to be no caption. ``"undo"``: the decision before it is void.
        text: The caption of an edit; None otherwise.
        author: Who decided.
        decided_at: When, in seconds since 1970.
        seen_digest: `text_digest` of the machine's caption that was looked at; None for none.
        source: Where the row stands, such as ``data.jsonl:7``.
        picture: The row's picture, as it is named there.
    """

    key: bytes
    column: str
    decision: DecisionKind
    text: str | None
    author: str
    decided_at: float
    seen_digest: bytes | None = None
    source: str = ""
    picture: str = ""

    def values(self) -> tuple[object, ...]:
        """As they stand in `DECISION_COLUMNS`."""
        return (
            self.key, self.column, self.decision, self.text, self.author, self.decided_at,
            self.seen_digest, self.source, self.picture,
        )  # fmt: skip


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


def all_decisions(db: sqlite3.Connection) -> Iterator[Decision]:
    """Every sound decision, the oldest first."""
    found = db.execute(f"SELECT {DECISION_COLUMNS}, checksum FROM decisions ORDER BY number")  # noqa: S608
    for *values, stored in found:
        if checksum(values) == stored:
            yield Decision(*values)


def decisions_for(
    db: sqlite3.Connection, keys: Sequence[bytes]
) -> dict[tuple[bytes, str], Decision]:
    """The decision that counts for each of `keys`, by key and column."""
    history: dict[tuple[bytes, str], list[Decision]] = {}
    found = select_in(
        db,
        f"SELECT {DECISION_COLUMNS}, checksum FROM decisions WHERE key IN (*) ORDER BY number",  # noqa: S608
        keys,
    )
    for *values, stored in found:
        if checksum(values) == stored:
            decision = Decision(*values)
            history.setdefault((decision.key, decision.column), []).append(decision)
    return latest_of(history)


def latest_of(
    history: Mapping[tuple[bytes, str], Sequence[Decision]],
) -> dict[tuple[bytes, str], Decision]:
    """The decision that counts in each history: an undo takes the one before it back."""
    latest = {}
    for where, decisions in history.items():
        standing: list[Decision] = []
        for decision in decisions:
            if decision.decision != "undo":
                standing.append(decision)
            elif standing:
                standing.pop()
        if standing:
            latest[where] = standing[-1]
    return latest
