"""Distinct keys in constant memory."""

from __future__ import annotations

from hashlib import blake2b

from hypothesis import given
from hypothesis import strategies as st

from dataflow.engine.estimate.sampling import BottomKSample, DistinctCounter


def key(number: int) -> bytes:
    return blake2b(b"%d" % number, digest_size=16).digest()


@given(st.lists(st.integers(0, 50)))
def test_few_distinct_keys_are_counted_exactly(numbers):
    count = DistinctCounter()
    for number in numbers:
        count.add(key(number))
    assert (count.count, count.is_exact) == (len(set(numbers)), True)


def test_many_distinct_keys_are_counted_nearly_and_in_little_memory():
    count = DistinctCounter(most=2000)
    for number in range(100_000):
        count.add(key(number % 60_000))
    assert not count.is_exact
    assert abs(count.count / 60_000 - 1) < 0.1
    assert len(count._kept) <= 2000


@given(st.lists(st.integers(0, 50)), st.integers(1, 60))
def test_a_sample_holds_distinct_keys_in_whatever_order_they_come(numbers, size):
    def sample(order):
        kept = BottomKSample(size)
        for number in order:
            if kept.wants(key(number)):
                kept.put(key(number), number)
        return kept.values()

    values = sample(numbers)
    assert len(values) == len(set(values)) == min(size, len(set(numbers)))
    assert values == sample(reversed(numbers))


def test_a_sample_is_fair():
    """A key that comes a hundred times is as likely to be in it as one that comes once."""
    sample = BottomKSample(500)
    for number in range(5000):
        for _ in range(20 if number < 1000 else 1):
            if sample.wants(key(number)):
                sample.put(key(number), number)
    often = sum(number < 1000 for number in sample.values())
    assert 60 <= often <= 140  # 100 of 500, within five standard errors
