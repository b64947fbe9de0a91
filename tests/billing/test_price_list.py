"""Where a price comes from."""

import sys
from decimal import Decimal

import pytest

from dataflow.billing.price import FREE, NoPrice, Price, Rates
from dataflow.billing.price_list import listed_price, price_for
from dataflow.core.errors import UsageError
from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai
from dataflow.serving.batch_vlm_serving_openai import BatchVLMServing_openai
from dataflow.serving.fake import FakeServing
from dataflow.serving.llamacpp.serving import LocalModelVLMServing_llamacpp
from dataflow.serving.load_balancer import LoadBalancedServing

OPENAI = "https://api.openai.com/v1"


@pytest.fixture(autouse=True)
def _key(monkeypatch):
    monkeypatch.setenv("DF_API_KEY", "sk-test")


def api(url=OPENAI, model="gpt-4o"):
    return APIVLMServing_openai(url, model_name=model)


def test_a_published_price_is_found_by_address_and_model():
    price = listed_price(OPENAI, "gpt-4o")
    assert isinstance(price, Price)
    assert price.rates == Rates(Decimal("2.5"), Decimal("1.25"), Decimal(10))
    assert price.source.startswith("genai-prices ")
    assert price.source.endswith("openai/gpt-4o")


def test_an_address_is_known_however_it_is_written():
    assert listed_price("HTTPS://API.OpenAI.com/v1/chat/completions?x=1", "gpt-4o") == listed_price(
        OPENAI, "gpt-4o"
    )


def test_a_price_by_length_keeps_its_tiers():
    price = listed_price(
        "https://generativelanguage.googleapis.com/v1beta/openai", "gemini-2.5-pro"
    )
    assert isinstance(price, Price)
    assert [start for start, _ in price.above] == [200_000]
    assert price.above[0][1].completion > price.rates.completion


@pytest.mark.parametrize(
    ("url", "model"),
    [
        ("https://example.com/v1", "gpt-4o"),  # known elsewhere, and that is no word on this one
        ("http://127.0.0.1:8000/v1", "gpt-4o"),
        (OPENAI, "no-such-model"),
        ("https://api.perplexity.ai", "sonar"),  # pays by the request, too
    ],
)
def test_an_unknown_price_is_said_and_not_guessed(url, model):
    price = listed_price(url, model)
    assert isinstance(price, NoPrice)
    assert "--price-in" in price.reason


def test_a_given_price_wins_over_the_list():
    price = price_for(api(), price_in=0.1, price_out=0.2)
    assert isinstance(price, Price)
    assert price.rates == Rates(Decimal("0.1"), Decimal("0.1"), Decimal("0.2"))


def test_half_a_price_is_refused():
    with pytest.raises(UsageError, match="belong together"):
        price_for(api(), price_in=1)


@pytest.mark.parametrize("wrong", [-1, float("nan"), float("inf")])
def test_what_is_no_price_is_refused(wrong):
    with pytest.raises(UsageError, match="a number from 0 on"):
        price_for(api(), price_in=1, price_out=wrong)


def test_an_engine_of_our_own_is_free():
    assert price_for(LocalModelVLMServing_llamacpp("demo")) == FREE


def test_a_serving_without_an_address_has_no_known_price():
    assert isinstance(price_for(FakeServing()), NoPrice)


def test_endpoints_of_one_price_have_it_and_of_several_none():
    same = LoadBalancedServing([api(), api()])
    assert price_for(same) == price_for(api())
    dearer = api("https://openrouter.ai/api/v1", "gpt-4o")
    mixed = LoadBalancedServing([api(), dearer])
    assert isinstance(price_for(mixed), NoPrice)


def test_requests_in_batches_cost_what_is_listed_for_batches():
    serving = BatchVLMServing_openai(OPENAI, model_name="gpt-4o")
    usual, batch = price_for(api()), price_for(serving)
    assert isinstance(usual, Price)
    assert isinstance(batch, Price)
    assert (batch.rates.prompt * 2, batch.rates.completion * 2) == (
        usual.rates.prompt,
        usual.rates.completion,
    )
    assert price_for(serving, live=True) == usual


def test_a_batch_price_that_is_not_listed_is_not_guessed():
    price = listed_price("https://api.deepseek.com", "deepseek-chat", in_batches=True)
    assert isinstance(listed_price("https://api.deepseek.com", "deepseek-chat"), Price)
    assert isinstance(price, NoPrice)
    assert "in batches" in price.reason


@pytest.mark.parametrize("host", ["localhost", "10.0.0.5", "[::1]", "gpu-box"])
def test_a_server_of_ones_own_is_not_looked_up(host, monkeypatch):
    """Loading the list takes a tenth of a second, a quarter of the way to the first request."""
    monkeypatch.setitem(sys.modules, "genai_prices", None)  # importing it fails
    assert isinstance(listed_price(f"http://{host}:8000/v1", "gpt-4o"), NoPrice)
