"""Whatever people and machines do in turn, no person's words and no answer are lost."""

from __future__ import annotations

import pytest

from tests.app.hand_work import FORMS, HandWork


def work(tmp_path, monkeypatch, form, seed, steps) -> None:
    monkeypatch.chdir(tmp_path)
    there = HandWork(tmp_path, form, seed)
    there.again()
    for _ in range(steps):
        there.step()
    there.verify()


@pytest.mark.parametrize("form", FORMS)
def test_no_words_are_lost_in_a_sequence_by_chance(tmp_path, monkeypatch, form):
    work(tmp_path, monkeypatch, form, seed=1, steps=8)


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("seed", range(34))
def test_no_words_are_lost_in_two_hundred_sequences(tmp_path, monkeypatch, form, seed):
    work(tmp_path, monkeypatch, form, seed=1000 + seed, steps=12)
