"""How far a run is, and what came of it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from dataflow.core.request import Usage
from dataflow.engine.journal.records import OPEN, ResultRecord
from dataflow.engine.reporting.failure_messages import FailureMessage, Messages, count_message


@dataclass(slots=True)
class Progress:
    """A run's counters, written by the run and read by whoever shows them.

    Attributes:
        phase: ``"reading"``, ``"starting engine"``, ``"captioning"`` or ``"writing"``.
        engine: What a local engine does that does not answer yet, or again; empty otherwise.
        fetched: While a model is fetched: its bytes that are here, and all its bytes.
        wanted: Captions that the output is to have, or None while its rows are being counted.
        reused: Those whose answer was in the journal already, or that repeat another's request.
        captioned: Captions made in this run.
        failed: Captions that failed in this run.
        failures: Kind of error → these.
        asked_again: Asks of this run for which an answer was turned down.
        retried: Attempts of this run that failed in a way that may pass, and were made again.
        refused: Those of them that were over the server's rate limit (HTTP 429).
        in_flight: Requests under way.
        hedged: Requests that were sent a second time beside the first, which was out for too long.
        rate_limit: Requests per second that the server takes, by its refusals; None before any.
        requests: Requests made in this run, every attempt counted.
        usage: Tokens of all attempts, as the server counted them.
        cost: US dollars for them, as far as it is known.
        uncounted: Attempts that may be paid for, of which the server gave no token counts.
        unpriced: Attempts with token counts and no known price.
        assumed: Attempts that a spend limit counts at their most, as the server reported nothing.
        assumed_cost: US dollars that it counts for these.
        assumed_tokens: Tokens that it counts for these.
        at_limit: Where a limit ended the run, what came of it so far.
        paused: Why the run waits for the server, or None.
        answered: `time.monotonic()` at the latest answer, or None.
        endpoints: How many endpoints of the serving answer, and how many it has.
        limited: What the server says while its rate limit lets nothing through, or None.
        waits_until: `time.monotonic()` at the end of the longest wait that the server asked for.
        started: `time.monotonic()` at the first request, or None before it.
    """

    phase: str = "reading"
    engine: str = ""
    fetched: tuple[int, int] | None = None
    wanted: int | None = None
    reused: int = 0
    captioned: int = 0
    failed: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    asked_again: int = 0
    retried: int = 0
    refused: int = 0
    in_flight: int = 0
    hedged: int = 0
    rate_limit: float | None = None
    requests: int = 0
    usage: Usage = field(default_factory=Usage)
    cost: Decimal = Decimal(0)
    uncounted: int = 0
    unpriced: int = 0
    assumed: int = 0
    assumed_cost: Decimal = Decimal(0)
    assumed_tokens: int = 0
    at_limit: Summary | None = None
    paused: str | None = None
    answered: float | None = None
    endpoints: tuple[int, int] = (1, 1)
    limited: str | None = None
    waits_until: float = 0.0
    started: float | None = None

    @property
    def seconds(self) -> float:
        """Since the first request."""
        return 0.0 if self.started is None else time.monotonic() - self.started


@dataclass(slots=True)
class RunCounts:
    """What the output holds."""

    rows: int = 0
    captioned: int = 0
    flagged: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    dropped: int = 0
    skipped: int = 0
    messages: Messages = field(default_factory=dict)

    def add(self, records: Iterable[ResultRecord]) -> None:
        """Count what came of a row."""
        for record in records:
            if record.error_kind is None:
                self.captioned += 1
                continue
            (self.flagged if record.is_flagged else self.failed)[record.error_kind] += 1
            if not record.is_flagged and record.error_kind != OPEN:
                count_message(self.messages, record.error_kind, record.error or "")

    @property
    def has_errors(self) -> bool:
        """Whether there is anything for the errors file."""
        is_failed = any(kind != OPEN for kind in self.failed)
        return bool(is_failed or self.flagged or self.dropped or self.skipped)


@dataclass(frozen=True, slots=True)
class Summary:
    """What came of a run.

    Attributes:
        rows: Rows in the output.
        captioned: Captions in it that nothing is wrong with; as many as rows at most, where each
            row gets one.
        flagged: Kind of verdict → captions in it that were turned down for that reason.
        failed: Kind of error → captions that are missing for that reason.
        dropped: Rows that were left out of the output, as a caption of theirs was turned down.
        skipped: Rows of the input that cannot be read and were left out of the output.
        requests: Requests made in this run, every attempt counted.
        asked_again: Asks among them for which an answer was turned down.
        reused: Captions without a request of their own in this run.
        seconds: The whole run.
        usage: Tokens of this run, those of failed attempts included.
        cost: US dollars for them, as far as it is known.
        uncounted: Attempts that may be paid for, of which the server gave no token counts.
        unpriced: Attempts with token counts and no known price.
        assumed: Attempts of which the server reported nothing and which a spend limit counted at
            their most.
        assumed_cost: US dollars that the limit counted for these; no part of `cost`.
        open: Captions without an outcome, where the run was ended by a limit.
        failures: The commonest message of each kind of failure, with what cures it.
        output: The output file, or None where the rows stayed in memory.
        errors: The errors file, or None where no caption failed and no row was left out.
    """

    rows: int
    captioned: int
    flagged: dict[str, int] = field(default_factory=dict)
    failed: dict[str, int] = field(default_factory=dict)
    dropped: int = 0
    skipped: int = 0
    requests: int = 0
    asked_again: int = 0
    reused: int = 0
    seconds: float = 0.0
    usage: Usage = field(default_factory=Usage)
    cost: Decimal = Decimal(0)
    uncounted: int = 0
    unpriced: int = 0
    assumed: int = 0
    assumed_cost: Decimal = Decimal(0)
    open: int = 0
    failures: Sequence[FailureMessage] = ()
    output: Path | None = None
    errors: Path | None = None
