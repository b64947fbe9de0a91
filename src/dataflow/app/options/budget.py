"""Options: what a run may cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from dataflow.app.options.option import Option, Options


@dataclass(frozen=True, kw_only=True)
class BudgetOptions(Options):
    """What a run may cost."""

    GROUP: ClassVar[str] = "Budget"

    max_cost: Annotated[
        float | None,
        Option(
            "Spend no more than this in this run: no request starts that could exceed it. Needs "
            "--max-tokens.",
            metavar="DOLLARS",
            least=0.0,
        ),
    ] = None
    max_tokens_total: Annotated[
        int | None,
        Option(
            "Use no more tokens than this in this run, input and output together.",
            metavar="TOKENS",
            least=0,
        ),
    ] = None
    price_in: Annotated[
        float | None,
        Option(
            "US dollars per million input tokens, if the price list lacks your model or your "
            "price.",
            metavar="DOLLARS",
            least=0.0,
        ),
    ] = None
    price_out: Annotated[
        float | None,
        Option(
            "US dollars per million output tokens; give it with --price-in.",
            metavar="DOLLARS",
            least=0.0,
        ),
    ] = None
    prices: Annotated[
        str | None,
        Option(
            "A .toml file with your prices, by model and API, for the model, the fallback model "
            "and each endpoint; --price-in and --price-out win over it.",
            metavar="FILE",
        ),
    ] = None
