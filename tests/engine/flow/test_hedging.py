"""Which requests are asked a second time, and when both are given up."""

from __future__ import annotations

import math

from dataflow.engine.flow.hedging import (
    ENOUGH,
    FREE_HEDGES,
    HEDGED_SHARE,
    LEAST_SECONDS,
    HedgePolicy,
)


def policy(*seconds: float) -> HedgePolicy:
    made = HedgePolicy()
    for latency in seconds:
        made.record_reply(latency)
    return made


def test_nothing_is_asked_twice_before_a_few_answers_tell_how_long_one_takes():
    assert policy(*[1.0] * (ENOUGH - 1)).hedge_after == math.inf


def test_nothing_is_asked_twice_before_half_a_minute():
    assert policy(*[0.05] * 100).hedge_after == LEAST_SECONDS


def test_a_slow_engine_is_given_longer():
    assert policy(*[40.0] * 100).hedge_after == 120.0


def test_a_few_slow_answers_do_not_put_it_off_and_many_do():
    assert policy(*[1.0] * 97, *[50.0] * 3).hedge_after == LEAST_SECONDS
    assert policy(*[1.0] * 80, *[50.0] * 20).hedge_after == 150.0


def test_both_attempts_are_given_up_within_a_minute_where_answers_take_a_second():
    made = policy(*[1.0] * 100)
    assert made.hedge_after + made.give_up_after <= 55


def test_no_row_is_given_up_sooner_than_several_times_the_longest_answer():
    assert policy(*[1.0] * 100, 100.0).give_up_after == 400.0


def test_the_cost_is_bounded():
    made = policy(*[1.0] * 100)
    for _ in range(10_000):
        made.record_sent()
    count = 0
    while made.may_hedge:
        made.record_hedge()
        count += 1
    assert count == max(FREE_HEDGES, HEDGED_SHARE * 10_000)
