"""The journal's tables of batches: which requests are in which batch, and what has come back.

`batches`: one line per batch. `batch_requests`: one line per request that was put into a batch and
has no result in the journal yet, with what came back for it. Each step with a batch is on disk
before and after it is made, and each commit waits for the disk: a lost line here would be a batch
that is paid twice.
"""

from __future__ import annotations

import dataclasses
import sqlite3
import time
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias
from zlib import crc32

from dataflow.core.database.sqlite import connect, select_in
from dataflow.engine.journal import schema
from dataflow.engine.journal.codec import REPLY_BEGINS
from dataflow.engine.journal.database import guarded
from dataflow.engine.journal.read_only import open_read_only

FREE = 0
"""The batch of a request that is in none and is to be asked again."""

WRITTEN = "written"
"""Its file is on our disk, whole."""

UPLOADED = "uploaded"
"""Its file is at the server; no batch was asked for, or the server turned it down."""

SUBMITTING = "submitting"
"""The server was asked to make it; whether it did is not known."""

CREATED = "created"
"""The server works on it."""

ENDED = "ended"
"""All that came of it is here."""


Former: TypeAlias = "tuple[bytes, int, str | None]"
"""A request's key, how often it was asked before, and what that used (see `BatchRequest.spent`)."""


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch, as the journal knows it.

    Attributes:
        number: Ours, from 1.
        token: Our name for it, unlike that of any other batch; its file is called so.
        server: Its base URL.
        state: `WRITTEN`, `UPLOADED`, `SUBMITTING`, `CREATED` or `ENDED`.
        requests: In it.
        size: Bytes of its file.
        written: When its file was, in seconds since 1970.
        file: The server's id of the uploaded file, or None where there is none (any more).
        id: The server's id of the batch, or None.
        status: What the server last said of it.
        done: Requests answered or failed at the server.
        ended: When it ended, or None.
    """

    number: int
    token: str
    server: str
    state: str
    requests: int
    size: int
    written: float
    file: str | None = None
    id: str | None = None
    status: str = ""
    done: int = 0
    ended: float | None = None


@dataclass(frozen=True, slots=True)
class BatchRequest:
    """A request that was put into a batch.

    Attributes:
        attempts: Batches it was put into so far.
        spent: What its attempts used that are not in the journal, as `add` was given it.
        is_under_way: Whether its batch may still answer it.
        answer: What came back, as `keep` was given it; None where nothing did.
        seconds: From the writing of its batch to the batch's end.
    """

    attempts: int
    spent: str | None
    is_under_way: bool
    answer: str | None
    seconds: float


_FIELDS = ", ".join(field.name for field in dataclasses.fields(Batch))


class BatchTables:
    """The tables of batches in a journal's file, from one thread at a time.

    Args:
        path: The journal's file, which is there already; None for tables in memory.

    Raises:
        JournalError: the file cannot be read or written.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._db = connect(":memory:" if path is None else str(path))
        with self._guarded():
            self._db.execute("PRAGMA synchronous = FULL")
            if path is None:
                schema.create(self._db)
        self._tidy()

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    # --- batches -------------------------------------------------------------------------------

    def add(self, token: str, server: str, size: int, requests: Sequence[Former]) -> Batch:
        """Note a written batch and the requests in it, each with what was before."""
        with self._guarded():
            number = self._db.execute(
                "INSERT INTO batches (token, server, state, requests, size, written, status, done) "
                "VALUES (?, ?, ?, ?, ?, ?, '', 0)",
                (token, server, WRITTEN, len(requests), size, time.time()),
            ).lastrowid
            self._db.executemany(
                "INSERT OR REPLACE INTO batch_requests (key, batch, attempts, spent) "
                "VALUES (?, ?, ?, ?)",
                ((key, number, before + 1, spent) for key, before, spent in requests),
            )
            self._db.commit()
        return self._batch(int(number or 0))

    def batches(self, *states: str) -> list[Batch]:
        """The batches in one of `states`, the oldest first."""
        marks = ", ".join("?" * len(states))
        return self._select(f"WHERE state IN ({marks}) ORDER BY number", states)

    def under_way(self) -> list[Batch]:
        """The batches that have not ended."""
        return self._select("WHERE state != ? ORDER BY number", (ENDED,))

    def leftover_files(self) -> list[Batch]:
        """The batches that have ended and whose uploaded file is still at the server."""
        return self._select("WHERE state = ? AND file NOT NULL ORDER BY number", (ENDED,))

    def update(self, batch: Batch, **changes: Any) -> Batch:
        """Note that `changes` (fields of `Batch`) are so; returns the batch as it is now."""
        if all(getattr(batch, name) == value for name, value in changes.items()):
            return batch
        names = ", ".join(f"{name} = ?" for name in changes)
        with self._guarded():
            self._db.execute(
                f"UPDATE batches SET {names} WHERE number = ?",  # noqa: S608
                (*changes.values(), batch.number),
            )
            self._db.commit()
        return self._batch(batch.number)

    def end(self, batch: Batch, answer: str | None) -> int:
        """Note that nothing more comes of `batch`.

        Args:
            batch: The batch.
            answer: What is kept for each request that has no answer; with None, these were never
                asked, and are free to be asked as if they had never been in a batch.

        Returns:
            How many have no answer.
        """
        with self._guarded():
            unanswered = self._unanswered(batch)
            if answer is None:
                self._db.execute(
                    "UPDATE batch_requests SET batch = ?, attempts = attempts - 1 "
                    "WHERE batch = ? AND answer IS NULL",
                    (FREE, batch.number),
                )
            else:
                self._db.execute(
                    "UPDATE batch_requests SET answer = ?, checksum = ? "
                    "WHERE batch = ? AND answer IS NULL",
                    (answer, _checksum(answer), batch.number),
                )
            self._db.execute(
                "UPDATE batches SET state = ?, ended = ? WHERE number = ?",
                (ENDED, time.time(), batch.number),
            )
            self._db.commit()
        return unanswered

    def _batch(self, number: int) -> Batch:
        return self._select("WHERE number = ?", (number,))[0]

    def _select(self, condition: str, values: Sequence[Any]) -> list[Batch]:
        with self._guarded():
            rows = self._db.execute(f"SELECT {_FIELDS} FROM batches {condition}", values)  # noqa: S608
            return [Batch(*row) for row in rows]

    # --- requests ------------------------------------------------------------------------------

    def find(self, keys: Sequence[bytes]) -> dict[bytes, BatchRequest]:
        """What is known of those of `keys` that were put into a batch."""
        found = {}
        with self._guarded():
            rows = select_in(
                self._db,
                "SELECT key, attempts, spent, answer, checksum, state, written, ended "
                "FROM batch_requests LEFT JOIN batches ON number = batch WHERE key IN (*)",
                keys,
            )
            for key, attempts, spent, answer, checksum, state, written, ended in rows:
                is_whole = answer is not None and _checksum(answer) == checksum
                found[key] = BatchRequest(
                    attempts,
                    spent,
                    is_under_way=state is not None and state != ENDED,
                    answer=answer if is_whole else None,
                    seconds=max(0.0, (ended or time.time()) - (written or time.time())),
                )
        return found

    def keep(self, batch: Batch, answers: Sequence[tuple[bytes, str]]) -> int:
        """Keep what came back for requests of `batch`; the first answer to each is the one.

        Returns:
            How many of them are none of this batch.
        """
        unknown = 0
        with self._guarded():
            for key, answer in answers:
                done = self._db.execute(
                    "UPDATE batch_requests SET answer = COALESCE(answer, ?), checksum = "
                    "COALESCE(checksum, ?) WHERE key = ? AND batch = ?",
                    (answer, _checksum(answer), key, batch.number),
                )
                unknown += done.rowcount == 0
            self._db.commit()
        return unknown

    def unanswered(self, batch: Batch) -> int:
        """How many requests of `batch` have no answer."""
        with self._guarded():
            return self._unanswered(batch)

    def _unanswered(self, batch: Batch) -> int:
        [count] = self._db.execute(
            "SELECT count(*) FROM batch_requests WHERE batch = ? AND answer IS NULL",
            (batch.number,),
        ).fetchone()
        return int(count)

    def free(self, keys: Iterable[bytes]) -> None:
        """Drop the answers of these requests: they are to be asked again."""
        with self._guarded():
            self._db.executemany(
                "UPDATE batch_requests SET batch = ?, answer = NULL, checksum = NULL WHERE key = ?",
                ((FREE, key) for key in keys),
            )
            self._db.commit()

    def settled(self, keys: Iterable[bytes]) -> None:
        """The journal has an entry for each of these requests now."""
        with self._guarded():
            drop_requests(self._db, keys)
            self._db.commit()

    def _tidy(self) -> None:
        """Drop what the journal has an entry for: the process ended between the two commits."""
        if self._path is not None:
            with self._guarded():
                self._db.execute(
                    "DELETE FROM batch_requests WHERE answer NOT NULL AND EXISTS ("
                    "SELECT 1 FROM batches JOIN results ON results.key = batch_requests.key "
                    "WHERE number = batch_requests.batch AND results.committed_at > ended)"
                )
                self._db.commit()

    def _guarded(self) -> AbstractContextManager[None]:
        return guarded(self._db, self._path)


def unsettled(path: Path) -> int:
    """How many requests in the journal at `path` are in a batch, or were answered by one.

    A journal that cannot be read, because it is damaged or another program's, counts for none:
    whoever opens it sets it aside.
    """
    try:
        db = open_read_only(path)
        try:
            return count_unsettled(db)
        finally:
            db.close()
    except sqlite3.Error:
        return 0


def drop_requests(db: sqlite3.Connection, keys: Iterable[bytes]) -> None:
    """These requests have results now; nothing is committed."""
    db.executemany("DELETE FROM batch_requests WHERE key = ?", ((key,) for key in keys))


def count_unsettled(db: sqlite3.Connection) -> int:
    """As `unsettled`, of an open journal.

    Raises:
        sqlite3.Error: the file cannot be read.
    """
    [count] = db.execute(
        "SELECT count(*) FROM batch_requests JOIN batches ON number = batch "
        "LEFT JOIN results ON results.key = batch_requests.key "
        "WHERE state != ? OR (answer LIKE ? AND ifnull(results.committed_at <= ended, 1))",
        (ENDED, REPLY_BEGINS + "%"),
    ).fetchone()
    return int(count)


def _checksum(answer: str) -> int:
    return crc32(answer.encode("utf-8", "surrogatepass"))
