"""What people decide on the page: kept in the journal first, then shown in the index.

The journal is the truth. An index that lacks the latest decisions, because the server was killed
between the two, takes them in when it is opened.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from dataflow.core.errors import JournalError
from dataflow.core.text import shown_url
from dataflow.engine.journal.database import open_database
from dataflow.engine.journal.decisions import (
    Decision,
    DecisionTable,
    decisions_for,
    in_force,
    text_digest,
)
from dataflow.engine.journal.read_only import EarlierAnswer, JournalView
from dataflow.remote.path import is_url
from dataflow.review.changes import Applied, Change
from dataflow.review.index import ReviewIndex

WORDS = {"edit": "edited", "accept": "accepted", "reject": "rejected"}


class DecisionStore:
    """The decisions of one journal, and the index that shows them; any thread may call it.

    Args:
        journal: The journal's file; it is made where it is not there.
        index: The index.
        author: Who decides here.

    Raises:
        JournalError: the journal cannot be opened.
    """

    def __init__(self, journal: Path, index: ReviewIndex, *, author: str) -> None:
        self._db = open_database(journal, fsync=True)
        self._table = DecisionTable(self._db)
        self._view = JournalView(journal)
        self._index = index
        self._author = author
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close the journal."""
        with self._lock:
            self._db.close()

    def planned(self) -> Iterator[tuple[int, int, bytes]]:
        """Row, index in the row, and request key of each caption that a run planned, in order."""
        yield from self._db.execute(
            "SELECT row, caption_index, key FROM plan ORDER BY row, caption_index"
        )

    def catch_up(self) -> int:
        """Bring the index to what the journal says; returns how many items changed."""
        history: dict[tuple[bytes, str], list[Decision]] = {}
        with self._lock:
            for decision in self._table.all():
                history.setdefault((decision.key, decision.column), []).append(decision)
        return self._show(history, in_force(history))

    def apply(self, changes: Sequence[Change]) -> Applied:
        """Keep changes as one action; all of it or nothing.

        An item whose text is no longer the one that was seen is left as it is and named.

        Raises:
            JournalError: the disk does not take it; nothing is changed.
        """
        made: list[tuple[int, Decision]] = []
        conflicts: list[int] = []
        action = uuid.uuid4().hex
        with self._lock:
            now = time.time()
            for change in changes:
                row = self._index.item(change.item)
                if row is None or (change.seen is not None and change.seen != row["text"]):
                    conflicts.append(change.item)
                else:
                    made.append((change.item, self._decision(row, change, now, action)))
            self._keep([decision for _, decision in made])
        items = tuple(item for item, _ in made)
        return Applied(action if made else None, items, tuple(conflicts))

    def undo(self, action: str) -> Applied:
        """Take back all decisions of one action, but for items that somebody decided on since.

        Raises:
            JournalError: the disk does not take it; nothing is changed.
        """
        with self._lock:
            latest = [(where, d) for where, d in self._table.latest() if d.group == action]
            now = time.time()
            self._keep(
                [
                    Decision(
                        key, column, "undo", None, self._author, now, one.seen_digest,
                        source=one.source, picture=one.picture,
                    )
                    for (key, column), one in latest
                ]
            )  # fmt: skip
            items = [self._item_of(*where) for where, _ in latest]
        return Applied(action, tuple(item for item in items if item is not None))

    def history(self, item: int) -> list[Decision]:
        """All decisions about one item, the oldest first."""
        row = self._index.item(item)
        if row is None:
            return []
        with self._lock:
            return self._table.of(row["key"], row["column"])

    def earlier_answers(self, key: bytes) -> list[EarlierAnswer]:
        """The answers to a request that were turned down or replaced, the oldest first."""
        return self._view.earlier_answers(key)

    def _decision(self, row: sqlite3.Row, change: Change, now: float, action: str) -> Decision:
        return Decision(
            key=row["key"],
            column=row["column"],
            kind=change.decision,
            text=change.text,
            author=self._author,
            decided_at=now,
            seen_digest=text_digest(row["machine"]),
            group=action,
            source=row["source"],
            picture=_picture_name(row["picture"]),
        )

    def _keep(self, decisions: Sequence[Decision]) -> None:
        """Into the journal, then onto the index."""
        try:
            self._table.append(decisions)
            latest = decisions_for(self._db, [decision.key for decision in decisions])
        except sqlite3.Error as error:
            raise JournalError(
                f"the decision is not kept: {error}; free space on the disk, then decide again"
            ) from error
        self._show(dict.fromkeys((d.key, d.column) for d in decisions), latest)

    def _show(
        self, wanted: Iterable[tuple[bytes, str]], latest: Mapping[tuple[bytes, str], Decision]
    ) -> int:
        with self._index.transaction() as db:
            return sum(_shown(db, where, latest.get(where)) for where in wanted)

    def _item_of(self, key: bytes, column: str) -> int | None:
        row = self._index.db.execute(
            "SELECT id FROM items WHERE key = ? AND column = ?", (key, column)
        ).fetchone()
        return None if row is None else int(row["id"])


def _shown(db: sqlite3.Connection, where: tuple[bytes, str], decision: Decision | None) -> int:
    """Show a decision in the index; returns how many items are another now."""
    word = "" if decision is None else WORDS[decision.kind]
    edited = decision.text if decision is not None and decision.kind == "edit" else None
    return db.execute(
        "UPDATE items SET decision = ?1, text = coalesce(?2, machine), changed = changed + 1"
        " WHERE key = ?3 AND column = ?4 AND (decision <> ?1 OR text <> coalesce(?2, machine))",
        (word, edited, *where),
    ).rowcount


def _picture_name(reference: str | None) -> str:
    """What the picture of an item is called, for people: a URL's query may be a signature."""
    picture = json.loads(reference) if reference else ""
    if isinstance(picture, list):
        picture = picture[0] if picture else ""
    if isinstance(picture, dict):
        picture = picture.get("path") or picture.get("url") or ""
    return shown_url(picture) if is_url(picture) else picture
