"""Ratings from pairs, against a published example and against simulation."""

from __future__ import annotations

import random

import pytest

from dataflow.evaluate.bradley_terry import DisconnectedError, rating_intervals, ratings

EXAMPLE = {
    ("A", "B"): 30, ("B", "A"): 20,
    ("A", "C"): 35, ("C", "A"): 15,
    ("B", "C"): 28, ("C", "B"): 22,
}  # fmt: skip


def test_ratings_are_those_of_the_worked_example():
    found = {name: round(value, 2) for name, value in ratings(EXAMPLE).items()}
    assert found == {"A": 1572.09, "B": 1490.38, "C": 1437.53}


def test_ratings_do_not_depend_on_the_order_of_pairs():
    shuffled = dict(sorted(EXAMPLE.items(), reverse=True))
    assert ratings(shuffled) == pytest.approx(ratings(EXAMPLE))


def test_a_model_that_won_everything_has_no_finite_rating():
    with pytest.raises(DisconnectedError):
        ratings({("A", "B"): 10, ("B", "C"): 1, ("C", "B"): 2})


def test_groups_that_never_met_have_no_common_rating():
    with pytest.raises(DisconnectedError):
        ratings({("A", "B"): 1, ("B", "A"): 1, ("C", "D"): 1, ("D", "C"): 1})


def test_ratings_find_the_strengths_that_made_the_pairs():
    strengths = {"A": 1700.0, "B": 1500.0, "C": 1300.0}
    rng = random.Random(5)
    clusters = []
    for _ in range(1_500):
        one, other = rng.sample(sorted(strengths), 2)
        odds = 10 ** ((strengths[one] - strengths[other]) / 400)
        won = (one, other) if rng.random() < odds / (1 + odds) else (other, one)
        clusters.append({won: 1.0})
    for name, estimate in rating_intervals(clusters, resamples=30).items():
        assert estimate.low < estimate.value < estimate.high
        assert abs(estimate.value - strengths[name]) < 60
