"""The journal: every answer, on disk before anything else sees it.

One SQLite file beside the output, in write-ahead mode. What was committed survives the death of the
process at any instant (kill -9 included); with `durable`, each commit also waits for the disk, so
that it survives a power cut. Answers that arrive together are committed together, by one thread of
the journal's own, and `Journal.put` returns when its answer is committed.

Format: SQLite 3 (see `journal_file`). Table `replies`: one line per request key. Table `plan`: the
key of each row of the latest run, so that the output can be assembled. Table `runs`: when each run
began.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from zlib import crc32

from dataflow.core.errors import JournalError
from dataflow.engine.journal_file import open_database

_log = logging.getLogger("dataflow")

LOOKUP_BATCH = 500
"""Keys in one SELECT; SQLite's oldest limit on bound values is 999."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What is known about one request.

    Attributes:
        key: The request's key.
        caption: The answer, or None where there is only an error.
        error_kind: The kind of the error, or None.
        error: The error's message, or None.
        is_final: Whether a later run takes this as it is; otherwise it asks again.
        finish_reason: As the server gave it.
        prompt_tokens: As the server counted them.
        completion_tokens: As the server counted them.
        attempts: Requests made for it.
        seconds: From the first attempt to the answer.
        model: As the server gave it.
    """

    key: bytes
    caption: str | None = None
    error_kind: str | None = None
    error: str | None = None
    is_final: bool = False
    finish_reason: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    attempts: int = 0
    seconds: float = 0.0
    model: str = ""

    def checksum(self) -> int:
        """CRC-32 of what the output is made of, so that damage on disk is seen."""
        text = f"{self.caption!r}|{self.error_kind}|{self.error!r}|{self.is_final}"
        return crc32(text.encode("utf-8", "surrogatepass"), crc32(self.key))


_COLUMNS = (
    "key, caption, error_kind, error, is_final, finish_reason, "
    "prompt_tokens, completion_tokens, attempts, seconds, model"
)


class Journal:
    """An open journal; its methods may be called from any thread.

    Args:
        path: The file, or None for one in memory only.
        durable: Whether each commit waits for the disk.

    Raises:
        JournalError: the file cannot be opened or written.
    """

    def __init__(self, path: Path | None, *, durable: bool = False) -> None:
        self.path = path
        self._db = open_database(path, durable=durable)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="dataflow-journal")
        self._lock = threading.Lock()
        self._waiting: list[tuple[Entry, asyncio.AbstractEventLoop, asyncio.Future[None]]] = []
        self._unsaved: list[Entry] = []
        self._is_damaged = False
        self._closed = False
        self.run = self._next_run()

    def _next_run(self) -> int:
        with self._guarded():
            self._db.execute("DELETE FROM plan")
            run = self._db.execute(
                "INSERT INTO runs (started) VALUES (?)", (time.time(),)
            ).lastrowid
            self._db.commit()
        return int(run or 0)

    async def put(self, entry: Entry) -> None:
        """Keep `entry`; returns when it is committed.

        Raises:
            JournalError: the disk is full or the file is damaged.
        """
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        with self._lock:
            self._waiting.append((entry, loop, done))
            first = len(self._waiting) == 1
        if first:
            self._thread.submit(self._commit_waiting)
        await asyncio.shield(done)

    def _commit_waiting(self) -> None:
        with self._lock:
            batch, self._waiting = self._waiting, []
        entries = [entry for entry, _, _ in batch]
        try:
            self._write(entries)
        except BaseException as error:  # noqa: BLE001 - whoever waits must hear of it
            failure: BaseException | None = error
            self._unsaved += entries
        else:
            failure = None
        if batch:
            batch[0][1].call_soon_threadsafe(_resolve, [done for _, _, done in batch], failure)

    def _write(self, entries: Sequence[Entry]) -> None:
        now = time.time()
        rows = [
            (e.key, e.caption, e.error_kind, e.error, e.is_final, e.finish_reason,
             e.prompt_tokens, e.completion_tokens, e.attempts, e.seconds, e.model,
             e.checksum(), self.run, now)
            for e in entries
        ]  # fmt: skip
        with self._guarded():
            self._db.executemany(
                f"INSERT OR REPLACE INTO replies ({_COLUMNS}, checksum, run, at) "  # noqa: S608
                f"VALUES ({', '.join('?' * 14)})",
                rows,
            )
            self._db.commit()

    def known(self, keys: Sequence[bytes], *, retry_failed: bool = False) -> set[bytes]:
        """Those of `keys` that need no asking: answered for good, or tried in this run."""
        return self._thread.submit(self._known, keys, retry_failed).result()

    def _known(self, keys: Sequence[bytes], retry_failed: bool) -> set[bytes]:
        found: set[bytes] = set()
        with self._guarded():
            for start in range(0, len(keys), LOOKUP_BATCH):
                part = keys[start : start + LOOKUP_BATCH]
                marks = ", ".join("?" * len(part))
                rows = self._db.execute(
                    f"SELECT {_COLUMNS}, checksum, run FROM replies WHERE key IN ({marks})",  # noqa: S608
                    part,
                )
                for *values, checksum, run in rows:
                    entry = _entry(values)
                    settled = entry.caption is not None or (entry.is_final and not retry_failed)
                    if entry.checksum() != checksum:
                        self._set_aside(entry)
                    elif settled or run == self.run:
                        found.add(entry.key)
        return found

    def find(self, key: bytes) -> Entry | None:
        """The entry of `key`, or None where there is none to trust."""
        with self._guarded():
            row = self._db.execute(
                f"SELECT checksum, {_COLUMNS} FROM replies WHERE key = ?",  # noqa: S608
                (key,),
            ).fetchone()
        if row is None:
            return None
        entry = _entry(row[1:])
        return entry if entry.checksum() == row[0] else None

    def _set_aside(self, entry: Entry) -> None:
        """Keep a damaged answer, which the next one replaces, in a file of its own."""
        if self.path is None:
            return
        aside = self.path.with_name(self.path.name + ".damaged.jsonl")
        with open(aside, "a", encoding="utf-8") as file:
            file.write(json.dumps({**asdict(entry), "key": entry.key.hex()}) + "\n")
        if not self._is_damaged:
            self._is_damaged = True
            _log.warning(
                "answers in the journal %s are damaged: kept in %s, and asked again",
                self.path, aside,
            )  # fmt: skip

    def plan(self, keys_by_row: Iterable[tuple[int, bytes]]) -> None:
        """Keep the key of each of these rows."""
        self._thread.submit(self._plan, list(keys_by_row)).result()

    def _plan(self, keys_by_row: list[tuple[int, bytes]]) -> None:
        with self._guarded():
            self._db.executemany(
                "INSERT OR REPLACE INTO plan (row, key) VALUES (?, ?)", keys_by_row
            )
            self._db.commit()

    def outcomes(self) -> Iterator[tuple[int, Entry | None]]:
        """Each planned row's number and its entry, in order; None where there is none to trust."""
        with self._guarded():
            columns = _COLUMNS.replace("key", "plan.key", 1)
            cursor = self._db.execute(
                f"SELECT plan.row, replies.checksum, {columns} "  # noqa: S608
                "FROM plan LEFT JOIN replies ON plan.key = replies.key ORDER BY plan.row"
            )
        while True:
            with self._guarded():
                batch = cursor.fetchmany(LOOKUP_BATCH)
            if not batch:
                return
            for row, checksum, *values in batch:
                entry = _entry(values)
                yield row, entry if checksum is not None and entry.checksum() == checksum else None

    def close(self) -> None:
        """Commit what waits and let go of the file; may be called twice.

        Raises:
            JournalError: answers that found no room on the disk before find none now either.
        """
        if self._closed:
            return
        self._closed = True
        self._thread.shutdown(wait=True)
        try:
            if self._unsaved:
                self._write(self._unsaved)
        finally:
            self._db.close()

    def _guarded(self) -> _Guard:
        return _Guard(self)


class _Guard:
    """Turns SQLite's errors into ours, with the file's name, and rolls a half-done write back."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, (sqlite3.Error, OSError)):
            if self._journal._db.in_transaction:
                self._journal._db.rollback()
            raise JournalError(
                f"the journal {self._journal.path} cannot be read or written: {error}; free disk "
                "space or mend the file, then run the same command again"
            ) from error


def _entry(values: Sequence[object]) -> Entry:
    key, caption, error_kind, error, is_final, *rest = values
    return Entry(key, caption, error_kind, error, bool(is_final), *rest)  # type: ignore[arg-type]


def _resolve(futures: Sequence[asyncio.Future[None]], failure: BaseException | None) -> None:
    for future in futures:
        if future.done():
            continue
        if failure is None:
            future.set_result(None)
        else:
            future.set_exception(failure)
