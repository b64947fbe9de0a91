"""What a run may cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import typer


@dataclass(frozen=True, kw_only=True)
class BudgetOptions:
    """What a run may cost."""

    PANEL: ClassVar[str] = "What it may cost"

    max_cost: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            metavar="DOLLARS",
            help="Spend no more in this run: no request starts that could pass it. Needs "
            "--max-tokens.",
        ),
    ] = None
    max_tokens_total: Annotated[
        int | None,
        typer.Option(
            min=0, metavar="TOKENS", help="The same for the tokens of this run, read and written."
        ),
    ] = None
    price_in: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            metavar="DOLLARS",
            help="US dollars per million tokens read, where the price is not listed or not yours.",
        ),
    ] = None
    price_out: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            metavar="DOLLARS",
            help="US dollars per million tokens written; with --price-in.",
        ),
    ] = None
