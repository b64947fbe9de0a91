"""The journal: every answer, on disk before anything else sees it.

One SQLite file beside the output, in write-ahead mode. What was committed survives the death of the
process at any instant (kill -9 included); with `durable`, each commit also waits for the disk, so
that it survives a power cut. Answers that arrive together are committed together, by one thread of
the journal's own, and `Journal.put` returns when its answer is committed.

Format: SQLite 3 (see `journal_file`). Table `replies`: one line per request key. Table `answers`:
one line per answer that was turned down, edited or came of a further ask. Table `plan`: the key of
each caption of the latest run, by row and place in the row, so that the output can be assembled.
Table `runs`: each run, so that `status` can tell how far the latest is. Tables `standing` and
`pictures`: what the plan was made of, so that a run can tell whether it stands.
"""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import TypeAlias

from dataflow.engine.journal.attempt_table import answers_to, has_answers, keep_answers
from dataflow.engine.journal.plan_state import PlanState, SeenPicture
from dataflow.engine.journal.records import RESULT_COLUMNS, AttemptRecord, ResultRecord, settled
from dataflow.engine.journal.schema import LOOKUP_BATCH, guarded, note_presets, open_database

_log = logging.getLogger("dataflow")
_MARKS = ", ".join("?" * len(RESULT_COLUMNS.split(",")))
Kept: TypeAlias = "ResultRecord | AttemptRecord"
Former: TypeAlias = "tuple[ResultRecord | None, list[AttemptRecord]]"
"""A request's entry, where there is one to trust, and its answers in their order."""


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
        self._waiting: list[
            tuple[tuple[Kept, ...], asyncio.AbstractEventLoop, asyncio.Future[None]]
        ] = []
        self._unsaved: list[Kept] = []
        self._is_damaged = False
        self._closed = False
        self.run = self._next_run()
        with self._guarded():
            self._has_answers = has_answers(self._db)

    def _next_run(self) -> int:
        with self._guarded():
            run = self._db.execute(
                "INSERT INTO runs (started) VALUES (?)", (time.time(),)
            ).lastrowid
            self._db.commit()
        return int(run or 0)

    def note_rows(self, rows: int, presets: Mapping[str, str]) -> None:
        """Keep how many rows this run takes, and by which presets: column → name and version."""
        self._thread.submit(self._note, "rows", rows).result()
        self._thread.submit(note_presets, self._db, self.path, self.run, presets).result()

    def note_end(self, how: str) -> None:
        """Keep when and how this run ended: ``"done"`` or the kind of what stopped it."""
        self._thread.submit(self._note, "ended", time.time()).result()
        self._thread.submit(self._note, "ending", how).result()

    def _note(self, column: str, value: object) -> None:
        with self._guarded():
            self._db.execute(f"UPDATE runs SET {column} = ? WHERE run = ?", (value, self.run))  # noqa: S608
            self._db.commit()

    async def put(self, *kept: Kept) -> None:
        """Keep these, all or none; returns when they are committed.

        Raises:
            JournalError: the disk is full or the file is damaged.
        """
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        with self._lock:
            self._waiting.append((kept, loop, done))
            first = len(self._waiting) == 1
        if first:
            self._thread.submit(self._commit_waiting)
        await asyncio.shield(done)

    def _commit_waiting(self) -> None:
        with self._lock:
            batch, self._waiting = self._waiting, []
        everything = [one for kept, _, _ in batch for one in kept]
        try:
            self._write(everything)
        except BaseException as error:  # noqa: BLE001 - whoever waits must hear of it
            failure: BaseException | None = error
            self._unsaved += everything
        else:
            failure = None
        if batch:
            batch[0][1].call_soon_threadsafe(_resolve, [done for _, _, done in batch], failure)

    def _write(self, kept: Sequence[Kept]) -> None:
        now = time.time()
        with self._guarded():
            self._db.executemany(
                f"INSERT OR REPLACE INTO replies ({RESULT_COLUMNS}, checksum, run, at) "  # noqa: S608
                f"VALUES ({_MARKS}, ?, ?, ?)",
                [
                    (*entry.values(), entry.checksum(), self.run, now)
                    for entry in self._summed(kept)
                ],
            )
            answers = [one for one in kept if isinstance(one, AttemptRecord)]
            if answers:
                self._has_answers = True
                keep_answers(self._db, answers, self.run, now)
            self._db.commit()

    def _summed(self, kept: Sequence[Kept]) -> list[ResultRecord]:
        """The entries in `kept`, with what they used before."""
        entries = [one for one in kept if isinstance(one, ResultRecord)]
        former = self._trusted([entry.key for entry in entries])
        return [e.after(former[e.key]) if e.key in former else e for e in entries]

    def judged_again(self, kept: Sequence[Kept]) -> None:
        """Keep what was made of answers that were there; entries stay those of their own run."""
        self._thread.submit(self._judged_again, kept).result()

    def _judged_again(self, kept: Sequence[Kept]) -> None:
        with self._guarded():
            former = self._trusted([one.key for one in kept if isinstance(one, ResultRecord)])
            old = [one for one in kept if isinstance(one, ResultRecord) and one.key in former]
            self._db.executemany(
                f"UPDATE replies SET ({RESULT_COLUMNS}, checksum) = ({_MARKS}, ?) WHERE key = ?",  # noqa: S608
                [(*e.values(), e.checksum(), e.key) for e in self._summed(old)],
            )
        self._write(
            [one for one in kept if isinstance(one, AttemptRecord) or one.key not in former]
        )

    def _trusted(self, keys: Sequence[bytes]) -> dict[bytes, ResultRecord]:
        """The entries of `keys`, but for the damaged ones."""
        found = (entry for entry, is_sound, _ in self._look_up(keys, "run") if is_sound)
        return {entry.key: entry for entry in found}

    def _look_up(
        self, keys: Sequence[bytes], told: str
    ) -> Iterator[tuple[ResultRecord, bool, int]]:
        """Each entry that there is of `keys`, whether it is sound, and what `told` says of it."""
        for start in range(0, len(keys), LOOKUP_BATCH):
            part = keys[start : start + LOOKUP_BATCH]
            marks = ", ".join("?" * len(part))
            rows = self._db.execute(
                f"SELECT {RESULT_COLUMNS}, checksum, {told} FROM replies WHERE key IN ({marks})",  # noqa: S608
                part,
            )
            for *values, checksum, found in rows:
                entry = ResultRecord.of(values)
                yield entry, entry.checksum() == checksum, found

    def known(
        self, keys: Sequence[bytes], *, retry_failed: bool = False, mark: int | None = 0
    ) -> set[bytes]:
        """Those of `keys` that need no asking: answered for good, or tried in this run.

        Args:
            keys: Of requests.
            retry_failed: Whether what failed for good, and what was flagged, is to be asked again.
            mark: That of this run's checks (see `RejectPolicy`): what was judged under another one
                is not known.
        """
        return self._thread.submit(self._known, keys, retry_failed, mark).result()

    def _known(self, keys: Sequence[bytes], retry_failed: bool, mark: int | None) -> set[bytes]:
        found: set[bytes] = set()
        is_known = f"{settled(retry_failed=retry_failed, mark=mark)} OR run = {self.run}"
        with self._guarded():
            for entry, is_sound, known in self._look_up(keys, is_known):
                if not is_sound:
                    self._set_aside(entry)
                elif known:
                    found.add(entry.key)
        return found

    def former(self, keys: Sequence[bytes], *, mark: int | None = 0) -> dict[bytes, Former]:
        """What there is of those of `keys` that are not known.

        Args:
            keys: Of requests.
            mark: As that of `known`.
        """
        if mark == 0 and not self._has_answers:
            return {}
        return self._thread.submit(self._former, keys).result()

    def _former(self, keys: Sequence[bytes]) -> dict[bytes, Former]:
        with self._guarded():
            found: dict[bytes, Former] = {
                key: (entry, []) for key, entry in self._trusted(keys).items()
            }
            for one in answers_to(self._db, keys) if self._has_answers else ():
                found.setdefault(one.key, (None, []))[1].append(one)
        return found

    def find(self, key: bytes) -> ResultRecord | None:
        """The entry of `key`, or None where there is none to trust."""
        with self._guarded():
            return self._trusted([key]).get(key)

    def _set_aside(self, entry: ResultRecord) -> None:
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

    def begin_plan(self, rows: int, stamp: str | None) -> None:
        """Forget the former plan; a new one follows.

        Args:
            rows: How many it will hold.
            stamp: Of what it is made, or None where nobody can tell.
        """
        self._thread.submit(self._begin_plan, rows, stamp).result()

    def _begin_plan(self, rows: int, stamp: str | None) -> None:
        with self._guarded():
            for table in ("plan", "pictures", "standing"):
                self._db.execute(f"DELETE FROM {table}")  # noqa: S608
            self._db.execute(
                "INSERT INTO standing (one, stamp, rows) VALUES (1, ?, ?)", (stamp, rows)
            )
            self._db.commit()

    def plan(
        self, planned: Iterable[tuple[int, int, bytes]], pictures: Iterable[SeenPicture] = ()
    ) -> None:
        """Keep the keys of captions: each one's row, its place among the row's, and its key.

        Args:
            planned: The captions.
            pictures: The files that their keys were made of.
        """
        self._thread.submit(self._plan, list(planned), list(pictures)).result()

    def _plan(self, planned: list[tuple[int, int, bytes]], pictures: list[SeenPicture]) -> None:
        with self._guarded():
            self._db.executemany(
                "INSERT OR REPLACE INTO plan (row, place, key) VALUES (?, ?, ?)", planned
            )
            self._db.executemany(
                "INSERT OR REPLACE INTO pictures (place, size, time) VALUES (?, ?, ?)", pictures
            )
            self._db.commit()

    def standing(self) -> PlanState | None:
        """The plan that stands, whole or in part; None where there is none."""
        with self._guarded():
            found = self._db.execute("SELECT stamp, rows, output FROM standing").fetchone()
            if found is None:
                return None
            stamp, rows, output = found
            planned, captions = self._db.execute(
                "SELECT coalesce(max(row) + 1, 0), count(*) FROM plan"
            ).fetchone()
        return PlanState(stamp, rows, output, planned, captions)

    def pictures(self) -> Iterator[SeenPicture]:
        """The files that the plan's keys were made of."""
        with self._guarded():
            yield from self._db.execute("SELECT place, size, time FROM pictures")

    def open_captions(self, *, retry_failed: bool = False, mark: int | None = 0) -> Counter[int]:
        """How many captions of the plan `known` would not call known, by row."""
        is_known = settled(retry_failed=retry_failed, mark=mark)
        with self._guarded():
            return Counter(
                dict(
                    self._db.execute(
                        "SELECT row, count(*) FROM plan LEFT JOIN replies "  # noqa: S608
                        "ON plan.key = replies.key "
                        f"WHERE replies.key IS NULL OR NOT {is_known} GROUP BY row"
                    )
                )
            )

    def note_output(self, output: str | None) -> None:
        """Keep what was written of the plan that stands; None for nothing that still counts."""
        with self._guarded():
            self._db.execute("UPDATE standing SET output = ?", (output,))
            self._db.commit()

    def unstamp(self) -> None:
        """Nobody can tell any more what the plan was made of."""
        self._thread.submit(self._unstamp).result()

    def _unstamp(self) -> None:
        with self._guarded():
            self._db.execute("UPDATE standing SET stamp = NULL")
            self._db.commit()

    def holds_less(self) -> bool:
        """Whether this run lacks what the latest finished one had.

        It does where it takes fewer rows, or none of those that were answered by then.
        """
        with self._guarded():
            former = self._db.execute(
                "SELECT former.run, this.rows < former.rows FROM runs AS former, runs AS this "
                "WHERE this.run = ? AND former.run < this.run AND former.ending = 'done' "
                "ORDER BY former.run DESC LIMIT 1",
                (self.run,),
            ).fetchone()
            if former is None or former[1]:
                return former is not None
            # from the plan on, so that a run that goes on is done at its first row
            kept = self._db.execute(
                "SELECT 1 FROM plan CROSS JOIN replies ON replies.key = plan.key "
                "WHERE replies.run <= ? AND caption NOT NULL LIMIT 1",
                former[:1],
            ).fetchone()
            had = "SELECT 1 FROM replies WHERE run <= ? AND caption NOT NULL LIMIT 1"
            return not kept and self._db.execute(had, former[:1]).fetchone() is not None

    def outcomes(self) -> Iterator[tuple[int, int, ResultRecord | None]]:
        """Each planned caption's row, its place there and its entry, in order.

        None stands where there is no entry to trust.
        """
        with self._guarded():
            columns = RESULT_COLUMNS.replace("key", "plan.key", 1)
            cursor = self._db.execute(
                f"SELECT plan.row, place, replies.checksum, {columns} FROM plan "  # noqa: S608
                "LEFT JOIN replies ON plan.key = replies.key ORDER BY plan.row, place"
            )
        while True:
            with self._guarded():
                batch = cursor.fetchmany(LOOKUP_BATCH)
            if not batch:
                return
            for row, place, checksum, *values in batch:
                entry = ResultRecord.of(values)
                is_sound = checksum is not None and entry.checksum() == checksum
                yield row, place, entry if is_sound else None

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

    def _guarded(self) -> AbstractContextManager[None]:
        return guarded(self._db, self.path)


def _resolve(futures: Sequence[asyncio.Future[None]], failure: BaseException | None) -> None:
    for future in futures:
        if future.done():
            continue
        if failure is None:
            future.set_result(None)
        else:
            future.set_exception(failure)
