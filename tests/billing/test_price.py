"""Tokens times a price."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from dataflow.billing.price import FREE, Price, Rates
from dataflow.core.request import Usage

GPT = Price(Rates(Decimal("2.5"), Decimal("1.25"), Decimal(10)), "a list")
TIERED = Price(
    Rates(Decimal(1), Decimal(1), Decimal(2)),
    "a list",
    above=((100, Rates(Decimal(3), Decimal(3), Decimal(4))),),
)


def test_each_kind_of_token_has_its_rate():
    assert GPT.cost(Usage(1000, 200)) == Decimal("0.0045")
    assert GPT.cost(Usage(1000, 200, cached_tokens=600)) == Decimal("0.00375")


def test_thoughts_and_pictures_are_paid_once():
    """They are among the tokens written and read."""
    plain, told = Usage(1000, 200), Usage(1000, 200, picture_tokens=900, reasoning_tokens=150)
    assert GPT.cost(plain) == GPT.cost(told)


def test_what_the_server_did_not_count_has_no_known_cost():
    assert GPT.cost(Usage()) is None
    assert GPT.cost(Usage(prompt_tokens=10)) is None


def test_what_is_free_costs_nothing_even_uncounted():
    assert FREE.cost(Usage()) == 0
    assert FREE.is_free
    assert not GPT.is_free


def test_a_long_prompt_pays_its_tier_for_all_tokens():
    assert TIERED.cost(Usage(100, 0)) == Decimal("0.0001")
    assert TIERED.cost(Usage(101, 1)) == Decimal("0.000307")


counts = st.integers(0, 10**7)


@given(prompt=counts, completion=counts, less=st.integers(0, 10**7), cached=counts)
def test_no_request_costs_more_than_the_most_of_its_bound(prompt, completion, less, cached):
    for price in (GPT, TIERED):
        used = Usage(max(0, prompt - less), max(0, completion - less), cached_tokens=cached)
        assert price.cost(used) <= price.most(prompt, completion)


@given(st.lists(st.tuples(counts, counts), max_size=50))
def test_sums_are_exact(pairs):
    """A limit on a sum of floats would be passed by a last digit."""
    whole = Usage(sum(p for p, _ in pairs), sum(c for _, c in pairs))
    assert sum((GPT.cost(Usage(p, c)) for p, c in pairs), Decimal(0)) == GPT.cost(whole)
