"""A price: tokens → US dollars, exactly.

Decimals, because a limit on the sum must hold to the last digit.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from dataflow.core.request import Usage

MILLION = Decimal(1_000_000)


@dataclass(frozen=True, slots=True)
class Rates:
    """US dollars per million tokens.

    Attributes:
        prompt: For what the model reads: text and pictures.
        cached: For that part of it which the server had in its cache.
        completion: For what it writes, its thoughts included.
    """

    prompt: Decimal
    cached: Decimal
    completion: Decimal

    def cost(self, prompt: int, cached: int, completion: int) -> Decimal:
        """US dollars for a number of tokens; `cached` are among `prompt`."""
        return (
            self.prompt * (prompt - cached) + self.cached * cached + self.completion * completion
        ) / MILLION


@dataclass(frozen=True, slots=True)
class Price:
    """What a model's tokens cost.

    Attributes:
        rates: What applies.
        source: Who says so, for people: ``"genai-prices 0.2.3, openai/gpt-4o"``.
        above: (prompt tokens, rates) in rising order: a request that reads more tokens than these
            pays these rates for all its tokens.
        by_endpoint: Where endpoints have prices of their own, each one's, by its address; `rates`
            are then the dearest one's.
    """

    rates: Rates
    source: str
    above: tuple[tuple[int, Rates], ...] = ()
    by_endpoint: tuple[tuple[str, Price], ...] = ()

    @property
    def is_free(self) -> bool:
        """Whether nothing costs anything."""
        return not (self.above or self.by_endpoint or self.rates.prompt or self.rates.completion)

    def cost(self, usage: Usage, endpoint: str = "") -> Decimal | None:
        """US dollars for one request; None where the server did not say what it used.

        Args:
            usage: Its tokens.
            endpoint: The address of the one that answered, where there are several. Where it is
                not known, the dearest one's price counts.
        """
        if self.by_endpoint:
            prices = [price for url, price in self.by_endpoint if url == endpoint]
            costs = [p.cost(usage) for p in prices or [p for _, p in self.by_endpoint]]
            known = [cost for cost in costs if cost is not None]
            return max(known) if known else None
        if self.is_free:
            return Decimal(0)
        if usage.prompt_tokens is None or usage.completion_tokens is None:
            return None
        cached = min(usage.cached_tokens or 0, usage.prompt_tokens)
        rates = self._rates_at(usage.prompt_tokens)
        return rates.cost(usage.prompt_tokens, cached, usage.completion_tokens)

    def most(self, prompt_tokens: int, completion_tokens: int) -> Decimal:
        """US dollars for one request with at most this many tokens, none of them cached."""
        if self.by_endpoint:
            return max(p.most(prompt_tokens, completion_tokens) for _, p in self.by_endpoint)
        applying = [self.rates, *(rates for start, rates in self.above if prompt_tokens > start)]
        return max(rates.cost(prompt_tokens, 0, completion_tokens) for rates in applying)

    def _rates_at(self, prompt_tokens: int) -> Rates:
        applying = [rates for start, rates in self.above if prompt_tokens > start]
        return applying[-1] if applying else self.rates


@dataclass(frozen=True, slots=True)
class NoPrice:
    """The price is unknown.

    Attributes:
        reason: Why, and the cure, for people.
    """

    reason: str

    def cost(self, usage: Usage, endpoint: str = "") -> None:
        """Not known."""


FREE = Price(Rates(Decimal(0), Decimal(0), Decimal(0)), "this machine")
"""An engine of our own costs no money."""


def dollars(amount: Decimal | float) -> str:
    """US dollars as a person reads them: whole cents from a dollar on, below it finer."""
    if not amount or amount >= 1:
        return f"${amount:,.2f}"
    return f"${amount:.4f}" if amount >= 0.01 else f"${float(amount):.3g}"
