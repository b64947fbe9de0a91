"""A request on its way, and the plan of a whole run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from dataflow.billing.price import NoPrice, Price
from dataflow.core.check import Check
from dataflow.core.dataset import Reader, Writer
from dataflow.core.errors import RowError, TryAgainError
from dataflow.core.picture import Picture
from dataflow.core.request import Request, Usage
from dataflow.core.row import Row
from dataflow.core.serving import EngineServing
from dataflow.engine import policy
from dataflow.engine.place import files_at, true_place
from dataflow.engine.progress import Progress
from dataflow.images.limits import Limits


@dataclass(frozen=True, slots=True)
class Output:
    """Where a run's rows go.

    Attributes:
        path: The output file; journal, lock and errors file lie beside it under its name. A
            symbolic link stands for the file that it leads to.
        key: The name under which the caption is added to each row.
        open_writer: Given a path beside the output to write to, a writer in the output's format.
        overwrite: Whether columns that the rows have under these names already may be replaced.
        meta_key: The name under which `meta.meta_of` is added, too; None for nowhere.
        files_of: The files at a path that a former run wrote as its output.

    Raises:
        UsageError: no output can be at `path`; see `place.true_place`.
    """

    path: Path
    key: str
    open_writer: Callable[[Path], Writer]
    overwrite: bool = False
    meta_key: str | None = None
    files_of: Callable[[Path], list[Path]] = files_at

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", true_place(self.path))

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of all columns that are added."""
        return (self.key,) if self.meta_key is None else (self.key, self.meta_key)

    def beside(self, ending: str) -> Path:
        """The file beside the output that is called like it, with `ending` appended."""
        return self.path.with_name(self.path.name + ending)


UNPRICED = NoPrice("no price is given")


@dataclass(frozen=True, slots=True)
class Ceiling:
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
        request_of: A row → its request; raises `RowError` for a row that makes none.
        serving: The engine.
        output: Where the rows go.
        checks: Run over each reply; the first verdict is the row's error.
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
        progress: Counters to keep up to date.
    """

    reader: Reader
    request_of: Callable[[Row], Request]
    serving: EngineServing
    output: Output
    checks: Sequence[Check] = ()
    limits: Limits = field(default_factory=Limits)
    concurrency: int | None = None
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    limit: int | None = None
    fresh: bool = False
    retry_failed: bool = False
    durable: bool = False
    give_up_after: float = policy.GIVE_UP_SECONDS
    price: Price | NoPrice = UNPRICED
    live_price: Price | NoPrice = UNPRICED
    ceiling: Ceiling = field(default_factory=Ceiling)
    detach: bool = False
    cancel_batches: bool = False
    progress: Progress = field(default_factory=Progress)


@dataclass(slots=True)
class Tries:
    """How often a job has failed in one way.

    Attributes:
        since: When it first did, in seconds of the gate's clock.
        count: Failures.
    """

    since: float
    count: int = 0


@dataclass(slots=True)
class Job:
    """One request on its way.

    Attributes:
        key: The request's key.
        request: What is asked; None for a row that makes none.
        error: Why there is no request, for such a row.
        pictures: The loaded pictures, once they are.
        attempts: Requests made so far.
        first_asked: `time.monotonic()` at the first attempt.
        usage: Tokens of the attempts so far, those that failed included.
        cost: US dollars for them; None where it is not known.
        tries: The failures that may pass, by kind.
    """

    key: bytes
    request: Request | None = None
    error: RowError | None = None
    pictures: tuple[Picture, ...] = ()
    attempts: int = 0
    first_asked: float = 0.0
    usage: Usage = field(default_factory=Usage)
    cost: Decimal | None = None
    tries: dict[type[TryAgainError], Tries] = field(default_factory=dict)

    @property
    def weight(self) -> int:
        """Bytes this job holds in memory: the pictures as given and as loaded."""
        given = 0 if self.request is None else sum(len(r.data) for r in self.request.pictures)
        return given + sum(len(p.data) for p in self.pictures)
