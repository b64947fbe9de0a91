"""What stands around every caption is put in once, whatever the caption has already."""

from __future__ import annotations

import pytest

from dataflow.core.row import Row
from dataflow.formats.base.affixes import AffixWriter, CaptionAffixes


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a cat", "ohwx, a cat"),
        ("ohwx, a cat", "ohwx, a cat"),
        ("OHWX, a cat", "ohwx, a cat"),
        ("a cat, ohwx style", "a cat, ohwx style"),
        ("a cat in ohwxland", "ohwx, a cat in ohwxland"),
        ("ohwx", "ohwx"),
        ("", "ohwx"),
    ],
)
def test_a_trigger_is_put_in_once_as_a_whole_word(text, expected):
    affixes = CaptionAffixes("ohwx")
    assert affixes.add(text) == expected
    assert affixes.add(affixes.add(text)) == expected


@pytest.mark.parametrize("text", ["a cat", "", "a photo of", "x, 4k", "photo of a cat"])
def test_adding_twice_is_adding_once(text):
    affixes = CaptionAffixes("ohwx person", "photo of ", ", 4k")
    once = affixes.add(text)
    assert affixes.add(once) == once
    assert once.startswith("photo of ohwx person")
    assert once.endswith(", 4k")


class Kept:
    def __init__(self):
        self.added = []

    def write(self, row, added):
        self.added.append(added)

    def close(self): ...

    def commit(self, target): ...

    def discard(self): ...


def test_a_row_that_failed_gets_no_trigger_and_other_columns_stay():
    kept = Kept()
    writer = AffixWriter(kept, CaptionAffixes("ohwx"), ("caption",))
    row = Row(0, {}, "row 0")
    for value in ("a cat", None, ["a", None]):
        writer.write(row, {"caption": value, "caption_meta": {"a": "b"}})
    values = [added["caption"] for added in kept.added]
    assert values == ["ohwx, a cat", None, ["ohwx, a", None]]
    assert kept.added[0]["caption_meta"] == {"a": "b"}
