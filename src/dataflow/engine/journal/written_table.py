"""What a run leaves to the next one.

A digest of each caption that was written, the files' state, and how models take requests.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, TypeAlias

from dataflow.core.text import trimmed
from dataflow.engine.journal.decisions import DIGEST_BYTES
from dataflow.engine.journal.journal_decisions import JournalDecisions

WrittenRow: TypeAlias = "tuple[int, int, bytes, bytes, bytes | None]"
"""A caption's row, index in the row, key, subject and digest."""


def exact_digest(text: str | None) -> bytes | None:
    """What tells one written caption from another, blanks within it included; None for none.

    Blanks at the ends and the kind of line breaks do not count: some formats do not keep them.
    """
    plain = trimmed(text or "")
    if not plain:
        return None
    return blake2b(plain.encode("utf-8", "replace"), digest_size=DIGEST_BYTES).digest()


def in_one_line(text: str) -> str:
    """A machine's caption as a sidecar of one line holds it."""
    return " ".join(filter(None, map(str.strip, text.splitlines())))


@dataclass(frozen=True, slots=True)
class WrittenCaption:
    """A caption that was written.

    Attributes:
        key: Of its request.
        digest: `exact_digest` of its text.
    """

    key: bytes
    digest: bytes | None


class WrittenCaptions:
    """The captions of the output, by row, and by subject where rows moved.

    Args:
        db: The journal.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._by_subject: dict[tuple[bytes, int], WrittenCaption | None] | None = None

    def find(self, row: int, caption_index: int, subject: bytes) -> WrittenCaption | None:
        """What was written for a caption; None where it cannot be told."""
        found = self._db.execute(
            "SELECT key, subject, digest FROM written WHERE row = ? AND caption_index = ?",
            (row, caption_index),
        ).fetchone()
        if found is not None and found[1] == subject:
            return WrittenCaption(found[0], found[2])
        if self._by_subject is None:
            self._by_subject = self._subjects()
        return self._by_subject.get((subject, caption_index))

    def rows(self) -> int:
        """How many rows were written."""
        return int(self._db.execute("SELECT count(DISTINCT row) FROM written").fetchone()[0])

    def has_digest(self, row: int, caption_index: int, digest: bytes | None) -> bool:
        """Whether just this text was written for a caption, wherever its picture lies now."""
        found = self._db.execute(
            "SELECT 1 FROM written WHERE row = ? AND caption_index = ? AND digest IS ?",
            (row, caption_index, digest),
        )
        return found.fetchone() is not None

    def by_content(self, content_key: bytes) -> bytes | None:
        """The key of the one request about these bytes whose caption was written; None for none."""
        found = self._db.execute(
            "SELECT DISTINCT written.key FROM written JOIN results ON results.key = written.key "
            "WHERE results.content_key = ? LIMIT 2",
            (content_key,),
        ).fetchall()
        return found[0][0] if len(found) == 1 else None

    def _subjects(self) -> dict[tuple[bytes, int], WrittenCaption | None]:
        """Each subject that stands in one row alone."""
        found: dict[tuple[bytes, int], WrittenCaption | None] = {}
        rows = self._db.execute("SELECT subject, caption_index, key, digest FROM written")
        for subject, index, key, digest in rows:
            is_first = (subject, index) not in found
            found[subject, index] = WrittenCaption(key, digest) if is_first else None
        return found


_NEW_ROWS = """
    CREATE TEMP TABLE IF NOT EXISTS written_anew (
        row INTEGER, caption_index INTEGER, key BLOB, subject BLOB, digest BLOB,
        PRIMARY KEY (row, caption_index)
    ) WITHOUT ROWID
"""


def begin(db: sqlite3.Connection) -> None:
    """Begin to note an output that is written anew; of the one that is there all stays known."""
    db.execute("DROP TABLE IF EXISTS temp.written_anew")
    db.execute("INSERT OR IGNORE INTO output_state (one, files) VALUES (1, NULL)")


def add(db: sqlite3.Connection, rows: Iterable[WrittenRow]) -> None:
    """Note captions that are written."""
    db.execute(_NEW_ROWS)
    db.executemany("INSERT OR REPLACE INTO temp.written_anew VALUES (?, ?, ?, ?, ?)", rows)


def replace_former(db: sqlite3.Connection) -> None:
    """Let the captions that were noted since `begin` be those of the output."""
    db.execute(_NEW_ROWS)
    db.execute("DELETE FROM written")
    db.execute(
        "INSERT INTO written (row, caption_index, key, subject, digest) "
        "SELECT row, caption_index, key, subject, digest FROM temp.written_anew"
    )
    db.execute("DROP TABLE temp.written_anew")
    db.execute("INSERT OR REPLACE INTO output_state (one, files) VALUES (1, NULL)")


def set_files(db: sqlite3.Connection, files: list[list[Any]] | None) -> None:
    """Note the files of the output, which is whole now."""
    text = json.dumps(files)
    db.execute("INSERT OR REPLACE INTO output_state (one, files) VALUES (1, ?)", (text,))


def files_of(db: sqlite3.Connection) -> Any:
    """As `set_files` was given it; None where the output was not written to its end."""
    found = db.execute("SELECT files FROM output_state").fetchone()
    return None if found is None or found[0] is None else json.loads(found[0])


def has_other_questions(db: sqlite3.Connection) -> bool:
    """Whether a caption that was written is the answer to another request than the plan has."""
    found = db.execute(
        "SELECT 1 FROM plan JOIN written USING (row, caption_index) "
        "WHERE plan.key <> written.key AND digest NOT NULL LIMIT 1"
    )
    return found.fetchone() is not None


class JournalOutput(JournalDecisions):
    """A journal's file, with what it knows of its output and of the models.

    Attributes:
        run: The number of this run, from 1; 0 where it is none.
    """

    run: int = 0

    def begin_written(self) -> None:
        """Begin to note an output that is written anew; of the one that is there all stays known.

        So what people change in it after a kill is noticed.
        """
        self._do(lambda: begin(self._db))

    def add_written(self, rows: Sequence[WrittenRow]) -> None:
        """Note captions that are written."""
        self._do(lambda: add(self._db, rows))

    def replace_written(self) -> None:
        """Let what was added be what is known of the output, which takes its place now."""
        self._do(lambda: replace_former(self._db))

    def end_written(self, files: list[list[Any]] | None) -> None:
        """Note the files of the output, which is whole now."""
        self._do(lambda: set_files(self._db, files))

    def began_writing(self) -> bool:
        """Whether a run ever began to write the output."""
        with self._guarded():
            return self._db.execute("SELECT 1 FROM output_state").fetchone() is not None

    def has_written(self) -> bool:
        """Whether an output was ever written."""
        with self._guarded():
            return self._db.execute("SELECT 1 FROM written LIMIT 1").fetchone() is not None

    def written(self) -> WrittenCaptions:
        """What stands in the output."""
        return WrittenCaptions(self._db)

    def output_files(self) -> Any:
        """As `end_written` was given it; None where the output was not written to its end."""
        with self._guarded():
            return files_of(self._db)

    def has_other_questions(self) -> bool:
        """Whether a caption in the output is the answer to another request than the plan has."""
        with self._guarded():
            return has_other_questions(self._db)

    def note_adaptations(self, learned: Mapping[str, Mapping[str, Any]]) -> None:
        """Keep in which form models take requests: model and address → plain JSON."""
        lines = [(name, json.dumps(one, sort_keys=True), self.run) for name, one in learned.items()]
        self._do(
            lambda: self._db.executemany(
                "INSERT OR REPLACE INTO adaptations VALUES (?, ?, ?)", lines
            )
        )

    def adaptations(self) -> dict[str, dict[str, Any]]:
        """What earlier runs kept with `note_adaptations`."""
        with self._guarded():
            found = self._db.execute("SELECT serving, learned FROM adaptations").fetchall()
        return {name: json.loads(learned) for name, learned in found}
