"""The steps that every road takes with jobs: load them, charge, judge their replies, note them.

`road.py` decides the order, the pace and the retries; what a job goes through before and after it
is asked stands here.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from dataflow.billing.price import NoPrice, Price
from dataflow.core.check import Check, context_of, rejection
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
from dataflow.engine.answer_text import utf8
from dataflow.engine.entry import Entry
from dataflow.engine.intake import JobMaker
from dataflow.engine.job import Job
from dataflow.engine.progress import Progress
from dataflow.images.loader import Loader


async def load(jobs: Sequence[Job], loader: Loader, maker: JobMaker) -> list[RowError | None]:
    """Load the pictures of a row's jobs into them, each picture once.

    Returns:
        For each job why it cannot be asked: the row makes no request, or a picture cannot be had
        or has changed; None for one that can.
    """
    loaded: dict[ImageRef, Picture | RowError] = {}
    for ref in dict.fromkeys(ref for job in jobs for ref in job.references):
        try:
            loaded[ref] = await loader.load(ref)
        except RowError as error:  # noqa: PERF203 - each picture fails by itself
            loaded[ref] = error
    return [_problem(job, loaded, maker) for job in jobs]


def _problem(
    job: Job, loaded: Mapping[ImageRef, Picture | RowError], maker: JobMaker
) -> RowError | None:
    if job.request is None:
        return job.error or RowError("the row makes no request")
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


def judge(reply: Reply | None, job: Job, checks: Iterable[Check]) -> RowError | None:
    """The first verdict of the checks on the job's reply, as its row's error, or None."""
    if reply is None or job.request is None:
        return None
    context = context_of(reply, job.request)
    verdicts = (check(reply.text, context) for check in checks)
    return next((rejection(verdict) for verdict in verdicts if verdict), None)


def charge(
    job: Job, outcome: Reply | DataflowError, price: Price | NoPrice, progress: Progress
) -> None:
    """Put what an attempt used on the job's bill and the run's, however the attempt ended."""
    usage = outcome.usage or Usage()
    job.usage += usage
    progress.usage += usage
    cost = price.cost(usage)
    is_free = usage == Usage() and not may_be_paid_for(outcome)
    if is_free and isinstance(price, Price):
        cost = Decimal(0)
    if cost is not None:
        job.cost = (job.cost or Decimal(0)) + cost
        progress.cost += cost
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


def count(progress: Progress, error: DataflowError | None) -> None:
    """Count an outcome."""
    if error is None:
        progress.captioned += 1
    else:
        progress.failed += 1


def entry_of(job: Job, reply: Reply | None, error: DataflowError | None) -> Entry:
    """What the journal keeps of a job's outcome."""
    return Entry(
        key=job.key,
        caption=utf8(reply.text) if reply is not None and error is None else None,
        error_kind=error.kind if error is not None else None,
        error=utf8(error.message) if error is not None else None,
        # a failure that cost no request, or that time may cure, is looked at again by a later run
        is_final=error is None or (isinstance(error, RowError) and job.attempts > 0),
        finish_reason=reply.finish_reason if reply is not None else None,
        usage=job.usage,
        cost=None if job.cost is None else float(job.cost),
        attempts=job.attempts,
        seconds=time.monotonic() - job.first_asked if job.first_asked else 0.0,
        model=reply.model if reply is not None else "",
    )
