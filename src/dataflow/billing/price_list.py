"""The price of a model at an API. genai-prices is met here.

genai-prices (https://github.com/pydantic/genai-prices) is a list of the providers' published
prices. It comes inside its package and is read offline: ``pip install -U genai-prices`` brings the
latest.
"""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from dataflow.billing.price import FREE, NoPrice, Price, Rates
from dataflow.billing.price_table import PriceTable
from dataflow.core.errors import UsageError
from dataflow.core.protocols.batch import BatchServing
from dataflow.core.protocols.serving import AsyncServing

_CURE = "give --price-in and --price-out, or a table with --prices"
_BATCH = {"processing": "batch"}
"""How the list tells a batch's price from the usual one."""

_NOT_BY_TOKENS = ("requests_kcount", "input_image_mtok", "output_reasoning_mtok")
"""Prices that `Rates` cannot hold: where the list has one of them, a sum would be wrong."""


def price_for(
    serving: AsyncServing,
    *,
    price_in: float | None = None,
    price_out: float | None = None,
    live: bool = False,
    table: PriceTable | None = None,
) -> Price | NoPrice:
    """What the tokens of `serving` cost: nothing for a local engine, else as given, else as listed.

    Args:
        serving: The engine.
        price_in: US dollars per million prompt tokens, cached or not; None to look it up.
        price_out: US dollars per million completion tokens; None to look it up.
        live: Whether the price of requests one by one is asked for also where the serving takes
            them in batches; what is given counts for both.
        table: A person's own prices, which win over the list.

    Raises:
        UsageError: only one of the two is given, or one is no number from 0 on.
    """
    given = _given(price_in, price_out)
    if serving.is_local:
        return FREE
    in_batches = isinstance(serving, BatchServing) and not live
    return given or _looked_up(serving, table, in_batches=in_batches)


def listed_price(api_url: str, model: str, *, in_batches: bool = False) -> Price | NoPrice:
    """What the list says of `model` at the API behind `api_url`, at this moment.

    Args:
        api_url: ``"https://host/v1"`` or any URL below it.
        model: The model's name at that API.
        in_batches: Whether the price of requests in batches is asked for.
    """
    parts = urlsplit(api_url)
    if not _has_public_name(parts.hostname or ""):
        return _unlisted(model, parts.hostname)
    import genai_prices  # 0.1 s

    url = parts._replace(scheme=parts.scheme.lower(), netloc=parts.netloc.lower(), query="")
    try:
        found = genai_prices.calc_price(genai_prices.Usage(), model, provider_api_url=url.geturl())
        listed = found.model_price
        if in_batches:
            listed = genai_prices.calc_price(
                genai_prices.Usage(), model, provider_api_url=url.geturl(), price_context=_BATCH
            ).model_price
    except LookupError:
        return _unlisted(model, parts.hostname)
    if in_batches and listed == found.model_price:
        # without a batch's price the list gives the usual one, which is about twice too much
        return NoPrice(
            f"no price of {model} in batches at {parts.hostname} is listed; {_CURE} for batches"
        )
    if any(getattr(listed, name, None) is not None for name in _NOT_BY_TOKENS):
        return NoPrice(f"{model} at {parts.hostname} is not priced by tokens alone; {_CURE}")
    if listed.input_mtok is None or listed.output_mtok is None:
        return NoPrice(f"the listed price of {model} at {parts.hostname} is not whole; {_CURE}")
    source = f"genai-prices {genai_prices.__version__}, {found.provider.id}/{found.model.id}"
    starts = sorted({tier.start for tier in _tiers(listed)})
    above = tuple((start, _rates(listed, start + 1)) for start in starts)
    return Price(_rates(listed, 0), source, above)


def _has_public_name(host: str) -> bool:
    """Whether `host` can be a provider's: a name with dots, and no address."""
    return "." in host and not host.replace(".", "").isdigit() and ":" not in host


def _unlisted(model: str, host: str | None) -> NoPrice:
    return NoPrice(f"no price of {model} at {host} is listed; {_CURE}")


def _given(price_in: float | None, price_out: float | None) -> Price | None:
    if price_in is None and price_out is None:
        return None
    if price_in is None or price_out is None:
        raise UsageError("--price-in and --price-out belong together; give both")
    if not all(math.isfinite(price) and price >= 0 for price in (price_in, price_out)):
        raise UsageError("a price is a number from 0 on")
    # by way of the text, so that 0.1 stays 0.1
    prompt, completion = Decimal(str(price_in)), Decimal(str(price_out))
    return Price(Rates(prompt, prompt, completion), "as given")


def _looked_up(
    serving: AsyncServing, table: PriceTable | None, *, in_batches: bool
) -> Price | NoPrice:
    model = serving.model
    if not serving.api_urls:
        return NoPrice(f"what {model} costs is not known; {_CURE}")
    found: dict[str, Price] = {}
    for url in serving.api_urls:
        own = None if table is None else table.find(url, model, in_batches=in_batches)
        price = own or listed_price(url, model, in_batches=in_batches)
        if isinstance(price, NoPrice):
            return price
        found[url] = price
    prices = list(found.values())
    if all((p.rates, p.above) == (prices[0].rates, prices[0].above) for p in prices):
        return prices[0]
    dearest = max(prices, key=lambda price: price.most(1000, 1000))
    source = "; ".join(sorted({price.source for price in prices}))
    return Price(dearest.rates, f"{source}, by endpoint", (), tuple(found.items()))


_KEYS: tuple[str, ...] = ("input_mtok", "cache_read_mtok", "output_mtok")


def _tiers(listed: Any) -> list[Any]:
    return [tier for key in _KEYS for tier in getattr(getattr(listed, key), "tiers", ())]


def _rates(listed: Any, prompt_tokens: int) -> Rates:
    """The rates of a request with this many prompt tokens."""

    def rate(key: str) -> Decimal | None:
        value = getattr(listed, key)
        for tier in reversed(getattr(value, "tiers", ())):
            if prompt_tokens > tier.start:
                return Decimal(tier.price)
        base = getattr(value, "base", value)
        return None if base is None else Decimal(base)

    prompt, cached, completion = (rate(key) for key in _KEYS)
    assert prompt is not None and completion is not None  # noqa: S101, PT018 - seen before
    return Rates(prompt, prompt if cached is None else cached, completion)
