"""Ten thousand simulated comparisons: how often intervals hold the truth that made the results."""

from __future__ import annotations

import random

import pytest

from dataflow.evaluate.pairs import JudgedPair, PairResult, summarize
from dataflow.evaluate.statistics import bootstrap_ratio, wilson

SIMULATIONS = 10_000
WIN, TIE = 0.6, 0.25
"""The true win rate of decided pairs, and the true share of ties."""


def comparison(rng: random.Random, pictures: int) -> list[JudgedPair]:
    found = []
    for number in range(pictures):
        if rng.random() < TIE:
            result = PairResult.TIE
        else:
            result = PairResult.WIN if rng.random() < WIN else PairResult.LOSS
        found.append(JudgedPair(str(number), result))
    return found


def held(estimate, truth: float) -> bool:
    return estimate.low <= truth <= estimate.high


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_intervals_of_ten_thousand_comparisons_hold_the_truth_in_94_to_96_of_a_hundred(capsys):
    rng = random.Random(19)
    rates = scores = 0
    score = TIE / 2 + (1 - TIE) * WIN
    for number in range(SIMULATIONS):
        summary = summarize(comparison(rng, 200), seed=number)
        rates += held(summary.win_rate, WIN)
        scores += held(summary.score, score)
    with capsys.disabled():
        print(f"win rate {rates / SIMULATIONS:.2%}, with ties as half {scores / SIMULATIONS:.2%}")
    assert 0.94 <= rates / SIMULATIONS <= 0.96
    assert 0.94 <= scores / SIMULATIONS <= 0.96


def test_wilsons_interval_of_ten_thousand_sets_of_answers_holds_the_truth():
    rng = random.Random(20)
    truth, count, hits = 0.72, 400, 0
    for _ in range(SIMULATIONS):
        right = sum(rng.random() < truth for _ in range(count))
        hits += held(wilson(right, count), truth)
    assert 0.94 <= hits / SIMULATIONS <= 0.96


def test_the_interval_over_pictures_holds_the_truth_where_their_answers_go_together():
    rng = random.Random(21)
    runs, hits = 1_000, 0
    for number in range(runs):
        clusters = []
        for _ in range(120):
            share = rng.choice((0.5, 0.9))  # easy and hard pictures; 0.7 on the average
            clusters.append((float(sum(rng.random() < share for _ in range(10))), 10.0))
        estimate = bootstrap_ratio(clusters, seed=number, resamples=500)
        hits += held(estimate, 0.7)
    assert 0.925 <= hits / runs <= 0.97
