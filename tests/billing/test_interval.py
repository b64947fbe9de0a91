"""Numbers with bounds: their bounds hold."""

from __future__ import annotations

import random

import pytest

from dataflow.billing.interval import Interval


def test_the_bounds_of_sums_and_products_are_those_of_the_parts():
    assert Interval(1, 2, 3) + Interval(10, 20, 40) == Interval(11, 22, 43)
    assert Interval(1, 2, 3) * Interval(10, 20, 40) == Interval(10, 40, 120)
    assert Interval(1, 2, 3) * 2 == Interval(2, 4, 6)
    assert Interval.exactly(6).within(0.5) == Interval(4, 6, 9)


@pytest.mark.parametrize("count", [2, 3, 5, 10, 100])
def test_a_samples_bounds_hold_the_mean_nearly_always(count):
    """Nine times of ten where a few values are all there is, and these are far apart."""
    chance = random.Random(count)
    population = [chance.choice([100, 300, 300, 900, 1500]) for _ in range(2000)]
    mean = sum(population) / len(population)
    held = 0
    for _ in range(1000):
        span = Interval.of_mean(chance.sample(population, count), len(population), spread=0.5)
        held += span.low <= mean <= span.high
    assert held >= (890 if count < 10 else 930)


def test_a_sample_that_is_the_whole_population_is_exact():
    assert Interval.of_mean([1, 2, 6], 3) == Interval.exactly(3)


def test_one_value_is_half_to_twice_the_mean():
    assert Interval.of_mean([10]) == Interval(5, 10, 20)
