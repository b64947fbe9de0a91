"""The index of a review: one SQLite file with an item a line, made in one pass, kept, and updated.

It can always be made again from the dataset and the decisions; nothing is kept here alone.
"""

from __future__ import annotations

import json
import re
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dataflow.checks.rules.repeated import key_of
from dataflow.checks.rules.text import words
from dataflow.core.errors import OutputError
from dataflow.review.items import Item, severity_of

VERSION = 1
CHUNK = 5_000
"""Items in one transaction while the index is made."""

_SCHEMA = """
CREATE TABLE items (
    id INTEGER PRIMARY KEY, key BLOB NOT NULL, row INTEGER NOT NULL, column TEXT NOT NULL,
    number INTEGER NOT NULL, source TEXT NOT NULL, picture TEXT, machine TEXT NOT NULL,
    text TEXT NOT NULL, digest BLOB, copies INTEGER NOT NULL DEFAULT 1, kinds TEXT NOT NULL,
    reasons TEXT NOT NULL, severity INTEGER NOT NULL, words INTEGER NOT NULL,
    model TEXT NOT NULL, decision TEXT NOT NULL DEFAULT '', changed INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE item_kinds (kind TEXT NOT NULL, id INTEGER NOT NULL, PRIMARY KEY (kind, id))
    WITHOUT ROWID;
CREATE TABLE notes (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
"""
_INDEXES = """
CREATE INDEX by_queue ON items (decision <> '', -severity, id);
CREATE INDEX by_length ON items (-words, id);
CREATE INDEX by_model ON items (model);
CREATE INDEX by_column ON items (column);
CREATE INDEX by_words ON items (words);
CREATE INDEX by_key ON items (key, column);
CREATE INDEX by_facets ON items (decision, column, model, kinds);
CREATE INDEX by_digest ON items (digest);
CREATE VIRTUAL TABLE texts USING fts5 (
    text, content = 'items', content_rowid = 'id', tokenize = 'trigram'
);
INSERT INTO texts (texts) VALUES ('rebuild');
CREATE TRIGGER text_changed AFTER UPDATE OF text ON items BEGIN
    INSERT INTO texts (texts, rowid, text) VALUES ('delete', old.id, old.text);
    INSERT INTO texts (rowid, text) VALUES (new.id, new.text);
END;
"""
_INSERT = """
INSERT INTO items (key, row, column, number, source, picture, machine, text, digest, kinds, reasons,
                   severity, words, model)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""


class ReviewIndex:
    """The items of one review. Every thread has a connection of its own.

    Args:
        path: The file; it is made where it is not there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._local = threading.local()
        self._write_lock = threading.Lock()
        self._opened: list[sqlite3.Connection] = []

    @property
    def db(self) -> sqlite3.Connection:
        """This thread's connection."""
        found: sqlite3.Connection | None = getattr(self._local, "db", None)
        if found is None:
            found = sqlite3.connect(
                self.path, timeout=30, isolation_level=None, check_same_thread=False
            )
            found.row_factory = sqlite3.Row
            found.execute("PRAGMA journal_mode = WAL")
            found.execute("PRAGMA synchronous = NORMAL")
            found.create_function("matches", 2, _matches, deterministic=True)
            self._local.db = found
            self._opened.append(found)
        return found

    def close(self) -> None:
        """Close all connections."""
        while self._opened:
            self._opened.pop().close()
        self._local = threading.local()

    def is_current(self, fingerprint: str) -> bool:
        """Whether the file is whole and was made of the dataset that has this fingerprint."""
        if not self.path.exists():
            return False
        try:
            return self.note("fingerprint") == f"{VERSION} {fingerprint}"
        except sqlite3.DatabaseError:
            return False

    def note(self, name: str) -> str | None:
        """What was kept under `name`."""
        row = self.db.execute("SELECT value FROM notes WHERE name = ?", (name,)).fetchone()
        return None if row is None else row["value"]

    def make(
        self,
        items: Iterable[Item],
        fingerprint: str,
        *,
        on_progress: Callable[[int], None] = lambda _count: None,
    ) -> int:
        """Make the index anew, in constant memory.

        Args:
            items: What goes in, in the order of the dataset.
            fingerprint: Of the dataset; noted at the end, so that half an index is none.
            on_progress: Called with the number of items, after each chunk.

        Returns:
            How many items there are.

        Raises:
            OutputError: the disk does not take it.
        """
        self.close()
        try:
            for ending in ("", "-wal", "-shm"):
                self.path.with_name(self.path.name + ending).unlink(missing_ok=True)
            self.path.parent.mkdir(parents=True, exist_ok=True)
            return self._filled(items, fingerprint, on_progress)
        except (OSError, sqlite3.OperationalError) as error:
            raise OutputError(f"{self.path}: the index cannot be written: {error}") from error

    def _filled(
        self, items: Iterable[Item], fingerprint: str, on_progress: Callable[[int], None]
    ) -> int:
        db = self.db
        db.executescript(_SCHEMA)
        count = 0
        for chunk in _chunks(items):
            with self.transaction():
                for item in chunk:
                    cursor = db.execute(_INSERT, _values(item))
                    _add_kinds(db, cursor.lastrowid, item.verdicts)
            count += len(chunk)
            on_progress(count)
        with self.transaction():
            for statement in _statements(_INDEXES):
                db.execute(statement)
            db.execute(
                "UPDATE items SET copies = found.n FROM (SELECT digest, count(*) AS n FROM items"
                " WHERE digest IS NOT NULL GROUP BY digest HAVING n > 1) AS found"
                " WHERE items.digest = found.digest"
            )
            db.execute("ANALYZE")
            self.set_note("fingerprint", f"{VERSION} {fingerprint}")
        return count

    def set_note(self, name: str, value: str) -> None:
        """Keep `value` under `name`, within the caller's transaction."""
        self.db.execute("INSERT OR REPLACE INTO notes VALUES (?, ?)", (name, value))

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """One transaction: all of it or nothing; writers wait for each other."""
        with self._write_lock:
            db = self.db
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
            except BaseException:
                db.execute("ROLLBACK")
                raise
            db.execute("COMMIT")

    def take_answer(
        self, key: bytes, text: str, model: str, verdicts: Sequence[tuple[str, str]]
    ) -> list[int]:
        """Show what a model answered for a request by now; an edited text stays.

        Returns:
            The items that are another now.
        """
        with self.transaction() as db:
            found = db.execute(
                "SELECT id, decision FROM items WHERE key = ? AND machine <> ?", (key, text)
            ).fetchall()
            for row in found:
                db.execute(
                    "UPDATE items SET machine = ?1, model = ?2, changed = changed + 1,"
                    " text = iif(decision = 'edited', text, ?1),"
                    " kinds = ?3, reasons = ?4, severity = ?5, words = ?6 WHERE id = ?7",
                    (text, model, *_verdict_values(verdicts), len(words(text)), row["id"]),
                )
                db.execute("DELETE FROM item_kinds WHERE id = ?", (row["id"],))
                _add_kinds(db, row["id"], verdicts)
        return [int(row["id"]) for row in found]

    def item(self, number: int) -> sqlite3.Row | None:
        """One item by its id."""
        row: sqlite3.Row | None = self.db.execute(
            "SELECT * FROM items WHERE id = ?", (number,)
        ).fetchone()
        return row


def _values(item: Item) -> tuple[Any, ...]:
    text = item.text.encode("utf-8", "replace").decode()  # SQLite holds no lone surrogates
    return (
        item.key,
        item.row,
        item.column,
        item.number,
        item.source.encode("utf-8", "replace").decode(),
        _reference(item.picture),
        text,
        text,
        key_of(text) if text.strip() else None,
        *_verdict_values(item.verdicts),
        len(words(text)),
        item.model,
    )


def _verdict_values(verdicts: Sequence[tuple[str, str]]) -> tuple[str, str, int]:
    """Kinds, reasons and severity as they stand in the index."""
    kinds = ",".join(kind for kind, _ in verdicts)
    reasons = json.dumps([reason for _, reason in verdicts], ensure_ascii=False)
    return kinds, reasons, severity_of(verdicts)


def _add_kinds(
    db: sqlite3.Connection, number: int | None, verdicts: Sequence[tuple[str, str]]
) -> None:
    db.executemany(
        "INSERT OR IGNORE INTO item_kinds VALUES (?, ?)", [(kind, number) for kind, _ in verdicts]
    )


def _reference(picture: Any) -> str | None:
    """A picture's value as JSON, where it is a name and not the picture itself."""
    if isinstance(picture, dict):
        picture = {name: picture[name] for name in ("path", "url") if picture.get(name)} or None
    if isinstance(picture, (list, tuple)):
        picture = [one for one in picture if isinstance(one, str)] or None
    if picture is None or isinstance(picture, (bytes, bytearray, memoryview)):
        return None
    return json.dumps(picture, ensure_ascii=True, default=str)


def _chunks(items: Iterable[Item]) -> Iterator[Sequence[Item]]:
    chunk: list[Item] = []
    for item in items:
        chunk.append(item)
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _statements(script: str) -> Iterator[str]:
    """The statements of a script; a trigger's inner ones belong to it."""
    statement = ""
    for line in script.splitlines():
        statement += line + "\n"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _matches(pattern: str, text: str) -> bool:
    return re.search(pattern, text, re.IGNORECASE) is not None
