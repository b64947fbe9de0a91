"""A person's own prices: by model and API, for batches, and for endpoints that differ."""

from __future__ import annotations

from decimal import Decimal

import pytest

from dataflow.app.options.commands.caption import CaptionOptions
from dataflow.app.planning.prices import fallback_price_of, price_of, read_prices
from dataflow.billing.price import NoPrice
from dataflow.billing.price_table import PriceTable
from dataflow.core.errors import UsageError
from dataflow.core.request import Usage
from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai
from dataflow.serving.batch_vlm_serving_openai import BatchVLMServing_openai
from dataflow.serving.load_balancer import LoadBalancedServing

USAGE = Usage(1_000_000, 1_000_000)
FAST, SLOW = "https://fast.example/v1", "https://slow.example/v1"


@pytest.fixture(autouse=True)
def _key(monkeypatch):
    monkeypatch.setenv("DF_API_KEY", "sk-test")


@pytest.fixture
def table(tmp_path):
    """Writes a table of prices and returns its path."""

    def write(text):
        path = tmp_path / "prices.toml"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


def line(model, more="", price="input = 1\noutput = 2"):
    return f"[[price]]\nmodel = {model!r}\n{price}\n{more}\n"


def api(url=FAST, model="my-vlm", kind=APIVLMServing_openai):
    return kind(url, model_name=model)


def cost(price, *, endpoint=""):
    return None if isinstance(price, NoPrice) else price.cost(USAGE, endpoint)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (line("my-vlm"), 3),
        (line("MY-*"), 3),
        (line("other") + line("*", price="input = 0.1\noutput = 0.2"), Decimal("0.3")),
        (line("my-vlm", f'url = "{SLOW}"') + line("my-vlm", price="input = 5\noutput = 5"), 10),
        (line("my-vlm", 'url = "https://fast.example"'), 3),
        (line("my-vlm", 'url = "https://fast.exam"'), None),
        (line("other"), None),
    ],
)
def test_the_first_line_that_fits_model_and_api_counts(table, lines, expected):
    options = CaptionOptions(source="x", model="my-vlm", prices=table(lines))
    assert cost(price_of(options, api())) == expected


def test_price_in_and_price_out_win_over_the_table(table):
    path = table(line("*"))
    options = CaptionOptions(source="x", prices=path, price_in=7.0, price_out=7.0)
    assert cost(price_of(options, api())) == 14


def test_cached_tokens_have_a_price_of_their_own(table):
    lines = read_prices(table(line("*", "cached_input = 0.5")))
    price = PriceTable(lines, "t").find(FAST, "m")
    assert price.cost(Usage(1_000_000, 0, cached_tokens=1_000_000)) == Decimal("0.5")


def test_a_batch_costs_what_the_table_says_of_batches(table):
    options = CaptionOptions(
        source="x", prices=table(line("my-vlm", "batch_input = 0.5\nbatch_output = 1"))
    )
    batches = api(kind=BatchVLMServing_openai)
    assert cost(price_of(options, batches)) == Decimal("1.5")
    assert cost(price_of(options, batches, live=True)) == 3
    live_only = CaptionOptions(source="x", prices=table(line("my-vlm")))
    assert isinstance(price_of(live_only, batches), NoPrice)


def test_the_fallback_model_is_in_the_same_table(table):
    path = table(line("my-vlm") + line("big-*", price="input = 10\noutput = 20"))
    options = CaptionOptions(source="x", prices=path)
    assert cost(fallback_price_of(options, api(model="big-vlm"))) == 30
    assert cost(price_of(options, api())) == 3


def test_each_endpoint_has_its_own_price_and_the_dearest_bounds_the_run(table):
    path = table(
        line("*", f'url = "{FAST}"') + line("*", f'url = "{SLOW}"', "input = 4\noutput = 4")
    )
    options = CaptionOptions(source="x", prices=path)
    price = price_of(options, LoadBalancedServing([api(FAST), api(SLOW)]))
    assert cost(price, endpoint=FAST) == 3
    assert cost(price, endpoint=SLOW) == 8
    assert cost(price) == 8  # an attempt that failed on the way: nobody knows where it went
    assert price.most(1_000_000, 1_000_000) == 8
    assert not price.is_free


def test_an_endpoints_file_may_hold_the_prices(tmp_path):
    path = tmp_path / "servers.toml"
    path.write_text(
        f'[[endpoint]]\nurl = "{FAST}"\nprice_in = 1\nprice_out = 1\n'
        f'[[endpoint]]\nurl = "{SLOW}"\nprice_in = 0\nprice_out = 0\n'
    )
    options = CaptionOptions(source="x", model="my-vlm", endpoints=str(path))
    price = price_of(options, LoadBalancedServing([api(FAST), api(SLOW)]))
    assert (cost(price, endpoint=FAST), cost(price, endpoint=SLOW)) == (2, 0)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "nothing else"),
        ("[[prices]]\nmodel = 'm'", "nothing else"),
        ("[[price]]\nmodel = 'm'\ninput = 1", "lacks its output"),
        ("[[price]]\ninput = 1\noutput = 1", "lacks its model"),
        (line("m", "color = 1"), "unknown key 'color'"),
        (line("m", price="input = -1\noutput = 1"), "input"),
        (line("m", price="input = 'free'\noutput = 1"), "input"),
        (line("m", "batch_input = 1"), "batch_output"),
        ("no toml", "TOML"),
    ],
)
def test_what_is_no_table_of_prices_is_refused_with_its_place(table, text, said):
    with pytest.raises(UsageError, match=said):
        read_prices(table(text))
