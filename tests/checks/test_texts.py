"""How well the checks do on the labelled texts; the figures stand in docs/checks.md."""

from __future__ import annotations

import sys
from collections import Counter

import pytest

from tests.paths import ROOT

sys.path.insert(0, str(ROOT / "tools"))

import checks_table

from dataflow.checks.suite import CaptionRequirements, checks_for
from dataflow.core.protocols.check import CheckContext
from tests.serving.scenes import truth

EVERY = list(checks_table.texts())


@pytest.fixture(scope="module")
def scores():
    return checks_table.scores(None)


def test_the_texts_are_many_and_half_of_them_only_look_faulty():
    faults = sum(text.fault for text in EVERY)
    assert len(EVERY) >= 600
    assert 0.4 < faults / len(EVERY) < 0.6
    assert len({text.language for text in EVERY}) >= 6
    assert {text.about for text in EVERY} == set(checks_table.KINDS)


@pytest.mark.parametrize("language", ["en", "de", "fr", "es", "pt", "it", "ru", "ko", "zh", "ja"])
def test_each_language_of_the_refusals_has_both_kinds_of_texts(language: str):
    those = [t for t in EVERY if t.about == "refusal" and t.language == language]
    assert sum(text.fault for text in those) >= 25
    assert sum(not text.fault for text in those) >= 20


def test_no_text_is_there_twice():
    """Only the stream of the same caption needs it so."""
    counts = Counter((t.text, t.context, str(t.asked)) for t in EVERY if t.about != "repeated")
    assert [text for text, count in counts.items() if count > 1] == []


@pytest.mark.parametrize("kind", ["refusal", "loop"])
def test_refusals_and_loops_are_found_with_hardly_a_false_alarm(scores, kind: str):
    assert scores[kind].precision >= 0.99
    assert scores[kind].recall >= 0.95


@pytest.mark.parametrize("kind", checks_table.KINDS)
def test_no_check_falls_below_its_floor(scores, kind: str):
    assert scores[kind].precision >= 0.95
    assert scores[kind].recall >= 0.90


def test_true_captions_raise_no_alarm():
    checks = checks_for(CaptionRequirements(language="en", sentences=True, max_duplicates=None))
    captions = {truth(number) for number in range(2000)}
    assert [
        text for text in captions for check in checks.values() if check(text, CheckContext())
    ] == []
