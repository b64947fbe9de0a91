"""Whether and how a Batch API is used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import typer


@dataclass(frozen=True, kw_only=True)
class BatchFlags:
    """Whether and how a Batch API is used."""

    PANEL: ClassVar[str] = "Batch API"

    batch: Annotated[
        bool,
        typer.Option(
            "--batch",
            help="Ask through the API's Batch API: answers within hours, at a lower price.",
        ),
    ] = False
    batch_then_live: Annotated[
        bool,
        typer.Option(
            "--batch-then-live",
            help="Like --batch; what a batch leaves unanswered is asked at once.",
        ),
    ] = False
    detach: Annotated[
        bool,
        typer.Option(
            "--detach",
            help="Like --batch, without waiting: the same command again looks what is done.",
        ),
    ] = False
    batch_cancel: Annotated[
        bool,
        typer.Option(
            "--batch-cancel", help="Cancel the batches under way; keep what they answered."
        ),
    ] = False
    batch_requests: Annotated[int, typer.Option(min=1, help="Requests in one batch at most.")] = (
        50_000
    )
    batch_mb: Annotated[
        float,
        typer.Option("--batch-mb", min=0.001, help="Megabytes (10^6 bytes) of one batch's file."),
    ] = 200.0
    batch_window: Annotated[
        str, typer.Option(help="The time in which the server is to be done with a batch.")
    ] = "24h"
    batch_poll: Annotated[
        float, typer.Option(min=0.01, help="Seconds between two looks at the batches, at most.")
    ] = 60.0
