"""Intervals and tests, against published figures and against simulation."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.evaluate.statistics import (
    bootstrap,
    bootstrap_ratio,
    decisive_count,
    quantile,
    sign_test,
    wilson,
)


def test_wilsons_interval_is_the_published_one():
    share = wilson(1784, 2471)
    assert (round(share.low, 3), round(share.high, 3)) == (0.704, 0.739)


def test_partial_credit_makes_a_share():
    assert round(wilson(5655.50, 8492).value, 4) == 0.6660


def test_the_sign_test_is_exact():
    assert round(sign_test(60, 40), 4) == 0.0569
    assert sign_test(0, 0) == 1.0
    assert sign_test(5, 0) == 2 / 32


@given(st.integers(0, 300), st.integers(0, 300))
def test_the_sign_test_knows_no_sides(wins: int, losses: int):
    assert 0 < sign_test(wins, losses) == sign_test(losses, wins) <= 1


@given(st.integers(1, 1000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_a_share_lies_in_its_interval(given_counts: tuple[int, int]):
    share = wilson(*given_counts)
    assert 0 <= share.low <= share.value <= share.high <= 1


def test_what_is_no_share_is_refused():
    for hits, count in ((1, 0), (-1, 5), (6, 5)):
        with pytest.raises(ValueError, match="no share"):
            wilson(hits, count)


def test_wilsons_interval_holds_the_truth_as_often_as_it_says():
    rng = random.Random(1)
    held = 0
    for _ in range(2_000):
        estimate = wilson(sum(rng.random() < 0.3 for _ in range(80)), 80)
        held += estimate.low <= 0.3 <= estimate.high
    assert 0.935 <= held / 2_000 <= 0.965


def test_a_bootstrap_repeats_with_its_seed():
    clusters = [[1.0, 2.0], [3.0], [5.0, 1.0]]

    def mean(drawn):
        values = [value for cluster in drawn for value in cluster]
        return sum(values) / len(values)

    assert bootstrap(clusters, mean, seed=3) == bootstrap(clusters, mean, seed=3)
    estimate = bootstrap(clusters, mean)
    assert estimate.low <= estimate.value <= estimate.high


def test_a_bootstrap_over_pictures_is_wider_than_over_their_answers():
    rng = random.Random(2)
    pictures = [[level] * 10 for level in (rng.random() for _ in range(30))]
    answers = [[value] for picture in pictures for value in picture]

    def mean(drawn):
        return sum(map(sum, drawn)) / sum(map(len, drawn))

    by_picture, by_answer = bootstrap(pictures, mean), bootstrap(answers, mean)
    assert by_picture.high - by_picture.low > 2 * (by_answer.high - by_answer.low)


def test_the_bootstrap_of_nothing_is_refused():
    with pytest.raises(ValueError, match="no clusters"):
        bootstrap([], len)


def test_a_small_difference_needs_many_pairs():
    assert decisive_count(0.5) == 0
    assert 180 <= decisive_count(0.6) <= 200
    assert decisive_count(0.51) > 50 * decisive_count(0.6)


def test_a_quantile_is_interpolated():
    assert quantile([0.0, 1.0, 2.0], 0.25) == 0.5
    assert quantile([7.0], 0.9) == 7.0


def test_the_fast_bootstrap_agrees_with_the_plain_one():
    rng = random.Random(6)
    clusters = [(float(rng.random() < 0.7), 1.0) for _ in range(400)]

    def ratio(drawn):
        return sum(got for got, _ in drawn) / sum(most for _, most in drawn)

    plain, fast = bootstrap(clusters, ratio, seed=1), bootstrap_ratio(clusters, seed=2)
    assert fast.value == plain.value
    assert abs(fast.low - plain.low) < 0.01
    assert abs(fast.high - plain.high) < 0.01


def test_no_points_to_get_is_no_figure():
    assert bootstrap_ratio([(0.0, 0.0)]) is None
    assert bootstrap_ratio([]) is None
