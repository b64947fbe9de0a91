"""A request on its way, and the plan of a whole run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from dataflow.billing.price import NoPrice, Price
from dataflow.core.check import Check
from dataflow.core.dataset import Reader, Writer
from dataflow.core.errors import RowError, TryAgainError
from dataflow.core.picture import ImageRef, Picture
from dataflow.core.request import Request, Usage
from dataflow.core.row import Row
from dataflow.core.serving import AsyncServing
from dataflow.engine.columns import Column, added_columns
from dataflow.engine.flow import retry_policy
from dataflow.engine.journal.records import AttemptRecord, ResultRecord
from dataflow.engine.paths import files_at, resolved_path
from dataflow.engine.progress import Progress
from dataflow.engine.quality.reject_policy import RejectPolicy
from dataflow.images.base.limits import Limits
from dataflow.remote.path import AnyPath, RemotePath


@dataclass(frozen=True, slots=True)
class Output:
    """Where a run's rows go.

    Attributes:
        path: The output file; journal, lock and errors file lie beside it under its name. A
            symbolic link stands for the file that it leads to.
        columns: The columns of captions that are added to each row.
        open_writer: Given a path beside the output to write to, a writer in the output's format.
        overwrite: Whether columns that the rows have under these names already may be replaced.
        has_meta: Whether each column's meta is added, too.
        files_of: The files at a place that a former run wrote as its output.
        cell_of: Where the captions of a row stand, for the errors file, where the run's rows are
            not those of the output: row and, in this order, column and number. None where they are.
        url: Where the finished output goes instead, where that is not on this machine; `path` is
            then its `place.escaped_name`.

    Raises:
        UsageError: no output can be at `path`; see `place.resolved_path`.
    """

    path: Path
    columns: Sequence[Column]
    open_writer: Callable[[Path], Writer]
    overwrite: bool = False
    has_meta: bool = False
    files_of: Callable[[Any], list[Any]] = files_at
    cell_of: Callable[[Row], tuple[int, str, int]] | None = None
    url: RemotePath | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", resolved_path(self.path))

    @property
    def place(self) -> AnyPath:
        """Where the finished output is."""
        return self.url or self.path

    @property
    def names(self) -> list[str]:
        """The names of all columns that are added."""
        return list(added_columns(self.columns, has_meta=self.has_meta))

    @property
    def captions(self) -> int:
        """How many captions each row gets, in all columns together."""
        return sum(column.n for column in self.columns)

    def beside(self, ending: str) -> Path:
        """The file beside the output that is called like it, with `ending` appended."""
        return self.path.with_name(self.path.name + ending)


@dataclass(frozen=True, slots=True)
class PlanFingerprint:
    """What two runs have in common where their plans are the same.

    Attributes:
        text: All that a plan is made of, but for pictures in files.
        folder: The folder that relative picture paths are looked up in first.
    """

    text: str
    folder: str


UNPRICED = NoPrice("no price is given")


@dataclass(frozen=True, slots=True)
class SpendLimit:
    """How much one run may spend.

    Attributes:
        cost: US dollars; None for no limit.
        tokens: Read and written together; None for no limit.
    """

    cost: Decimal | None = None
    tokens: int | None = None

    def __bool__(self) -> bool:
        return self.cost is not None or self.tokens is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything a run is handed.

    Attributes:
        reader: The dataset.
        requests_of: A row → what is asked for each of the output's columns, in their order: the
            request, or why there is none. Raises `RowError` for a row that makes none at all.
        serving: The engine.
        output: Where the rows go.
        checks: Run over each answer, the surest first.
        rejects: What becomes of an answer that one of them turns down.
        limits: For pictures.
        concurrency: Requests in flight; None to leave it to the serving.
        requests_per_minute: Sent at most; None for as many as the server takes.
        tokens_per_minute: Read and written at most; None for as many as the server takes.
        limit: Take only so many rows from the start; None for all.
        fresh: Set the journal aside and ask everything again.
        retry_failed: Ask again for rows whose failure a former run took as final.
        durable: Wait for the disk at each commit (survives a power cut).
        give_up_after: Seconds a server that answered before may be down before the run stops.
        price: What the serving's tokens cost.
        live_price: What they cost where a batch's requests are asked one by one after all.
        ceiling: How much the run may spend.
        detach: Hand in batches and take in what is done, but wait for none.
        cancel_batches: Ask for nothing more: cancel the batches, and keep what they answered.
        needs: Columns that rows are asked about; one that none of the first 1,000 rows has stops
            the run before anything is spent.
        presets: By which presets is asked, column → name and version; the journal keeps it.
        stamp: By which a later run knows this one's plan as its own; None where nobody can tell.
        progress: Counters to keep up to date.
    """

    reader: Reader
    requests_of: Callable[[Row], Sequence[Request | RowError]]
    serving: AsyncServing
    output: Output
    checks: Sequence[Check] = ()
    rejects: RejectPolicy = field(default_factory=RejectPolicy)
    limits: Limits = field(default_factory=Limits)
    concurrency: int | None = None
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    limit: int | None = None
    fresh: bool = False
    retry_failed: bool = False
    durable: bool = False
    give_up_after: float = retry_policy.GIVE_UP_SECONDS
    price: Price | NoPrice = UNPRICED
    live_price: Price | NoPrice = UNPRICED
    ceiling: SpendLimit = field(default_factory=SpendLimit)
    detach: bool = False
    cancel_batches: bool = False
    needs: Sequence[str] = ()
    presets: Mapping[str, str] = field(default_factory=dict)
    stamp: PlanFingerprint | None = None
    progress: Progress = field(default_factory=Progress)

    def serving_of(self, job: Job) -> AsyncServing:
        """Who is asked next about `job`."""
        fallback = self.rejects.fallback
        return fallback.serving if fallback and job.by_fallback else self.serving

    def price_of(self, job: Job) -> Price | NoPrice:
        """What the tokens of its next answer cost."""
        fallback = self.rejects.fallback
        return fallback.price if fallback and job.by_fallback else self.price


@dataclass(slots=True)
class RetryState:
    """How often a job has failed in one way.

    Attributes:
        since: When it first did, in seconds of the gate's clock.
        count: Failures.
    """

    since: float
    count: int = 0


@dataclass(slots=True)
class RowGroup:
    """What the jobs of one row that are asked in this run have in common.

    Attributes:
        left: How many of them have no outcome yet.
        size: Bytes that they count for on the road, until the last has its outcome.
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
        tries: The failures that may pass, by kind.
        answers: What came for it; each but the last was turned down.
        billed: How many of the answers the journal's entry counts already.
        more_asks: Asks allowed beyond those that each request has.
        asking: What is asked now, where that is not `request`.
        changed: What is changed in it.
        by_fallback: Whether the fallback model is asked.
        lot: What it shares with the row's other jobs, on the road.
    """

    key: bytes
    request: Request | None = None
    error: RowError | None = None
    pictures: tuple[Picture, ...] = ()
    attempts: int = 0
    first_asked: float = 0.0
    usage: Usage = field(default_factory=Usage)
    cost: Decimal | None = None
    tries: dict[type[TryAgainError], RetryState] = field(default_factory=dict)
    answers: list[AttemptRecord] = field(default_factory=list)
    billed: int = 0
    more_asks: int = 0
    asking: Request | None = None
    changed: dict[str, Any] = field(default_factory=dict)
    by_fallback: bool = False
    lot: RowGroup = field(default_factory=lambda: RowGroup(1))

    @property
    def references(self) -> tuple[ImageRef, ...]:
        """The pictures that it is about, not loaded."""
        return () if self.request is None else self.request.pictures

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
            asks=len(self.answers),
        )


def weight_of(jobs: Iterable[Job]) -> int:
    """Bytes that a row's jobs hold in memory: the pictures as given and as loaded, each once."""
    held = {id(ref.data): len(ref.data) for job in jobs for ref in job.references}
    held |= {id(picture.data): len(picture.data) for job in jobs for picture in job.pictures}
    return sum(held.values())
