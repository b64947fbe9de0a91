"""The front of price and quality."""

from __future__ import annotations

from dataflow.evaluate.front import pareto_front


def test_what_another_beats_in_both_is_not_on_the_front():
    offers = {"dear": (9.0, 0.9), "good": (3.0, 0.9), "fair": (1.0, 0.5), "bad": (2.0, 0.4)}
    assert pareto_front(offers) == ["fair", "good"]


def test_equal_offers_are_both_on_it():
    assert pareto_front({"a": (1.0, 0.5), "b": (1.0, 0.5)}) == ["a", "b"]


def test_for_one_price_only_the_best_is_on_it():
    assert pareto_front({"a": (1.0, 0.5), "b": (1.0, 0.6)}) == ["b"]


def test_of_nothing_there_is_no_front():
    assert pareto_front({}) == []
