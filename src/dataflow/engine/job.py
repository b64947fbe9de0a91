"""One request from the intake to its outcome."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from dataflow.core.errors import RowError, TryAgainError
from dataflow.core.picture import ImageRef, Picture
from dataflow.core.request import Request, Usage
from dataflow.engine.journal.records import AttemptRecord, ResultRecord


@dataclass(slots=True)
class RetryState:
    """How often a job has failed in one way.

    Attributes:
        since: When it first did, in seconds of the circuit breaker's clock.
        count: Failures.
    """

    since: float
    count: int = 0


@dataclass(slots=True)
class RowGroup:
    """What the jobs of one row that are asked in this run have in common.

    Attributes:
        left: How many of them have no outcome yet.
        size: Bytes that they count for in the pipeline, until the last has its outcome.
    """

    left: int
    size: int = 0


@dataclass(slots=True)
class Job:
    """One request on its way.

    Attributes:
        key: The request's key.
        request: What is asked; None for a row that makes none.
        error: Why there is no request, for such a row.
        pictures: The loaded pictures, once they are.
        attempts: Requests made since the latest answer.
        first_asked: `time.monotonic()` at the first attempt.
        usage: Tokens of these requests, those that failed included.
        cost: US dollars for them; None where it is not known.
        retries: The failures that may pass, by kind.
        answers: What came for it; each but the last was turned down.
        billed: How many of the answers the journal's entry counts already.
        more_asks: Asks allowed beyond those that each request has.
        asking: What is asked now, where that is not `request`.
        first_fresh: The place among the answers of the first that tells how the engine is; None for
            a row that a former run's sound engine gave answers which were turned down.
        first_ask: The number of its first answer; above 0 where earlier ones count no more.
        changed: What is changed in it.
        by_fallback: Whether the fallback model is asked.
        row_group: What it shares with the row's other jobs.
    """

    key: bytes
    request: Request | None = None
    error: RowError | None = None
    pictures: tuple[Picture, ...] = ()
    attempts: int = 0
    first_asked: float = 0.0
    usage: Usage = field(default_factory=Usage)
    cost: Decimal | None = None
    retries: dict[type[TryAgainError], RetryState] = field(default_factory=dict)
    answers: list[AttemptRecord] = field(default_factory=list)
    billed: int = 0
    more_asks: int = 0
    first_fresh: int | None = 0
    first_ask: int = 0
    asking: Request | None = None
    changed: dict[str, Any] = field(default_factory=dict)
    by_fallback: bool = False
    row_group: RowGroup = field(default_factory=lambda: RowGroup(1))

    content_key: bytes | None = None
    subject: bytes = b""

    @property
    def references(self) -> tuple[ImageRef, ...]:
        """The pictures that it is about, not loaded."""
        return () if self.request is None else self.request.pictures

    @property
    def digests(self) -> tuple[bytes, ...]:
        """Of its pictures' bytes; empty where they are not loaded here."""
        found = tuple(picture.digest for picture in self.pictures)
        return found if all(found) else ()

    def spent(self) -> ResultRecord:
        """An entry of all that it used and that no entry counts yet."""
        fresh = self.answers[self.billed :]
        costs = [answer.cost for answer in fresh if answer.cost is not None]
        costs += [] if self.cost is None else [float(self.cost)]
        return ResultRecord(
            self.key,
            usage=sum((answer.usage for answer in fresh), Usage()) + self.usage,
            cost=sum(costs) if costs else None,
            attempts=sum(answer.attempts for answer in fresh) + self.attempts,
            seconds=time.monotonic() - self.first_asked if self.first_asked else 0.0,
            asks=self.first_ask + len(self.answers),
            content_key=self.content_key,
        )


def weight_of(jobs: Iterable[Job]) -> int:
    """Bytes that a row's jobs hold in memory: the pictures as given and as loaded, each once."""
    held = {id(ref.data): len(ref.data) for job in jobs for ref in job.references}
    held |= {id(picture.data): len(picture.data) for job in jobs for picture in job.pictures}
    return sum(held.values())
