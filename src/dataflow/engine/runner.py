"""Runs the road in a thread with an event loop of its own.

So it works under a notebook's running loop, and the caller's thread stays free to hear Ctrl-C: the
first one ends the run gently (nothing more is asked, what is in flight is finished and kept), the
second at once (what was answered is still kept), also where a thread of the run is stuck.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Generic, TypeAlias, TypeVar

from dataflow.core.batch import BatchServing
from dataflow.core.errors import DataflowError, JournalError, UsageError
from dataflow.engine.batch.pipeline import BatchPipeline
from dataflow.engine.journal.batch_tables import unsettled
from dataflow.engine.journal.database import set_aside
from dataflow.engine.journal.journal import Journal
from dataflow.engine.journal.run_lock import RunLock
from dataflow.engine.pipeline.budget import check_spend_limit
from dataflow.engine.pipeline.intake import preflight
from dataflow.engine.pipeline.live import LivePipeline
from dataflow.engine.pipeline.resume import ResumeState, note_written, recall
from dataflow.engine.pipeline.write_output import StalePlanError, check_output, write_output
from dataflow.engine.plan import Plan
from dataflow.engine.progress import RunCounts, Summary

T = TypeVar("T")
Stop: TypeAlias = "Callable[[], bool]"

PATIENCE = 5.0
"""Seconds after the second Ctrl-C until a run that is stuck is left behind, in its thread."""

_log = logging.getLogger("dataflow")


class RunInterruptedError(KeyboardInterrupt):
    """The run was ended by Ctrl-C; everything answered is in the journal.

    Attributes:
        answers: As those of `StopRunError`.
    """

    answers: tuple[str | None, ...] = ()


def run(plan: Plan) -> Summary:
    """Caption the dataset of `plan` into its output.

    Returns:
        What came of it; rows that failed are in it, and in the errors file.

    Raises:
        UsageError: the plan's ceiling cannot be kept; nothing is spent.
        StopRunError: the run could not go on; what is done is kept, no output file is written.
        RunInterruptedError: Ctrl-C; likewise.
    """
    check_spend_limit(plan)
    lock = RunLock(plan.output.files.lock)
    try:
        check_output(plan.output)
        journal_path = plan.output.files.journal
        _heed_batches(plan, journal_path)
        if plan.restart and journal_path.exists():
            _log.warning("the former journal is kept as %s", set_aside(journal_path))
        journal = Journal(journal_path, durable=plan.fsync)
        try:
            started = time.monotonic()
            tally = drive(plan, journal, then=functools.partial(_write, plan, journal))
            return _summary(plan, tally, time.monotonic() - started)
        finally:
            journal.close()
    finally:
        lock.release()


def _write(plan: Plan, journal: Journal, stop: Stop, recalled: ResumeState | None) -> RunCounts:
    if recalled is not None and recalled.written is not None:
        return recalled.written
    journal.note_output(None)
    tally = write_output(plan, journal, stop, recalled=recalled is not None)
    note_written(plan.output, journal, tally)
    return tally


def _heed_batches(plan: Plan, journal: Path) -> None:
    """Stop where requests that are in batches, or were answered by one, would be paid again.

    Raises:
        UsageError: they would.
    """
    if plan.restart or not isinstance(plan.serving, BatchServing):
        count = unsettled(journal) if journal.exists() else 0
        if count:
            raise UsageError(
                f"{count:,} requests are in batches and would be paid twice: take in their "
                "answers with --batch (without --fresh), or call them off with --batch-cancel first"
            )


def _summary(plan: Plan, tally: RunCounts, seconds: float) -> Summary:
    progress = plan.progress
    return Summary(
        rows=tally.rows,
        captioned=tally.captioned,
        flagged=dict(tally.flagged.most_common()),
        failed=dict(tally.failed.most_common()),
        dropped=tally.dropped,
        skipped=tally.skipped,
        requests=progress.requests,
        asked_again=progress.asked_again,
        reused=progress.reused,
        seconds=seconds,
        usage=progress.usage,
        cost=progress.cost,
        uncounted=progress.uncounted,
        output=plan.output.path,
        errors=plan.output.files.errors if tally.has_errors else None,
    )


def drive(plan: Plan, journal: Journal, *, then: Callable[[Stop, ResumeState | None], T]) -> T:
    """Take every row to its outcome in `journal`, then do and return `then(stop, recalled)`.

    `then` asks `stop` from time to time, and raises KeyboardInterrupt where it says so. Where rows
    were recalled, it may raise StalePlanError; then every row is looked at.

    Raises:
        StopRunError: the run could not go on.
        RunInterruptedError: Ctrl-C.
    """
    with _end_noted(journal):
        return _Driver(plan, journal, then).result()


@contextlib.contextmanager
def _end_noted(journal: Journal) -> Iterator[None]:
    """Note in `journal` how the block ends."""
    try:
        yield
    except BaseException as error:
        how = error.kind if isinstance(error, DataflowError) else "error"
        with contextlib.suppress(JournalError):  # the run's own error is the one to hear of
            journal.note_end("interrupted" if isinstance(error, KeyboardInterrupt) else how)
        raise
    journal.note_end("done")


class _Driver(Generic[T]):
    def __init__(
        self, plan: Plan, journal: Journal, then: Callable[[Stop, ResumeState | None], T]
    ) -> None:
        self._plan = plan
        self._journal = journal
        self._then = then
        self._result: T | None = None
        self._error: BaseException | None = None
        self._interrupts = 0
        self._interrupted_at = 0.0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._road: LivePipeline | BatchPipeline | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work, name="dataflow-run", daemon=True)

    def result(self) -> T:
        try:
            self._thread.start()
        except KeyboardInterrupt:  # it is on its way all the same
            self._interrupt()
        while not self._over.is_set():
            self._wait()
            if self._is_stuck():
                raise RunInterruptedError
        self._thread.join()
        if self._result is not None:
            return self._result  # also where Ctrl-C came when all was done
        if self._interrupts:
            raise RunInterruptedError from self._error
        raise self._error or AssertionError("a run without an outcome")

    def _wait(self) -> None:
        try:
            # an event, not join(): a join that Ctrl-C breaks off takes the thread for ended
            # (https://github.com/python/cpython/issues/89437); in slices, so that signals wake it
            self._over.wait(0.2)
        except KeyboardInterrupt:
            self._interrupt()

    def _is_stuck(self) -> bool:
        """Whether the run does not end though it should at once: a disk or another's code hangs."""
        waited = time.monotonic() - self._interrupted_at
        return self._interrupts > 2 or (self._interrupts == 2 and waited > PATIENCE)

    def _interrupt(self) -> None:
        self._interrupts += 1
        self._interrupted_at = time.monotonic()
        loop, road, task = self._loop, self._road, self._task
        if loop is None or road is None or task is None:
            _log.warning("stopping (Ctrl-C again: at once)")
            return
        if self._interrupts == 1:
            _log.warning("stopping; %s", self._what_first())
        at_once = self._interrupts > 1 or self._plan.progress.phase != "captioning"
        with contextlib.suppress(RuntimeError):  # the loop may just have ended by itself
            loop.call_soon_threadsafe(task.cancel if at_once else road.drain)

    def _what_first(self) -> str:
        """What is done before the run ends, for the person who stopped it."""
        progress = self._plan.progress
        if progress.phase == "writing":
            return "the output is written first (Ctrl-C again: at once)"
        if isinstance(self._plan.serving, BatchServing) and progress.phase != "captioning":
            return "batches that are under way go on at the server"
        return f"{progress.in_flight} requests in flight are finished first (Ctrl-C again: at once)"

    def _work(self) -> None:
        try:
            self._plan.progress.phase = "reading"
            recalled = recall(self._plan, self._journal, self._is_interrupted)
            try:
                self._pass(recalled)
            except StalePlanError:
                self._plan.progress.phase, self._plan.progress.reused = "reading", 0
                self._pass(None)
        except BaseException as error:  # noqa: BLE001 - raised in the caller's thread
            self._error = error
        finally:
            self._over.set()

    def _is_interrupted(self) -> bool:
        return self._interrupts > 0

    def _pass(self, recalled: ResumeState | None) -> None:
        """Take the rows to their outcomes, but for those that are recalled, and write."""
        if recalled is None:
            rows = preflight(self._plan, stop=self._is_interrupted)
            if self._interrupts:
                return
            stamp = self._plan.fingerprint
            self._journal.begin_plan(rows, None if stamp is None else stamp.text)
        else:
            rows = recalled.rows
        self._plan.progress.wanted = rows * self._plan.output.captions
        self._journal.note_rows(rows, self._plan.presets)
        if not self._interrupts:
            asyncio.run(self._drive(recalled))
        if not self._interrupts:
            self._plan.progress.phase = "writing"
            self._result = self._then(lambda: self._interrupts > 1, recalled)

    async def _drive(self, recalled: ResumeState | None) -> None:
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        if isinstance(self._plan.serving, BatchServing):
            self._road = BatchPipeline(self._plan, self._journal)
        else:
            self._road = LivePipeline(self._plan, self._journal, recalled)
        if not self._interrupts:
            await self._road.drive()
