"""The level against simulated engines, in simulated time."""

from __future__ import annotations

import heapq
import itertools
import random

import pytest

from dataflow.engine.flow.adaptive_concurrency import AdaptiveConcurrency, ConcurrencyState


def run(latency_at, seconds, *, most=256, start=8, too_much_over=10**9, by_chance=0.0):
    """The times of the answers, and the level at each of them."""
    level, rng, now = AdaptiveConcurrency(most, start), random.Random(2), 0.0
    events: list[tuple[float, float, bool, bool]] = []
    answers: list[tuple[float, int]] = []
    while now < seconds:
        while len(events) < level.limit:
            number = len(events) + 1
            after = latency_at(number) * rng.lognormvariate(0, 0.3)
            bad = number > too_much_over or rng.random() < by_chance
            heapq.heappush(events, (now + after, now, number >= level.limit, bad))
        now, sent, _, bad = heapq.heappop(events)
        answers.append((now, level.limit))
        level.finished(now, now - sent, was_full=True, too_much=bad)
    return answers


def rate(answers, start, end):
    return sum(start <= t < end for t, _ in answers) / (end - start)


ENGINES = {
    "knee at 32": (lambda n: max(1.0, n / 32), 32 / 1.046),
    "no knee": (lambda n: 1.0, 256 / 1.046),
    "one at a time": (lambda n: 0.05 * n, 20 / 1.046),
}


@pytest.mark.parametrize("engine", ENGINES)
def test_it_finds_a_level_that_brings_what_the_engine_can(engine):
    latency_at, best = ENGINES[engine]
    assert rate(run(latency_at, 120), 60, 120) >= 0.95 * best


def test_it_goes_no_higher_than_is_worth_it():
    answers = run(lambda n: max(1.0, n / 32), 120)
    assert max(level for t, level in answers if t > 40) <= 40


def test_it_does_not_oscillate():
    levels = [level for t, level in run(lambda n: max(1.0, n / 32), 300) if t > 40]
    changes = sum(a != b for a, b in itertools.pairwise(levels))
    assert changes <= 2 * (300 - 40) / 30 + 2


def test_many_overloads_lower_it():
    answers = run(lambda n: 1.0, 120, too_much_over=50)
    assert max(level for t, level in answers if t > 60) <= 64


def test_it_starts_where_it_is_told_and_stays_there_without_room_above():
    assert {level for _, level in run(lambda n: 0.05, 20, most=12, start=12)} == {12}


@pytest.mark.parametrize("by_chance", [0.12, 0.2, 0.4])
def test_overloads_that_come_at_any_level_do_not_lower_it_for_long(by_chance):
    answers = run(lambda n: 1.0, 300, most=64, start=64, by_chance=by_chance)
    assert rate(answers, 60, 300) >= 0.75 * 64 / 1.046


def test_an_engine_far_too_small_is_found_out_though_most_of_its_answers_are_overloads():
    answers = run(lambda n: 1.0, 200, most=64, start=64, too_much_over=8)
    assert max(level for t, level in answers if t > 100) <= 16


def test_a_fall_that_was_in_vain_does_not_stop_the_search():
    answers = run(lambda n: 1.0, 30, most=256, start=64, by_chance=0.25)
    assert rate(answers, 10, 30) >= 0.75 * 256 / 1.046


def epoch(level: AdaptiveConcurrency, now: float, *, seconds: float, too_much: bool) -> float:
    """Feeds `level` until it has judged once more; returns the time then."""
    before, end = level.state, now + 60
    for _ in range(2 * level.limit + 3):
        now += seconds
        level.finished(now, 0.1, was_full=True, too_much=too_much)
        if level.state is not before or now > end:
            break
    return now


def test_its_state_says_what_the_level_does():
    level = AdaptiveConcurrency(64, 8)
    assert level.state is ConcurrencyState.SEARCHING
    now = epoch(level, 0.0, seconds=0.1, too_much=True)
    assert level.state is ConcurrencyState.BACKED_OFF
    assert level.limit < 8
    now = epoch(level, now, seconds=0.1, too_much=False)
    assert level.state is ConcurrencyState.HOLDING
    epoch(level, now + 40, seconds=0.1, too_much=False)
    assert level.state is ConcurrencyState.SEARCHING
