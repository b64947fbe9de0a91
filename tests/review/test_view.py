"""The line of filters, and the pages of items that fit it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.core.errors import UsageError
from dataflow.review.index import ReviewIndex
from dataflow.review.items import Item
from dataflow.review.queries import Page, count_of, facets_of, page_of
from dataflow.review.view import SORTS, read_view
from tests.review.conftest import item


def rows_of(index: ReviewIndex, line: str, sort: str = "order") -> list[int]:
    return [row["row"] for row in page_of(index, read_view(line, sort), Page())]


@pytest.mark.parametrize(
    ("line", "rows"),
    [
        ("", [0, 1, 2, 3, 4, 5]),
        ("red car", [0, 5]),
        ('"car on"', [0, 5]),
        ("RED -bus", [0, 5]),
        ("/^A (red|blue) car/", [0, 3, 5]),
        ("words:<1", [4]),
        ("words:>=9", [2]),
        ("kind=refusal", [1]),
        ("-kind=refusal -kind=empty", [0, 2, 3, 5]),
        ("decision=none kind=loop", [2]),
        ("copies=yes", [0, 5]),
        ("on", [0, 5]),
        ("100%", []),
        ("<script>", [3]),
    ],
)
def test_a_line_of_filters_finds_the_captions_that_it_says(index, line, rows):
    assert rows_of(index, line) == rows
    assert count_of(index, read_view(line)) == len(rows)


def test_what_needs_a_person_comes_first_and_the_worst_before_all(index):
    assert rows_of(index, "", "queue") == [4, 1, 2, 0, 3, 5]


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("limit", [1, 2, 4])
def test_pages_follow_each_other_without_gap_or_double(index, sort, limit):
    view, seen, after = read_view("", sort), [], None
    while page := page_of(index, view, Page(after, limit)):
        seen += [row["id"] for row in page]
        after = seen[-1]
    whole = [row["id"] for row in page_of(index, view, Page())]
    assert seen == whole


@pytest.mark.parametrize("line", ["/(a+)+$/", "/[/", "/" + "a" * 300 + "/"])
def test_a_pattern_that_cannot_be_run_is_refused(line):
    with pytest.raises(UsageError):
        read_view(line)


def test_an_unknown_order_is_refused():
    with pytest.raises(UsageError, match="there are queue"):
        read_view("", "best")


@given(st.text(max_size=40))
def test_no_line_of_filters_breaks_the_index(tmp_path_factory, line):
    index = ReviewIndex(tmp_path_factory.mktemp("index") / "review.sqlite")
    index.make([item(0, line or "a")], "x")
    try:
        view = read_view(line)
    except UsageError:
        return
    finally:
        index.close()
    assert count_of(index, view) in (0, 1)
    index.close()


def test_facets_count_what_the_view_holds(index):
    assert facets_of(index, read_view(""))["kind"] == {"empty": 1, "loop": 1, "refusal": 1}
    assert facets_of(index, read_view("bus"))["kind"] == {"loop": 1}


def test_severity_follows_the_order_of_the_checks():
    worst = Item(b"", 0, "c", 0, "s", None, "", (("empty", ""), ("length", "")))
    mild = Item(b"", 0, "c", 0, "s", None, "", (("length", ""),))
    assert worst.severity > mild.severity > Item(b"", 0, "c", 0, "s", None, "").severity == 0
