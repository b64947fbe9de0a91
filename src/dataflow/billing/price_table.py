"""A person's own table of prices: by model, and by the API that a model is asked at."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from dataflow.billing.price import Price, Rates


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceLine:
    """One line of the table, in US dollars per million tokens.

    Attributes:
        model: The model's name at the server; ``*`` stands for any text.
        url: What the API's URL begins with; empty for every API.
        input: For tokens that are read.
        output: For tokens that are written.
        cached_input: For those read that the server had in its cache; None for `input`.
        batch_input: As `input`, in batches; None where that is not known.
        batch_output: As `output`, in batches.
    """

    model: str
    url: str = ""
    input: Decimal
    output: Decimal
    cached_input: Decimal | None = None
    batch_input: Decimal | None = None
    batch_output: Decimal | None = None

    def fits(self, api_url: str, model: str) -> bool:
        """Whether it is about `model` at the API behind `api_url`."""
        begins = not self.url or f"{api_url.rstrip('/')}/".startswith(f"{self.url.rstrip('/')}/")
        return begins and fnmatch.fnmatchcase(model.lower(), self.model.lower())


class PriceTable:
    """The lines in their order; the first that fits counts.

    Args:
        lines: Of the table.
        source: Where it is, for people.
    """

    def __init__(self, lines: Iterable[PriceLine], source: str) -> None:
        self._lines = tuple(lines)
        self._source = source

    def find(self, api_url: str, model: str, *, in_batches: bool = False) -> Price | None:
        """The price of `model` at the API behind `api_url`; None where the table has none.

        Args:
            api_url: The API's address.
            model: The model's name at that API.
            in_batches: Whether the price of requests in batches is asked for.
        """
        for line in self._lines:
            if line.fits(api_url, model):
                if not in_batches:
                    cached = line.input if line.cached_input is None else line.cached_input
                    return Price(Rates(line.input, cached, line.output), self._source)
                if line.batch_input is not None and line.batch_output is not None:
                    rates = Rates(line.batch_input, line.batch_input, line.batch_output)
                    return Price(rates, self._source)
        return None
