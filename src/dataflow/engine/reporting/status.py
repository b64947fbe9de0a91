"""How far the run of an output is, by its journal alone: while it goes, after a crash, at the end.

The journal is opened for reading only, so that a run under way is not held up.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dataflow.core.errors import UsageError
from dataflow.core.request import Usage
from dataflow.engine.journal.batch_tables import ENDED, count_unsettled
from dataflow.engine.journal.read_only import open_read_only, unreadable
from dataflow.engine.locks.lease import holder_of
from dataflow.engine.paths import SideFiles, escaped_name, resolved_path
from dataflow.remote.path import AnyPath, RemotePath

SLICES = 10
"""So many parts of equal length show how fast the run was in the course of time."""


@dataclass(frozen=True, slots=True)
class SpeedSlice:
    """A part of the latest run.

    Attributes:
        start: Seconds from the run's begin.
        seconds: How long it is.
        answered: Requests that had their outcome in it.
        tokens: Written in these answers.
    """

    start: float
    seconds: float
    answered: int
    tokens: int


@dataclass(frozen=True, slots=True)
class BatchLine:
    """A batch that is under way.

    Attributes:
        id: The server's name for it; None where it does not have it yet, as far as is known.
        status: What the server last said of it; empty before it has it.
        requests: In it.
        done: Those that it answered or that failed, when it was last looked at.
        written: When its requests were written down, in seconds since 1970.
    """

    id: str | None
    status: str
    requests: int
    done: int
    written: float


@dataclass(frozen=True, slots=True)
class ShardLine:
    """A shard of the run.

    Attributes:
        shard: Such as ``"3/8"``.
        state: As in `Status`; ``"missing"`` for one that has not begun.
        holder: The process that is at it, or None.
        captioned: Captions that it has, flagged ones included.
        failed: Captions that failed.
    """

    shard: str
    state: str
    holder: str | None = None
    captioned: int = 0
    failed: int = 0

    @property
    def needs_run(self) -> bool:
        """Whether it is to be run again: it did not end well, or rows of it failed."""
        return self.state not in ("done", "running") or self.failed > 0


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Status:
    """What a journal tells of its output.

    Attributes:
        state: ``"running"``, ``"done"``, ``"interrupted"``, ``"crashed"``, the kind of the error
            that stopped the latest run, such as ``"limit"``, or ``"shards"`` where some are to be
            run again.
        holder: The process that is at it, or None.
        started: When the latest run began, in seconds since 1970.
        ended: When it ended; None where it did not say.
        rows: Rows that it takes; None while they are being counted.
        presets: By which presets it asks: column → name and version.
        adaptations: How models are asked otherwise than at first, a sentence each.
        seen: Rows of them that it has got to.
        wanted: Captions that these are to get.
        captioned: Captions of these that are there and that nothing is wrong with.
        flagged: Kind of verdict → captions of these that are there and were turned down.
        failed: Kind of error → captions of these that failed.
        to_ask: Requests that the same command would make for the rows it has got to.
        unseen: Rows that it has not got to.
        in_batches: Requests in batches, or answered by one and still to be taken in; they are not
            asked again.
        batches: The batches under way.
        usage: Tokens of all requests in the journal, of all runs.
        cost: US dollars for them, as far as it is known.
        attempts: Requests made, of all runs.
        asked_again: Answers that were turned down and asked for again, of all runs.
        unpriced: Asked requests whose cost is not known.
        speed: The latest run in parts of equal length.
        shards: Each shard of a run in shards; the rest is their sum then.
        retry: The command for those that are to be run again; None where none is.
    """

    state: str
    holder: str | None
    started: float
    ended: float | None
    rows: int | None
    presets: dict[str, str] = field(default_factory=dict)
    adaptations: tuple[str, ...] = ()
    seen: int = 0
    wanted: int = 0
    captioned: int = 0
    flagged: dict[str, int] = field(default_factory=dict)
    failed: dict[str, int] = field(default_factory=dict)
    to_ask: int = 0
    unseen: int = 0
    in_batches: int = 0
    batches: tuple[BatchLine, ...] = ()
    usage: Usage = field(default_factory=Usage)
    cost: float = 0.0
    attempts: int = 0
    asked_again: int = 0
    unpriced: int = 0
    speed: tuple[SpeedSlice, ...] = ()
    shards: tuple[ShardLine, ...] = ()
    retry: str | None = None

    @property
    def total(self) -> int:
        """Captions that all rows are to get, as far as that is known."""
        each = self.wanted / self.seen if self.seen else 1
        return self.wanted + round(self.unseen * each)

    @property
    def seconds_left(self) -> float | None:
        """Seconds that the rest takes at the latest speed; None where that is not known."""
        latest = next((part for part in reversed(self.speed) if part.answered), None)
        left = self.total - self.captioned - sum(self.flagged.values()) - sum(self.failed.values())
        if latest is None or not latest.seconds or left <= 0:
            return None
        return left * latest.seconds / latest.answered

    def __repr__(self) -> str:
        failed = sum(self.failed.values())
        counts = f"{self.captioned:,} of {self.wanted:,} captioned, {failed:,} failed"
        return f"<Status: {self.state}, {counts}, {self.to_ask + self.unseen:,} left to ask>"


def status_of(output: AnyPath) -> Status:
    """How far the run of `output` is; of one at a URL, by the journal on this machine.

    Raises:
        UsageError: no run has begun for it.
        JournalError: its journal cannot be read.
    """
    here = resolved_path(escaped_name(output) if isinstance(output, RemotePath) else output)
    path = SideFiles(here).journal
    if not path.exists():
        is_url = isinstance(output, RemotePath)
        cure = "; of a run with --journal FOLDER, give the output's path in it" if is_url else ""
        raise UsageError(f"no run has begun for {output}: there is no {path}{cure}")
    return status_in(SideFiles(here))


def status_in(files: SideFiles) -> Status:
    """How far the run is whose journal is one of `files`.

    Raises:
        JournalError: it cannot be read.
    """
    path = files.journal
    holder = holder_of(files.lock)
    try:
        with closing(open_read_only(path)) as db:
            db.execute("BEGIN")  # everything as of one moment
            return _read(db, path, holder)
    except sqlite3.Error as error:
        raise unreadable(path, error) from error


def _read(db: sqlite3.Connection, path: Path, holder: str | None) -> Status:
    latest = db.execute(
        "SELECT run, started, rows, ended, ending FROM runs ORDER BY run DESC LIMIT 1"
    ).fetchone()
    if latest is None:
        raise UsageError(f"{path} knows of no run")
    run, started, rows, ended, ending = latest
    captioned, flagged, failed, to_ask = _captions(db)
    in_batches, batches = _batches(db)
    seen, wanted = db.execute("SELECT count(DISTINCT row), count(*) FROM plan").fetchone()
    *counts, cost, attempts, unpriced, asked_again = _used(db)
    return Status(
        state=_state(holder, ended, ending),
        holder=holder,
        started=started,
        ended=ended,
        rows=rows,
        presets=_presets(db, run),
        adaptations=_adaptations(db),
        seen=seen,
        wanted=wanted,
        captioned=captioned,
        flagged=flagged,
        failed=failed,
        to_ask=max(0, to_ask - in_batches),
        in_batches=in_batches,
        batches=batches,
        unseen=max(0, (rows or 0) - seen),
        usage=Usage(*counts),
        cost=cost,
        attempts=attempts,
        asked_again=asked_again,
        unpriced=unpriced,
        speed=_speed(db, run, started),
    )


def _used(db: sqlite3.Connection) -> list[Any]:
    """Tokens of each kind, dollars, requests, those without a price, and answers asked again."""
    used = (
        "SELECT sum(prompt_tokens), sum(completion_tokens), sum(cached_tokens), "
        "sum(picture_tokens), sum(reasoning_tokens), coalesce(sum(cost), 0.0), "
        "coalesce(sum(attempts), 0), coalesce(sum(cost IS NULL AND attempts > 0), 0) "
    )
    counted = db.execute(f"{used} FROM results WHERE copied_from IS NULL").fetchone()
    # attempts that no result counts yet: their requests are still to be asked again
    more = db.execute(
        f"{used} FROM attempts AS tried WHERE NOT EXISTS (SELECT 1 FROM results "  # noqa: S608
        "WHERE results.key = tried.key AND tried.ask < max(asks, 1))"
    ).fetchone()
    [again] = db.execute("SELECT count(*) FROM attempts WHERE ask > 0").fetchone()
    both = [
        a if b is None else b if a is None else a + b for a, b in zip(counted, more, strict=True)
    ]
    return [*both, again]


def _presets(db: sqlite3.Connection, run: int) -> dict[str, str]:
    return dict(db.execute("SELECT column, preset FROM presets WHERE run = ?", (run,)))


def _adaptations(db: sqlite3.Connection) -> tuple[str, ...]:
    """What earlier runs learned of the models, in words; a journal of before 0.2.0 has none."""
    known = db.execute("SELECT 1 FROM sqlite_master WHERE name = 'adaptations'").fetchone()
    if known is None:
        return ()
    learned = db.execute("SELECT learned FROM adaptations ORDER BY serving").fetchall()
    notes = [note for (text,) in learned for note in json.loads(text).get("notes") or ()]
    return tuple(note for note in notes if isinstance(note, str))


def _state(holder: str | None, ended: float | None, ending: str | None) -> str:
    if ended is not None:
        return ending or "done"
    return "running" if holder else "crashed"


def _captions(db: sqlite3.Connection) -> tuple[int, dict[str, int], dict[str, int], int]:
    """Captions, flagged and failed ones by kind, and the requests that a resume would make."""
    captioned, to_ask = 0, 0
    flagged, failed = Counter[str](), Counter[str]()
    found = db.execute(
        "SELECT results.key IS NOT NULL, caption IS NOT NULL, error_kind, is_final, "
        "count(*), count(DISTINCT plan.key) "
        "FROM plan LEFT JOIN results ON plan.key = results.key GROUP BY 1, 2, 3, 4"
    )
    for is_known, has_caption, kind, is_final, captions, requests in found:
        if has_caption and kind is None:
            captioned += captions
        elif has_caption:
            flagged[kind] += captions
        elif is_known:
            failed[kind or "error"] += captions
        if not has_caption and not is_final:
            to_ask += requests
    return captioned, dict(flagged), dict(failed), to_ask


def _batches(db: sqlite3.Connection) -> tuple[int, tuple[BatchLine, ...]]:
    """How many requests need no asking for a batch's sake, and the batches under way."""
    lines = db.execute(
        "SELECT id, status, requests, done, written FROM batches WHERE state != ? ORDER BY number",
        (ENDED,),
    ).fetchall()
    return count_unsettled(db), tuple(BatchLine(*line) for line in lines)


def _speed(db: sqlite3.Connection, run: int, started: float) -> tuple[SpeedSlice, ...]:
    last = db.execute("SELECT max(committed_at) FROM results WHERE run = ?", (run,)).fetchone()[0]
    if last is None or last <= started:
        return ()
    seconds = (last - started) / SLICES
    found = db.execute(
        "SELECT min(?, CAST((committed_at - ?) / ? AS INTEGER)), count(*), "
        "coalesce(sum(completion_tokens), 0) FROM results WHERE run = ? GROUP BY 1",
        (SLICES - 1, started, seconds, run),
    )
    answered = {number: (count, tokens) for number, count, tokens in found}
    return tuple(
        SpeedSlice(number * seconds, seconds, *answered.get(number, (0, 0)))
        for number in range(SLICES)
    )
