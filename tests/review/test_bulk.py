"""Changes for many: exactly the captions of the view, shown before they are made."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.core.errors import UsageError
from dataflow.review.bulk import Bulk, changes_of, word_difference
from dataflow.review.view import read_view


def made(index, line, bulk):
    return {change.item - 1: change.text for change in changes_of(index, read_view(line), bulk)}


def test_a_text_is_replaced_only_where_it_stands(index):
    bulk = Bulk("replace", "red", "green")
    assert made(index, "", bulk) == {
        0: "A green car on a street.",
        2: "A green bus. A green bus. A green bus.",
        5: "A green car on a street.",
    }
    assert set(made(index, "car", bulk)) == {0, 5}


def test_a_pattern_may_take_parts_along(index):
    changed = made(index, "blue", Bulk("regex", r"(blue) (car)", r"\2, \1"))
    assert changed == {3: "A car, blue <script>alert(1)</script>"}


def test_a_group_that_the_pattern_lacks_is_refused(index):
    with pytest.raises(UsageError):
        made(index, "", Bulk("regex", "red", r"\3"))


def test_a_prefix_is_never_doubled(index):
    assert made(index, "blue", Bulk("prepend", text="A ")) == {}
    assert made(index, "blue", Bulk("prepend", text="photo: ")) == {
        3: "photo: A blue car <script>alert(1)</script>"
    }


def test_accept_leaves_texts_alone(index):
    changes = list(changes_of(index, read_view("red"), Bulk("accept")))
    assert [(change.item, change.decision, change.text) for change in changes] == [
        (1, "accept", None),
        (3, "accept", None),
        (6, "accept", None),
    ]


@given(st.text(max_size=60), st.text(max_size=60))
def test_a_difference_holds_both_texts_whole(before: str, after: str):
    words = word_difference(before, after)
    assert "".join(text for kind, text in words if kind != "new") == before
    assert "".join(text for kind, text in words if kind != "gone") == after


@pytest.mark.parametrize("word", ["word ", "a b c d ", "x"])
def test_the_difference_of_texts_of_any_length_comes_at_once(word: str):
    long = word * 40_000
    for after in (f"{long} end", long[::-1] + "!", f"start {long}"):
        found = word_difference(long, after)
        assert "".join(text for kind, text in found if kind != "gone") == after
