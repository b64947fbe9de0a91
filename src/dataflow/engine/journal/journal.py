"""The journal: every answer, on disk before anything else sees it.

One SQLite file in the folder beside the output, in write-ahead mode (on a network disk with a
rollback journal). What was committed survives the death of the process at any instant (kill -9
included); with `durable`, each commit also waits for the disk, so that it survives a power cut.
Answers that arrive together are committed together, by one thread of the journal's own, and
`Journal.put` returns when its answer is committed.

The tables are in `schema`; each has a module that reads and writes it.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TypeAlias

from dataflow.core.database.group_commit import GroupCommit
from dataflow.core.side_files import open_append
from dataflow.engine.journal import plan_table
from dataflow.engine.journal.database import accept_loss, latest_loss
from dataflow.engine.journal.plan_table import PlannedCaption, PlanState, SeenPicture
from dataflow.engine.journal.records import OPEN, AttemptRecord, ResultRecord, is_settled
from dataflow.engine.journal.result_table import (
    attempts_for,
    has_attempts,
    keep_attempts,
    keep_results,
    look_up,
    of_same_content,
    replace_verdicts,
    sound_results,
)
from dataflow.engine.journal.written_table import JournalOutput

_log = logging.getLogger("dataflow")
Kept: TypeAlias = "ResultRecord | AttemptRecord"
Former: TypeAlias = "tuple[ResultRecord | None, list[AttemptRecord]]"
"""A request's result, where there is one to trust, and its attempts in their order."""


class Journal(JournalOutput):
    """An open journal; its methods may be called from any thread.

    Args:
        path: The file, or None for one in memory only.
        durable: Whether each commit waits for the disk.
        is_run: Whether this begins a run; otherwise the journal is only looked into, and what
            people decide is kept.

    Attributes:
        path: As given.
        run: The number of this run, from 1; 0 where it is none.
        had_answers: Whether it held answers before this run.

    Raises:
        JournalError: the file cannot be opened or written.
    """

    def __init__(self, path: Path | None, *, durable: bool = False, is_run: bool = True) -> None:
        super().__init__(path, durable=durable)
        self._commits: GroupCommit[Kept] = GroupCommit(self._thread, self._write)
        self._is_damaged = False
        self._follows = not is_run  # a run renews the copy of its journal beside the output
        with self._guarded():
            self.had_answers = (
                self._db.execute("SELECT 1 FROM results LIMIT 1").fetchone() is not None
            )
            self._has_attempts = has_attempts(self._db)
        self.run = self._next_run() if is_run else 0

    def _next_run(self) -> int:
        with self._guarded():
            run = self._db.execute(
                "INSERT INTO runs (started) VALUES (?)", (time.time(),)
            ).lastrowid
            self._db.commit()
        return int(run or 0)

    # --- this run ------------------------------------------------------------------------------

    def note_rows(self, rows: int, presets: Mapping[str, str]) -> None:
        """Keep how many rows this run takes, and by which presets: column → name and version."""
        lines = [(self.run, column, preset) for column, preset in presets.items()]

        def step() -> None:
            self._db.execute("UPDATE runs SET rows = ? WHERE run = ?", (rows, self.run))
            self._db.executemany("INSERT OR REPLACE INTO presets VALUES (?, ?, ?)", lines)

        self._do(step)

    def note_settings(self, settings: Mapping[str, str]) -> None:
        """Keep what determines this run's answers, by name, to tell later what has changed."""
        text = json.dumps(dict(settings), sort_keys=True)
        self._do(
            lambda: self._db.execute("UPDATE runs SET settings = ? WHERE run = ?", (text, self.run))
        )

    def note_options(self, options: str) -> None:
        """Keep the options of this run as text, so that its output can be written at any time."""
        self._do(
            lambda: self._db.execute(
                "UPDATE runs SET options = ? WHERE run = ?", (options, self.run)
            )
        )

    def former_settings(self) -> dict[str, str] | None:
        """What determined the answers of the latest run before this one; None for no such run."""
        with self._guarded():
            found = self._db.execute(
                "SELECT settings FROM runs WHERE run < ? AND settings NOT NULL "
                "ORDER BY run DESC LIMIT 1",
                (self.run,),
            ).fetchone()
        return None if found is None else dict(json.loads(found[0]))

    def note_end(self, how: str) -> None:
        """Keep when and how this run ended: ``"done"`` or the kind of what stopped it."""
        self._do(
            lambda: self._db.execute(
                "UPDATE runs SET ended = ?, ending = ? WHERE run = ?", (time.time(), how, self.run)
            )
        )

    # --- results -------------------------------------------------------------------------------

    async def put(self, *kept: Kept) -> None:
        """Keep these, all or none; returns when they are committed.

        Raises:
            JournalError: the disk is full or the file is damaged.
        """
        await self._commits.put(kept)

    def _write(self, kept: Sequence[Kept]) -> None:
        now = time.time()
        with self._guarded():
            self._keep_in_place()
            results = [one for one in kept if isinstance(one, ResultRecord)]
            keep_results(self._db, results, self.run, now)
            attempts = [one for one in kept if isinstance(one, AttemptRecord)]
            if attempts:
                self._has_attempts = True
                keep_attempts(self._db, attempts, self.run, now)
            self._db.commit()

    def reopen(self, keys: Sequence[bytes]) -> None:
        """Take these requests for open, whatever was answered; the answers are kept."""
        message = "it is asked again"
        results = [ResultRecord(key, error_kind=OPEN, error=message) for key in keys]
        self._do(lambda: keep_results(self._db, results, 0, time.time()))

    def put_verdicts(self, kept: Sequence[Kept]) -> None:
        """Keep what other checks made of answers that were there; they stay those of their runs."""
        self._thread.submit(self._put_verdicts, kept).result()

    def _put_verdicts(self, kept: Sequence[Kept]) -> None:
        with self._guarded():
            former = replace_verdicts(
                self._db, [one for one in kept if isinstance(one, ResultRecord)]
            )
        self._write(
            [one for one in kept if isinstance(one, AttemptRecord) or one.key not in former]
        )

    def known(
        self,
        keys: Sequence[bytes],
        *,
        retry_failed: bool = False,
        check_fingerprint: int | None = 0,
    ) -> set[bytes]:
        """Those of `keys` that need no asking: answered for good, or tried in this run.

        Args:
            keys: Of requests.
            retry_failed: Whether what failed for good, and what was flagged, is to be asked again.
            check_fingerprint: That of this run's checks (see `RejectPolicy`): what was judged under
                another one is not known.
        """
        settled = is_settled(retry_failed=retry_failed, check_fingerprint=check_fingerprint)
        return self._thread.submit(self._known, keys, f"{settled} OR run = {self.run}").result()

    def _known(self, keys: Sequence[bytes], condition: str) -> set[bytes]:
        found: set[bytes] = set()
        with self._guarded():
            for result, is_sound, is_known in look_up(self._db, keys, condition):
                if not is_sound:
                    self._report_damaged(result)
                elif is_known:
                    found.add(result.key)
        return found

    def asked_now(self, keys: Sequence[bytes]) -> set[bytes]:
        """Those of `keys` that were asked in this run."""
        return self._thread.submit(self._known, keys, f"run = {self.run}").result()

    def answered(self) -> int:
        """How many requests have a caption."""
        with self._guarded():
            found = self._db.execute(
                "SELECT count(*) FROM results WHERE caption NOT NULL AND copied_from IS NULL"
            ).fetchone()
        return int(found[0])

    def has_replies(self) -> bool:
        """Whether any engine ever answered."""
        tables = "results WHERE caption NOT NULL", "attempts", "former_results"
        with self._guarded():
            return any(
                self._db.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone() is not None  # noqa: S608
                for table in tables
            )

    async def find_same_content(
        self,
        content_key: bytes,
        key: bytes,
        *,
        retry_failed: bool = False,
        check_fingerprint: int | None = 0,
    ) -> ResultRecord | None:
        """The answer to the same question about the same bytes, as a copy; None for none.

        Args:
            content_key: See `RequestHasher.content_key`.
            key: Of the request that wants it; one that is asked again gets no copy.
            retry_failed: As for `known`.
            check_fingerprint: As for `known`.
        """
        settled = is_settled(retry_failed=retry_failed, check_fingerprint=check_fingerprint)
        condition = f"{settled} AND caption NOT NULL AND run < {self.run}"
        found = self._thread.submit(self._same_content, content_key, key, condition)
        return await asyncio.wrap_future(found)

    def _same_content(self, content_key: bytes, key: bytes, condition: str) -> ResultRecord | None:
        with self._guarded():
            former = sound_results(self._db, [key]).get(key)
            if former is not None and former.error_kind == OPEN:
                return None
            return of_same_content(self._db, [content_key], condition).get(content_key)

    def mean_cost(self) -> tuple[float | None, float | None]:
        """US dollars and tokens that an answer took on average; None where it is not known."""
        with self._guarded():
            cost, tokens = self._db.execute(
                "SELECT avg(cost), avg(coalesce(prompt_tokens, 0) + coalesce(completion_tokens, 0))"
                " FROM results WHERE caption NOT NULL AND copied_from IS NULL"
            ).fetchone()
        return cost, tokens

    def former(
        self, keys: Sequence[bytes], *, check_fingerprint: int | None = 0
    ) -> dict[bytes, Former]:
        """What there is of those of `keys` that are not known.

        Args:
            keys: Of requests.
            check_fingerprint: As for `known`.
        """
        if check_fingerprint == 0 and not self._has_attempts:
            return {}
        return self._thread.submit(self._former, keys).result()

    def _former(self, keys: Sequence[bytes]) -> dict[bytes, Former]:
        with self._guarded():
            found: dict[bytes, Former] = {
                key: (result, []) for key, result in sound_results(self._db, keys).items()
            }
            for one in attempts_for(self._db, keys) if self._has_attempts else ():
                found.setdefault(one.key, (None, []))[1].append(one)
        return found

    def find(self, key: bytes) -> ResultRecord | None:
        """The result of `key`, or None where there is none to trust."""
        with self._guarded():
            for result, is_sound, when in look_up(self._db, [key], "committed_at"):
                return replace(result, written_at=when) if is_sound else None
        return None

    def _report_damaged(self, result: ResultRecord) -> None:
        """Keep a damaged answer, which the next one replaces, in a file of its own."""
        if self.path is None:
            return
        aside = self.path.with_name(self.path.name + ".damaged.jsonl")
        with open_append(aside) as file:
            value = {name: _plain(found) for name, found in asdict(result).items()}
            file.write(json.dumps(value) + "\n")
        if not self._is_damaged:
            self._is_damaged = True
            _log.warning(
                "answers in the journal %s are damaged: kept in %s, and asked again",
                self.path, aside,
            )  # fmt: skip

    def loss(self) -> str | None:
        """Why answers may be missing that were paid for, until that is accepted; None for no loss.

        It is a clause that has the journal as its subject.
        """
        with self._guarded():
            return latest_loss(self._db)

    def accept_loss(self) -> None:
        """What is missing may be asked for again."""
        self._do(lambda: accept_loss(self._db))

    # --- the plan ------------------------------------------------------------------------------

    def begin_plan(self, rows: int, fingerprint: str | None, *, keeps_former: bool = False) -> None:
        """Forget the former plan; a new one follows.

        Args:
            rows: How many it will hold.
            fingerprint: Of what it is made, or None where that is not known.
            keeps_former: Whether what the new one does not name stays as it was.
        """
        self._do(lambda: plan_table.begin(self._db, rows, fingerprint, keeps_former=keeps_former))

    def plan(self, planned: Iterable[PlannedCaption], pictures: Iterable[SeenPicture] = ()) -> None:
        """Keep the keys of captions, and the files that they were made of."""
        keys, seen = list(planned), list(pictures)
        self._do(lambda: plan_table.add(self._db, keys, seen))

    def plan_state(self) -> PlanState | None:
        """The plan that the journal holds, whole or in part; None where there is none."""
        with self._guarded():
            return plan_table.state_of(self._db)

    def pictures(self) -> Iterator[SeenPicture]:
        """The files that the plan's keys were made of."""
        with self._guarded():
            yield from self._db.execute("SELECT path, size, time FROM pictures")

    def open_captions(
        self, *, retry_failed: bool = False, check_fingerprint: int | None = 0
    ) -> Counter[int]:
        """How many captions of the plan `known` would not call known, by row."""
        settled = is_settled(retry_failed=retry_failed, check_fingerprint=check_fingerprint)
        with self._guarded():
            return plan_table.open_captions(self._db, settled)

    def note_output(self, output: str | None) -> None:
        """Keep what was written of the plan; None for nothing that still counts."""
        self._do(lambda: self._db.execute("UPDATE plan_state SET output = ?", (output,)))

    def drop_fingerprint(self) -> None:
        """Nobody can tell any more what the plan was made of."""
        self._do(lambda: self._db.execute("UPDATE plan_state SET fingerprint = NULL"))

    def lacks_former(self) -> bool:
        """Whether this run lacks what the latest finished one had; see `plan_table`."""
        with self._guarded():
            return plan_table.lacks_former(self._db, self.run)

    def outcomes(self) -> Iterator[tuple[int, int, ResultRecord | None]]:
        """Each planned caption's row, its index there and its result, in order.

        None stands where there is no result to trust.
        """
        return ((row, index, result) for row, index, _, result in self.planned_outcomes())

    def shared_subjects(self) -> Container[bytes]:
        """The subjects that several rows of the plan ask different questions about."""
        with self._guarded():
            plan_table.note_shared_subjects(self._db)
        return plan_table.SharedSubjects(self._db)

    def planned_outcomes(self) -> Iterator[plan_table.Outcome]:
        """As `outcomes`, with each caption's subject."""
        with self._guarded():
            cursor = plan_table.outcome_cursor(self._db)
            groups = plan_table.outcomes(cursor)
        while True:
            with self._guarded():
                group = next(groups, None)
            if group is None:
                return
            yield from group

    def _save_rest(self) -> None:
        if self._commits.unsaved:
            self._write(self._commits.unsaved)


def _plain(value: object) -> object:
    return value.hex() if isinstance(value, bytes) else value
