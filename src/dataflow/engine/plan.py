"""The plan of a whole run: what is read, asked, checked and written, and within which limits."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from dataflow.billing.price import NoPrice, Price
from dataflow.core.errors import RowError
from dataflow.core.protocols.check import Check
from dataflow.core.protocols.dataset import Reader, Writer
from dataflow.core.protocols.serving import AsyncServing
from dataflow.core.request import Request
from dataflow.core.row import Row
from dataflow.engine.columns import Column, added_columns
from dataflow.engine.flow import retry_policy
from dataflow.engine.job import Job
from dataflow.engine.paths import SideFiles, files_at, resolved_path
from dataflow.engine.quality.fault_alarm import SHARE
from dataflow.engine.quality.reject_policy import RejectPolicy
from dataflow.engine.reporting.progress import Progress
from dataflow.engine.selection.row_selection import RowSelection
from dataflow.engine.selection.shard import Shard
from dataflow.images.base.limits import Limits
from dataflow.remote.path import AnyPath, RemotePath


@dataclass(frozen=True, slots=True)
class ChangedRow:
    """A row whose own file somebody changed since a run wrote it.

    Attributes:
        row: The row.
        captions: Its captions as they are there now, by column; None for a file that is gone.
        take_in: Called with each column's captions once they are kept: the file counts as written.
        is_fixed: Whether ``check --fix`` changed it, and no person did.
    """

    row: Row
    captions: Mapping[str, Any] | None
    take_in: Callable[[Mapping[str, Any]], None]
    is_fixed: bool = False


@dataclass(frozen=True, slots=True)
class Output:
    """Where a run's rows go.

    Attributes:
        path: The output file; its `files` lie beside it under its name. A
            symbolic link stands for the file that it leads to.
        columns: The columns of captions that are added to each row.
        open_writer: Given a path beside the output to write to, a writer in the output's format.
        overwrite: Whether columns that the rows have under these names already may be replaced.
        has_meta: Whether each column's meta is added, too.
        has_provenance: Whether each column's provenance is, likewise.
        files_of: The files at a place that a former run wrote as its output.
        cell_of: Where the captions of a row stand, for the errors file, where the run's rows are
            not those of the output: row and, in this order, column and number. None where they are.
        url: Where the finished output goes instead, where that is not on this machine; `path` is
            then its `place.escaped_name`.
        read_back: The rows of the output as it is, with the captions under their columns' names;
            None where it cannot be read back.
        changed_rows: The rows that have a file each which somebody changed; None where no row has
            a file of its own.
        unaffixed: A caption as it stands in the output → the same without what the writer puts
            around every caption.
        tag: See `SideFiles`.
        shard: The part of the rows that the run takes; None for all. Of a shard no output is
            written: its journal is united with the others'.
        description: Where the captions are, for people, where that is not `place`.
        journal_folder: The folder of this machine in which a run keeps the journal, while a copy of
            it lies beside the output; None to keep it there.

    Raises:
        UsageError: no output can be at `path`; see `place.resolved_path`.
    """

    path: Path
    columns: Sequence[Column]
    open_writer: Callable[[Path], Writer]
    overwrite: bool = False
    has_meta: bool = False
    has_provenance: bool = False
    files_of: Callable[[Any], list[Any]] = files_at
    cell_of: Callable[[Row], tuple[int, str, int]] | None = None
    url: RemotePath | None = None
    read_back: Callable[[], Iterable[Row]] | None = None
    changed_rows: Callable[[], Iterable[ChangedRow]] | None = None
    unaffixed: Callable[[str], str] = str
    tag: str = ""
    shard: Shard | None = None
    description: str = ""
    journal_folder: Path | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", resolved_path(self.path))

    @property
    def place(self) -> AnyPath:
        """Where the finished output is."""
        return self.url or self.path

    @property
    def is_file(self) -> bool:
        """Whether the rows stand together; otherwise each has a file of its own alone."""
        return self.changed_rows is None or self.read_back is not None

    @property
    def shown(self) -> str:
        """Where the captions are, for people."""
        return self.description or str(self.place)

    @property
    def names(self) -> list[str]:
        """The names of all columns that are added."""
        return list(
            added_columns(self.columns, has_meta=self.has_meta, has_provenance=self.has_provenance)
        )

    @property
    def captions(self) -> int:
        """How many captions each row gets, in all columns together."""
        return sum(column.n for column in self.columns)

    @property
    def files(self) -> SideFiles:
        """The files that belong to it: journal, lock, errors file and the rest."""
        return SideFiles(self.path, self.tag, self.shard.name if self.shard else "")


@dataclass(frozen=True, slots=True)
class PlanFingerprint:
    """What two runs have in common where their plans are the same.

    Attributes:
        text: All that a plan is made of, but for pictures in files.
        folder: The folder that relative picture paths are looked up in first.
    """

    text: str
    folder: str


SERVING = "_serving"
"""The name beside a run's options under which the journal keeps its serving's settings."""


def with_settings(options: str, settings: Mapping[str, Any]) -> str:
    """The options of a run as the journal keeps them, with all else that its keys are made of.

    Args:
        options: A JSON object.
        settings: Those of the serving, as plain JSON values.
    """
    return json.dumps(json.loads(options) | {SERVING: dict(settings)}, sort_keys=True)


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
        reject_policy: What becomes of an answer that a check rejects.
        limits: For pictures.
        concurrency: Requests in flight; None to leave it to the serving.
        requests_per_minute: Sent at most; None for as many as the server takes.
        tokens_per_minute: Read and written at most; None for as many as the server takes.
        limit: Take only a limited number of rows from the start; None for all.
        restart: Set the journal aside and ask everything again.
        retry_failed: Ask again for rows whose failure a former run took as final.
        fsync: Wait for the disk at each commit (survives a power cut).
        give_up_after: Seconds a server that answered before may be down before the run stops.
        price: What the serving's tokens cost.
        live_price: What they cost where a batch's requests are asked one by one after all.
        spend_limit: How much the run may spend.
        fault_alarm: The share of the latest answers with one and the same fault that stops the
            run, above 0 and up to 1; None for no alarm.
        stops_where_all_fail: Whether the run stops where all its rows, fewer than would stop it
            otherwise, get the same refusal; otherwise they fail one by one.
        detach: Hand in batches and take in what is done, but wait for none.
        cancel_batches: Ask for nothing more: cancel the batches, and keep what they answered.
        needs: Columns that rows are asked about; one that none of the first 1,000 rows has stops
            the run before anything is spent.
        presets: By which presets is asked, column → name and version; the journal keeps it.
        fingerprint: Tells a later run that its plan is this one; None where that is unknown.
        progress: Counters to keep up to date.
        questions: What is asked for each column, in words, to say later what has changed.
        only: The rows that are asked, answered or not, while all others stay as they were written.
        options: What the journal keeps of the options; see `Journal.note_options`.
        command: The command line that makes the run, to say how it is repeated; None for none.
        edits: What becomes of captions that somebody changed in the output since it was written.
        confirm: Asks a person before answers are bought again; None where nobody is there.
        assume_yes: Go on as if a person had said yes.
    """

    reader: Reader
    requests_of: Callable[[Row], Sequence[Request | RowError]]
    serving: AsyncServing
    output: Output
    checks: Sequence[Check] = ()
    reject_policy: RejectPolicy = field(default_factory=RejectPolicy)
    limits: Limits = field(default_factory=Limits)
    concurrency: int | None = None
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    limit: int | None = None
    restart: bool = False
    retry_failed: bool = False
    fsync: bool = False
    give_up_after: float = retry_policy.GIVE_UP_SECONDS
    price: Price | NoPrice = UNPRICED
    live_price: Price | NoPrice = UNPRICED
    spend_limit: SpendLimit = field(default_factory=SpendLimit)
    fault_alarm: float | None = SHARE
    stops_where_all_fail: bool = True
    detach: bool = False
    cancel_batches: bool = False
    needs: Sequence[str] = ()
    presets: Mapping[str, str] = field(default_factory=dict)
    fingerprint: PlanFingerprint | None = None
    progress: Progress = field(default_factory=Progress)
    questions: Mapping[str, str] = field(default_factory=dict)
    only: RowSelection | None = None
    options: str | None = None
    command: str | None = None
    edits: Literal["keep", "ask", "overwrite"] = "keep"
    confirm: Callable[[str], bool] | None = None
    assume_yes: bool = False

    def serving_of(self, job: Job) -> AsyncServing:
        """Who is asked next about `job`."""
        fallback = self.reject_policy.fallback
        return fallback.serving if fallback and job.by_fallback else self.serving

    def price_of(self, job: Job) -> Price | NoPrice:
        """What the tokens of its next answer cost."""
        fallback = self.reject_policy.fallback
        return fallback.price if fallback and job.by_fallback else self.price
