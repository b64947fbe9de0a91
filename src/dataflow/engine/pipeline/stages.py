"""The steps that both pipelines take with a job: load it, charge for it, settle its outcome.

`live.py` and `batch/pipeline.py` decide the order, the pace and the retries; what a job goes
through before and after it is asked stands here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from dataflow.billing.price import NoPrice, Price
from dataflow.core.errors import (
    AskTimeoutError,
    ConnectionLostError,
    DataflowError,
    EmptyCaptionError,
    GarbledReplyError,
    PictureChangedError,
    RowError,
)
from dataflow.core.picture import ImageRef, Picture
from dataflow.core.request import Reply, Usage
from dataflow.engine.job import Job
from dataflow.engine.journal.journal import Journal
from dataflow.engine.journal.records import ResultRecord
from dataflow.engine.pipeline.intake import JobMaker
from dataflow.engine.quality.fault_alarm import FaultAlarm
from dataflow.engine.quality.judge import Judge
from dataflow.engine.reporting.progress import Progress
from dataflow.images.base.reservation import Reservation
from dataflow.images.loader import Loader


async def load(
    jobs: Sequence[Job], loader: Loader, maker: JobMaker, reservation: Reservation | None = None
) -> list[RowError | None]:
    """Load the pictures of a row's jobs into them, each picture once.

    Returns:
        For each job why it cannot be asked: the row makes no request, or a picture cannot be had
        or has changed; None for one that can.
    """
    loaded: dict[ImageRef, Picture | RowError] = {}
    for ref in dict.fromkeys(ref for job in jobs for ref in job.references):
        try:
            loaded[ref] = await loader.load(ref, reservation)
        except RowError as error:  # noqa: PERF203 - each picture fails by itself
            loaded[ref] = error
    return [_problem(job, loaded, maker) for job in jobs]


def _problem(
    job: Job, loaded: Mapping[ImageRef, Picture | RowError], maker: JobMaker
) -> RowError | None:
    if job.request is None:
        return no_request(job)
    pictures = []
    for ref in job.references:
        found = loaded[ref]
        if isinstance(found, RowError):
            return found
        pictures.append(found)
    # asked only once what was read is known to be what the key stands for: an answer about a
    # picture that took its place meanwhile must never be kept under the old one's key
    if not maker.is_unchanged(job):
        return PictureChangedError()
    job.pictures = tuple(pictures)
    return None


def no_request(job: Job) -> RowError | None:
    """Why a job's row makes no request; None where it makes one."""
    return None if job.request is not None else job.error or RowError("the row makes no request")


def checked_reply(
    job: Job, outcome: Reply | DataflowError, maker: JobMaker
) -> Reply | DataflowError:
    """What came of a job whose pictures the engine loaded itself.

    Returns:
        `outcome`; an error in place of a reply where a picture is no longer what the key stands
        for. It was loaded before the reply came, so where it is unchanged now, it was then.
    """
    if not isinstance(outcome, Reply):
        return outcome
    if not maker.is_unchanged(job):
        return PictureChangedError()
    if outcome.picture_digests:
        job.content_key = maker.content_key(job, outcome.picture_digests)
    return outcome


def charge(
    job: Job, outcome: Reply | DataflowError, price: Price | NoPrice, progress: Progress
) -> None:
    """Put what an attempt used on the job's bill and the run's, however the attempt ended."""
    usage = outcome.usage or Usage()
    job.usage += usage
    progress.usage += usage
    cost = price.cost(usage, outcome.endpoint if isinstance(outcome, Reply) else "")
    is_free = usage == Usage() and not may_be_paid_for(outcome)
    if is_free and isinstance(price, Price):
        cost = Decimal(0)
    if cost is not None:
        job.cost = (job.cost or Decimal(0)) + cost
        progress.cost += cost
    elif usage != Usage():
        progress.unpriced += 1
    elif not is_free:
        progress.uncounted += 1


def may_be_paid_for(outcome: Reply | DataflowError) -> bool:
    """Whether a server that said nothing of tokens may charge for this attempt all the same.

    It may where it could have worked at the answer: where one came, and where the connection
    broke or the time ran out. A status that says no is not charged.
    """
    if isinstance(outcome, ConnectionLostError):
        return outcome.was_made
    return isinstance(outcome, (Reply, EmptyCaptionError, AskTimeoutError, GarbledReplyError))


@dataclass(frozen=True, slots=True)
class RowOutcome:
    """What came of one request; progress, intake and whoever watches the run hear of it.

    Attributes:
        job: The request.
        record: Its result, as the journal keeps it; it is committed.
    """

    job: Job
    record: ResultRecord


async def settle(
    job: Job,
    outcome: Reply | DataflowError,
    *,
    judge: Judge,
    journal: Journal,
    progress: Progress,
    alarm: FaultAlarm | None = None,
) -> RowOutcome | None:
    """Check a job's answer and commit what came of it.

    Returns:
        The outcome; None where the answer was rejected and the job is to be asked again.

    Raises:
        FaultAlarmError: nearly all of the latest answers have the same fault; this one is kept.
        JournalError: the journal cannot be written.
    """
    before = len(job.answers)
    asks_again = await judge.take_reply(job, outcome)
    kept = judge.records_of_latest(job)
    if asks_again:
        await journal.put(*kept)
        progress.asked_again += 1
        found = None
    else:
        record = judge.record(job, outcome if isinstance(outcome, DataflowError) else None)
        await journal.put(record, *kept)
        if record.caption is not None:
            progress.captioned += 1
        else:
            progress.failed += 1
            progress.failures[record.error_kind or "error"] += 1
        found = RowOutcome(job, record)
    if alarm is not None and len(job.answers) > before:
        alarm.record(job, job.answers[-1])
    return found
