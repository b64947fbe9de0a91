"""What the options say of prices: one table for the model, the fallback and each endpoint."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from dataflow.app.options.commands.caption import CaptionOptions
from dataflow.app.planning.endpoints import is_folder, read_endpoints
from dataflow.billing.price import NoPrice, Price
from dataflow.billing.price_list import price_for
from dataflow.billing.price_table import PriceLine, PriceTable
from dataflow.core.errors import UsageError
from dataflow.core.protocols.serving import AsyncServing
from dataflow.core.settings import TEXT, ValueRule, number
from dataflow.operators.core_vision.toml_file import read_toml, refuse_wrong

_PRICE = number(0, 1_000_000)
_KEYS: Mapping[str, ValueRule] = {
    "model": TEXT,
    "url": TEXT,
    **dict.fromkeys(("input", "output", "cached_input", "batch_input", "batch_output"), _PRICE),
}
_TEXTS = ("model", "url")


def price_of(
    choices: CaptionOptions, serving: AsyncServing, *, live: bool = False
) -> Price | NoPrice:
    """The price of the model's tokens.

    Raises:
        UsageError: a price is none, or the table cannot be read.
    """
    return price_for(
        serving,
        price_in=choices.price_in,
        price_out=choices.price_out,
        live=live,
        table=_table_of(choices),
    )


def fallback_price_of(choices: CaptionOptions, serving: AsyncServing) -> Price | NoPrice:
    """The price of the fallback model's tokens.

    Raises:
        UsageError: as `price_of`.
    """
    price = price_for(
        serving,
        price_in=choices.fallback_price_in,
        price_out=choices.fallback_price_out,
        table=_table_of(choices),
    )
    if isinstance(price, NoPrice):
        return NoPrice(price.reason.replace("--price-", "--fallback-price-"))
    return price


def _table_of(choices: CaptionOptions) -> PriceTable | None:
    lines = []
    is_file = choices.endpoints is not None and not is_folder(choices.endpoints)
    if is_file and choices.endpoints is not None and choices.model is not None:
        for endpoint in read_endpoints(choices.endpoints, ""):
            if endpoint.price_in is not None and endpoint.price_out is not None:
                prices = {"input": endpoint.price_in, "output": endpoint.price_out}
                lines.append(_line({"model": choices.model, "url": endpoint.url, **prices}))
    if choices.prices is not None:
        lines += read_prices(choices.prices)
    source = " and ".join(name for name in (choices.endpoints, choices.prices) if name)
    return PriceTable(lines, source) if lines else None


def read_prices(path: str) -> list[PriceLine]:
    """The lines of the table of prices at `path`, a TOML file (https://toml.io).

    A table ``[[price]]`` for each, with ``model`` (``*`` stands for any text), ``input`` and
    ``output`` in US dollars per million tokens, and any of ``url`` (what the API's address begins
    with), ``cached_input``, ``batch_input`` and ``batch_output``.

    Raises:
        UsageError: the file cannot be read, or holds something else.
    """
    _, values = read_toml(Path(path), "table of prices")
    tables = values.get("price")
    if values.keys() - {"price"} or not isinstance(tables, list) or not tables:
        raise UsageError(f"--prices {path} holds tables [[price]] and nothing else")
    found = []
    for number_, table in enumerate(tables, 1):
        where = f"--prices {path}, price {number_}"
        refuse_wrong(table, _KEYS, where)
        for name in ("model", "input", "output"):
            if name not in table:
                raise UsageError(f"{where} lacks its {name}")
        if ("batch_input" in table) != ("batch_output" in table):
            raise UsageError(f"{where}: batch_input and batch_output belong together; give both")
        found.append(_line(table))
    return found


def _line(table: Mapping[str, Any]) -> PriceLine:
    # by way of the text, so that 0.1 stays 0.1
    prices: dict[str, Any] = {
        name: value if name in _TEXTS else Decimal(str(value)) for name, value in table.items()
    }
    return PriceLine(**prices)
