"""Options: whether and how requests go through a Batch API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from dataflow.app.options.option import Option, Options


@dataclass(frozen=True, kw_only=True)
class BatchFlags(Options):
    """Whether and how requests go through a Batch API."""

    GROUP: ClassVar[str] = "Batch API"

    batch: Annotated[
        bool,
        Option("Use the API's Batch API: the answers come within hours, at a lower price."),
    ] = False
    batch_then_live: Annotated[
        bool,
        Option("Like --batch, and send at once what a batch leaves unanswered."),
    ] = False
    detach: Annotated[
        bool,
        Option("Like --batch, without waiting. Run the same command again to collect the answers."),
    ] = False
    batch_cancel: Annotated[
        bool, Option("Cancel the batches of this output and keep the answers they have.")
    ] = False
    batch_requests: Annotated[int, Option("The most requests in one batch.", least=1)] = 50_000
    batch_mb: Annotated[
        float,
        Option("The largest file of one batch, in megabytes (10^6 bytes).", least=0.001),
    ] = 200.0
    batch_window: Annotated[
        str, Option("The time within which the server must finish a batch.")
    ] = "24h"
    batch_poll: Annotated[
        float, Option("The most seconds between two looks at the batches.", least=0.01)
    ] = 60.0
