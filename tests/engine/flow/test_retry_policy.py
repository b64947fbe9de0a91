"""What is tried again, and how long it waits."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.core.errors import OverloadedError, RateLimitedError, TryAgainError
from dataflow.engine.flow import retry_policy

RNG = random.Random(7)


def all_kinds(kind=TryAgainError):
    return [kind, *(k for sub in kind.__subclasses__() for k in all_kinds(sub))]


@pytest.mark.parametrize("kind", all_kinds())
def test_every_passing_fault_has_a_rule_with_bounds(kind):
    rule = retry_policy.rule_for(kind("x"))
    assert rule.attempts > 1
    assert 0 < rule.base <= rule.cap < rule.seconds


@given(
    kind=st.sampled_from(all_kinds()),
    attempts=st.integers(1, 60),
    elapsed=st.floats(0, 1e5),
    asked=st.none() | st.floats(-1e9, 1e9),
)
def test_the_wait_is_never_negative_and_never_past_the_bounds(kind, attempts, elapsed, asked):
    error = kind("x", retry_after=asked)
    rule = retry_policy.rule_for(error)
    wait = retry_policy.wait_before_next(error, attempts, elapsed, rng=RNG)
    if wait is not None:
        assert 0 <= wait <= max(rule.cap, 1.1 * retry_policy.MAX_RETRY_AFTER)
        assert elapsed + wait <= rule.seconds
        assert attempts < rule.attempts


def test_what_the_server_asks_for_is_waited_at_least():
    waits = [
        retry_policy.wait_before_next(RateLimitedError("x", retry_after=7.0), 1, 0, rng=RNG)
        for _ in range(100)
    ]
    assert all(w is not None and 7.0 <= w <= 7.7 for w in waits)


def test_the_bound_of_the_wait_doubles_with_each_attempt_up_to_the_cap():
    def longest(attempts):
        error = OverloadedError("x")
        return max(
            retry_policy.wait_before_next(error, attempts, 0, rng=RNG) or 0 for _ in range(2_000)
        )

    assert longest(1) <= 0.5 < longest(2) <= 1.0 < longest(3) <= 2.0
