"""All options of `dataflow estimate`: those of the run it tells of, and its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import typer

from dataflow.cli.options.caption import CaptionOptions
from dataflow.engine.estimate.dry_run import SAMPLE


@dataclass(frozen=True, kw_only=True)
class EstimateOptions(CaptionOptions):
    """The arguments of `dataflow estimate`, as given."""

    PANEL: ClassVar[str] = "The estimate"

    probe: Annotated[
        int,
        typer.Option(
            min=0,
            max=1000,
            metavar="N",
            help="Really ask so many rows, to measure instead of assuming. They are paid; their "
            "answers are kept for the run.",
        ),
    ] = 0
    sample: Annotated[
        int, typer.Option(min=2, help="Measure the pictures of so many requests at most.")
    ] = SAMPLE
    json: Annotated[bool, typer.Option("--json", help="Print it as JSON on stdout.")] = False
