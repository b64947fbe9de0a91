"""Scores over opponents: the published row, and what they add up to."""

from __future__ import annotations

import pytest

from dataflow.evaluate.arena import arena_mean, arena_scores, net_wins
from dataflow.evaluate.pairs import JudgedPair, PairResult, summarize


def of(**counts: int):
    pairs = [
        JudgedPair(f"{name}{n}", PairResult(name)) for name, count in counts.items()
        for n in range(count)
    ]  # fmt: skip
    return summarize(pairs)


def test_the_published_row_is_the_mean_over_its_baselines():
    assert round(arena_mean([29.0, 61.0, 78.5]), 2) == 56.17


def test_a_draw_of_any_kind_counts_nothing():
    assert net_wins(of(win=5, loss=2, tie=3, flip=4, equal=1, failed=2)) == 3


def test_every_win_is_anothers_loss():
    scores = arena_scores({("a", "b"): of(win=3, loss=1), ("a", "c"): of(win=1), ("b", "c"): of()})
    assert scores == {"a": 1.5, "b": -1.0, "c": -0.5}


def test_a_mean_over_nobody_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        arena_mean([])
