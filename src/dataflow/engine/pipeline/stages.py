"""The steps that every road takes with jobs: load them, charge for them, count them.

`road.py` decides the order, the pace and the retries; what a job goes through before and after it
is asked stands here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
from dataflow.engine.flow.backpressure import RowReservation
from dataflow.engine.job import Job
from dataflow.engine.journal.records import ResultRecord
from dataflow.engine.pipeline.intake import JobMaker
from dataflow.engine.progress import Progress
from dataflow.images.loader import Loader


async def load(
    jobs: Sequence[Job], loader: Loader, maker: JobMaker, reservation: RowReservation | None = None
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


def count(progress: Progress, entry: ResultRecord) -> None:
    """Count an outcome."""
    if entry.caption is not None:
        progress.captioned += 1
    else:
        progress.failed += 1
