"""Judged pairs: what counts as a win, and judges with planted faults."""

from __future__ import annotations

import random

import pytest

from dataflow.evaluate.pairs import Choice, PairResult, judged, needs_judge, summarize

FIRST, SECOND, TIE = Choice


def pairs_of(judge, count=300, *, seed=0):
    """`count` pairs that `judge(first, second, rng)` decided, of texts of random lengths."""
    rng = random.Random(seed)
    made = []
    for number in range(count):
        a, b = ("w " * rng.randint(5, 40) + name for name in "ab")
        choices = judge(a, b, rng), judge(b, a, rng)
        made.append(judged(str(number), (a, b), choices))
    return made


@pytest.mark.parametrize(
    ("choices", "result"),
    [
        ((FIRST, SECOND), PairResult.WIN),
        ((SECOND, FIRST), PairResult.LOSS),
        ((FIRST, FIRST), PairResult.FLIP),
        ((SECOND, SECOND), PairResult.FLIP),
        ((TIE, FIRST), PairResult.TIE),
        ((TIE, TIE), PairResult.TIE),
        ((None, FIRST), PairResult.FAILED),
    ],
)
def test_a_win_counts_only_where_both_orders_agree(choices, result):
    assert judged("p", ("a cat", "a dog"), choices).result is result


def test_equal_texts_are_a_tie_without_a_call():
    assert not needs_judge(("a  cat", "a cat"))
    assert judged("p", ("a  cat", "a cat")).result is PairResult.EQUAL


def test_a_missing_caption_is_counted_as_failed_and_not_judged():
    assert not needs_judge((None, "a cat"))
    assert judged("p", (None, "a cat")).result is PairResult.FAILED


def test_a_judge_that_always_takes_the_first_is_all_flips():
    summary = summarize(pairs_of(lambda a, b, rng: FIRST))
    assert (summary.flip_rate, summary.first_rate, summary.win_rate) == (1.0, 1.0, None)


def test_a_judge_that_always_takes_the_longer_leans_wholly_on_length():
    summary = summarize(pairs_of(lambda a, b, rng: FIRST if len(a) > len(b) else SECOND))
    assert summary.longer_rate == 1.0


def test_a_coin_is_even():
    summary = summarize(pairs_of(lambda a, b, rng: rng.choice((FIRST, SECOND)), 2_000))
    assert summary.win_rate.low < 0.5 < summary.win_rate.high
    assert 0.45 < summary.flip_rate < 0.55
    assert summary.p_value > 0.01


def test_unreadable_answers_are_failures_and_no_ties():
    def judge(a, b, rng):
        return None if rng.random() < 0.2 else (FIRST if a.endswith("a") else SECOND)

    summary = summarize(pairs_of(judge, 1_000))
    assert 0.30 < summary.counts[PairResult.FAILED] / 1_000 < 0.42
    assert summary.win_rate.value == 1.0


def test_the_interval_holds_the_true_win_rate_as_often_as_it_says():
    rng = random.Random(4)
    held = 0
    for _ in range(150):
        made = [
            judged(str(n), ("a", "b"), (FIRST, SECOND) if rng.random() < 0.6 else (SECOND, FIRST))
            for n in range(100)
        ]
        rate = summarize(made).win_rate
        held += rate.low <= 0.6 <= rate.high
    assert 0.90 <= held / 150 <= 0.99


def test_facets_are_counted_apart():
    made = [
        judged("1", ("a", "b"), (FIRST, SECOND), facet="indoor"),
        judged("2", ("a", "b"), (SECOND, FIRST), facet="outdoor"),
    ]
    summary = summarize(made)
    assert summary.facets["indoor"].win_rate.value == 1.0
    assert summary.facets["outdoor"].win_rate.value == 0.0


def test_pairs_of_nothing_give_no_figures():
    summary = summarize([])
    assert (summary.win_rate, summary.flip_rate, summary.wanted) == (None, None, 0)


def test_a_judge_of_one_mind_still_leaves_room_for_doubt():
    pairs = [judged(str(n), ("a cat", "a dog"), (FIRST, SECOND)) for n in range(9)]
    rate = summarize(pairs).win_rate
    assert (rate.value, round(rate.low, 3), rate.high) == (1.0, 0.701, 1.0)
    lost = [judged(str(n), ("a cat", "a dog"), (SECOND, FIRST)) for n in range(9)]
    assert round(summarize(lost).win_rate.high, 3) == 0.299
