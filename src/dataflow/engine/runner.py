"""The three passes of a run, in a `Run` that can be stopped: preflight, ask_all, write_output."""

from __future__ import annotations

import contextlib
import functools
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from dataflow.core.errors import (
    DataflowError,
    JournalError,
    LimitReachedError,
    StopRunError,
    UsageError,
)
from dataflow.core.protocols.batch import BatchServing
from dataflow.engine.batch.pipeline import BatchPipeline
from dataflow.engine.journal.batch_tables import unsettled
from dataflow.engine.journal.journal import Journal
from dataflow.engine.locks.run_lock import RunLock
from dataflow.engine.output.outside_edits import take_in_edits
from dataflow.engine.output.snapshot import OutputSnapshot
from dataflow.engine.output.write_output import StalePlanError, check_output, write_output
from dataflow.engine.output.write_so_far import write_at_stop
from dataflow.engine.pipeline.budget import check_spend_limit
from dataflow.engine.pipeline.intake import preflight
from dataflow.engine.pipeline.live import LivePipeline
from dataflow.engine.pipeline.resume import (
    ResumeState,
    note_written,
    recall,
)
from dataflow.engine.pipeline.reuse_check import check_loss, check_reuse, settings_of
from dataflow.engine.pipeline.stages import RowOutcome
from dataflow.engine.plan import Plan, with_settings
from dataflow.engine.reporting.failure_messages import commonest
from dataflow.engine.reporting.progress import RunCounts, Summary
from dataflow.engine.run import Pipeline, Run
from dataflow.engine.shards.agreement import check_shard, check_whole
from dataflow.engine.shards.counts import counts_of
from dataflow.engine.shards.local_journal import local_journal, local_path
from dataflow.engine.store_lock import store_lock

T = TypeVar("T")
Then: TypeAlias = "Callable[[Callable[[], bool], ResumeState | None], T]"

_log = logging.getLogger("dataflow")


def run(plan: Plan) -> Summary:
    """Caption the dataset of `plan` into its output; `start` and `Run.result` in one.

    Returns:
        What came of it; rows that failed are in it, and in the errors file.

    Raises:
        UsageError: the plan's limit cannot be kept; nothing is spent.
        StopRunError: the run could not continue; what is done is kept, and is in the output.
        RunInterruptedError: Ctrl-C; likewise.
    """
    return start(plan).result()


def start(plan: Plan, *, on_outcome: Callable[[RowOutcome], None] | None = None) -> Run[Summary]:
    """Begin to caption the dataset of `plan` into its output.

    Args:
        plan: What is run.
        on_outcome: See `Run`.

    Returns:
        The run, under way; what `run` raises comes from `Run.result`.
    """
    return Run(plan, lambda this: _run(plan, this), on_outcome=on_outcome)


def _run(plan: Plan, this: Run[Summary]) -> Summary | None:
    check_spend_limit(plan)
    shard = plan.output.shard
    lock = RunLock(plan.output.files.lock, stop=this.is_stopping)
    with contextlib.ExitStack() as locks:
        locks.callback(lock.release)
        if shard is None:
            check_whole(plan.output.path)
            check_store = locks.enter_context(store_lock(plan.output))
        else:
            check_shard(plan, shard)
            check_store = lock.check

        def check_locks() -> None:
            lock.check()
            check_store()

        check_output(plan.output)
        files, folder = plan.output.files, plan.output.journal_folder
        for path in {files.journal, local_path(files.journal, folder or files.folder)}:
            _heed_batches(plan, path)
        journal_path = locks.enter_context(
            local_journal(files.journal, folder, lock.check, restart=plan.restart)
        )
        journal = Journal(journal_path, durable=plan.fsync)
        journal.before_commit = lock.check
        try:
            started = time.monotonic()
            plan.serving.prepare(this.is_stopping)
            plan.progress.fetched = None
            if plan.options is not None:
                journal.note_options(with_settings(plan.options, plan.serving.settings()))
            counts = (
                _take_whole(plan, journal, this, check_locks)
                if shard is None
                else _take_shard(plan, journal, this)
            )
            return None if counts is None else _summary(plan, counts, time.monotonic() - started)
        finally:
            journal.close()


def _take_whole(
    plan: Plan, journal: Journal, this: Run[Summary], check_lock: Callable[[], None]
) -> RunCounts | None:
    snapshot = take_in_edits(plan, journal)
    with _written_at_stop(plan, journal, this, snapshot, check_lock):
        return take_all(
            plan,
            journal,
            this,
            first=lambda: check_reuse(plan, journal, this.is_stopping),
            then=functools.partial(_write, plan, journal, snapshot, check_lock),
        )


def _take_shard(plan: Plan, journal: Journal, this: Run[Summary]) -> RunCounts | None:
    """Take a shard's rows to their outcomes; the output is written when all shards are merged."""
    journal.note_settings(settings_of(plan))
    return take_all(plan, journal, this, then=lambda *_: counts_of(journal))


@contextlib.contextmanager
def _written_at_stop(
    plan: Plan,
    journal: Journal,
    this: Run[Summary],
    snapshot: OutputSnapshot,
    check_lock: Callable[[], None],
) -> Iterator[None]:
    """Write what is answered so far where the block stops after its first pass."""
    try:
        yield
    except (StopRunError, KeyboardInterrupt) as error:
        if plan.progress.phase not in ("reading", "writing") and not this.must_end_at_once():
            write_at_stop(plan, journal, this.must_end_at_once, snapshot, check_lock)
            if isinstance(error, LimitReachedError):
                plan.progress.at_limit = _summary_so_far(plan, journal)
        raise


def _summary_so_far(plan: Plan, journal: Journal) -> Summary:
    """What came of a run that a limit ended."""
    counts, progress = counts_of(journal), plan.progress
    known = counts.captioned + counts.flagged.total() + counts.failed.total()
    left = max(0, (progress.wanted or 0) - known)
    return replace(_summary(plan, counts, progress.seconds), open=left)


def _write(
    plan: Plan,
    journal: Journal,
    snapshot: OutputSnapshot,
    check_lock: Callable[[], None],
    stop: Callable[[], bool],
    recalled: ResumeState | None,
) -> RunCounts:
    if recalled is not None and recalled.written is not None:
        return recalled.written
    check_lock()
    journal.note_output(None)
    counts = write_output(plan, journal, stop, recalled=recalled is not None, snapshot=snapshot)
    note_written(plan.output, journal, counts)
    return counts


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
        unpriced=progress.unpriced,
        assumed=progress.assumed,
        assumed_cost=progress.assumed_cost,
        failures=commonest(tally.messages),
        output=plan.output.path,
        errors=plan.output.files.errors if tally.has_errors and not plan.output.shard else None,
    )


def take_all(
    plan: Plan,
    journal: Journal,
    this: Run[Any],
    *,
    then: Then[T],
    first: Callable[[], None] | None = None,
) -> T | None:
    """Take every row to its outcome in `journal`, then do and return `then(stop, recalled)`.

    `first` is called before a new plan is made. `then` asks `stop` from time to time, and raises
    KeyboardInterrupt where it says so. Where rows
    were recalled, it may raise StalePlanError; then every row is looked at. To be called in the
    run's thread.

    Returns:
        None where the run was stopped before.

    Raises:
        StopRunError: the run could not continue.
    """
    with _end_noted(journal), _adaptations_kept(plan, journal):
        plan.progress.phase = "reading"
        recalled = recall(plan, journal, this.is_stopping)
        try:
            if recalled is None:
                _check_first(plan, journal, this, first)
            done = _passes(plan, journal, this, recalled, then)
        except StalePlanError:
            plan.progress.phase, plan.progress.reused = "reading", 0
            _check_first(plan, journal, this, first)
            done = _passes(plan, journal, this, None, then)
        if done is None:
            raise KeyboardInterrupt  # for the journal's note of the end; `Run` says what it means
        return done


def _check_first(
    plan: Plan, journal: Journal, this: Run[Any], first: Callable[[], None] | None
) -> None:
    """What stops a new plan before anything is asked for it."""
    check_loss(plan, journal, this.is_stopping)
    if first is not None:
        first()


def _passes(
    plan: Plan, journal: Journal, this: Run[Any], recalled: ResumeState | None, then: Then[T]
) -> T | None:
    """The three passes over the dataset; None where the run was stopped between them.

    Each makes a row's requests anew, and the second and third compare the key: a caption is
    written only beside the picture and the question that it was the answer to. That is the promise
    "never mislabel"; do not merge the passes.
    """
    rows = preflight(plan, stop=this.is_stopping) if recalled is None else recalled.rows
    if this.is_stopping():
        return None
    if recalled is None:
        is_whole = plan.only is None and plan.fingerprint is not None
        text = plan.fingerprint.text if is_whole and plan.fingerprint else None
        journal.begin_plan(rows, text, keeps_former=plan.only is not None)
    shards = plan.output.shard.count if plan.output.shard else 1
    plan.progress.wanted = -(-rows * plan.output.captions // shards)  # of a shard, about
    journal.note_rows(rows, plan.presets)
    ask_all(plan, journal, this, recalled)
    if this.is_stopping():
        return None
    plan.progress.phase = "writing"
    return then(this.must_end_at_once, recalled)


def ask_all(
    plan: Plan, journal: Journal, this: Run[Any], recalled: ResumeState | None = None
) -> None:
    """Take every row to its outcome in the journal, by requests of its own or by batches.

    Raises:
        StopRunError: the run could not continue; every answer so far is in the journal.
    """

    def pipeline() -> Pipeline:
        if isinstance(plan.serving, BatchServing):
            return BatchPipeline(plan, journal)
        return LivePipeline(plan, journal, recalled, on_outcome=this.on_outcome)

    this.drive(pipeline)


def drive(
    plan: Plan,
    journal: Journal,
    *,
    then: Then[T],
    on_start: Callable[[Run[T]], None] | None = None,
) -> T:
    """`take_all` in a run of its own, whose end is waited for.

    `on_start` is called with the run once it is under way.

    Raises:
        StopRunError: the run could not continue.
        RunInterruptedError: Ctrl-C.
    """
    run = Run[T](plan, lambda this: take_all(plan, journal, this, then=then))
    if on_start is not None:
        on_start(run)
    return run.result()


@contextlib.contextmanager
def _adaptations_kept(plan: Plan, journal: Journal) -> Iterator[None]:
    """The models are asked as former runs have learned, and what this one learns is kept."""
    fallback = plan.reject_policy.fallback
    servings = [plan.serving] + ([fallback.serving] if fallback else [])
    known = journal.adaptations()
    for serving in servings:
        serving.recall(known)
    try:
        yield
    finally:
        learned = {name: one for serving in servings for name, one in serving.learned().items()}
        changed = {name: one for name, one in learned.items() if one != known.get(name)}
        if changed:
            with contextlib.suppress(JournalError):  # the run's own error is the one to hear of
                journal.note_adaptations(changed)


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
