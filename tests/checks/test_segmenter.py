"""Words of Thai, Lao, Khmer and Burmese: by a dictionary, or told to be an estimate."""

from __future__ import annotations

import pytest

from dataflow.checks import segmenter
from dataflow.checks.rules.length import length
from dataflow.checks.segmenter import unspaced_words
from dataflow.core.protocols.check import CheckContext

THAI = "ผู้หญิงสองคนนั่งบนม้านั่งในสวน"
TEXTS = {
    THAI: range(7, 13),
    "ຜູ້ຍິງສອງຄົນນັ່ງ": range(3, 6),
    "ស្ត្រីពីរនាក់អង្គុយ": range(2, 6),
    "အမျိုးသမီးနှစ်ဦးထိုင်နေသည်": range(3, 9),
}


@pytest.mark.parametrize("text", TEXTS)
def test_words_are_counted_by_a_dictionary(text):
    pytest.importorskip("icu4py")
    found = unspaced_words(text)
    assert found.number in TEXTS[text]
    assert not found.is_estimate


def test_without_the_package_the_verdict_says_that_it_is_an_estimate(monkeypatch):
    monkeypatch.setattr(segmenter, "_breaker", lambda: None)
    verdict = length(max_words=3)(THAI, CheckContext())
    assert "estimated: pip install" in verdict.reason


def test_other_words_beside_them_count_too():
    pytest.importorskip("icu4py")
    assert length(max_words=3)("a red แมวดำ", CheckContext()).reason.startswith("too long: 4 words")


@pytest.mark.parametrize("text", ["", "A cat.", "一只狗", "Ein Hund"])
def test_other_scripts_are_left_to_the_count_of_words(text):
    assert unspaced_words(text) == (0, False, text)
