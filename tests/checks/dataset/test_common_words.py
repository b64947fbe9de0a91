"""Words and phrases in nearly every caption, and a trigger that is missing or misspelt."""

from __future__ import annotations

import pytest

from dataflow.checks.dataset.common_words import CommonWords, trigger_fault


def counted(texts) -> CommonWords:
    common = CommonWords()
    for text in texts:
        common.note(text.casefold().split())
    return common


def test_the_longest_phrase_is_named_once_with_its_share():
    texts = [f"a photo of number {number}" for number in range(20)] + ["something else"]
    assert counted(texts).in_nearly_every() == [("a photo of number", pytest.approx(20 / 21))]


def test_short_words_alone_and_few_captions_say_nothing():
    assert counted([f"the cat{n}" for n in range(30)]).in_nearly_every() == []
    assert counted(["same words here"] * 5).in_nearly_every() == []


def test_parts_that_were_counted_apart_add_up():
    whole = counted(f"a red hat {n}" for n in range(10))
    whole.add(counted(f"a red hat {n}" for n in range(10)))
    assert whole.in_nearly_every() == [("a red hat", 1.0)]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("ohwx man, in a hat", None),
        ("a hat on ohwx man", None),
        ("a man in a hat", "missing"),
        ("ohxw man, in a hat", "misspelt: 'ohxw man'"),
        ("ohw man, in a hat", "misspelt: 'ohw man'"),
        ("ohwxx man, in a hat", "misspelt"),
        ("Ohwx man, in a hat", "misspelt: 'Ohwx man'"),
        ("", "missing"),
    ],
)
def test_a_trigger_that_is_missing_or_misspelt_is_a_fault(text, fault):
    found = trigger_fault(text, "ohwx man")
    assert found is None if fault is None else fault in found
