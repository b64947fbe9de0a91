"""A person types faster than the server answers: every key acts on the caption that was shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.review.running import TEXTS, make_dataset
from tests.web.conftest import answer_late
from tests.web.test_page import captions, text_of, wait_saved

pytestmark = pytest.mark.web


@pytest.fixture
def slow(page: Any) -> Callable[[str], None]:
    """Answers to addresses of this shape come late from now on."""
    return lambda pattern: answer_late(page, pattern)


def chosen(page: Any) -> int:
    return int(page.get_attribute('.card[aria-current="true"]', "data-id"))


def wait_quiet(page: Any) -> None:
    """Until all answers are there."""
    page.wait_for_timeout(500)
    page.wait_for_function("() => document.getElementById('saved').textContent === 'saved'")


def type_over(page: Any, text: str) -> None:
    page.keyboard.press("e")
    page.keyboard.press("Control+a")
    page.keyboard.type(text)
    page.keyboard.press("Control+Enter")


def test_a_caption_is_there_at_once_and_late_details_replace_no_words(page, review, slow):
    slow("/api/items/")
    page.keyboard.press("j")
    assert page.input_value("#text") == TEXTS[1]
    type_over(page, "A sign on a wall.")
    wait_quiet(page)
    assert text_of(review, 1) == "A sign on a wall."


def test_edits_in_a_row_land_each_in_its_own_caption(page, review, slow):
    order = [int(page.locator(".card").nth(n).get_attribute("data-id")) for n in range(len(TEXTS))]
    slow("/api/")
    for number in order[:5]:
        type_over(page, f"Caption {number}.")
    wait_quiet(page)
    for number in order[:5]:
        assert review.session.index.item(number)["text"] == f"Caption {number}."
    for number in order[5:]:
        assert review.session.index.item(number)["text"] == TEXTS[number - 1]


def test_decisions_in_a_row_land_each_on_its_own_caption(page, review, slow):
    order = [int(page.locator(".card").nth(n).get_attribute("data-id")) for n in range(len(TEXTS))]
    slow("/api/decide")
    for key in "aarja":
        page.keyboard.press(key)
    wait_quiet(page)
    decided = [review.session.index.item(number)["decision"] for number in order]
    assert decided == ["accepted", "accepted", "rejected", "", "accepted", "", "", ""]


def test_words_that_were_typed_are_saved_when_the_caption_is_left(page, review):
    page.keyboard.press("e")
    page.keyboard.type("Half a")
    page.locator(".card").nth(3).click()
    wait_saved(page)
    assert text_of(review, 4) == "Half a"


def test_undo_in_a_hurry_takes_back_the_decision_before_it(page, review, slow):
    slow("/api/")
    for key in "aau":
        page.keyboard.press(key)
    page.keyboard.press("r")
    wait_quiet(page)
    page.wait_for_function("() => document.querySelectorAll('.rejected').length === 1")
    decided = [review.session.index.item(number)["decision"] for number in (5, 2)]
    assert decided == ["accepted", "rejected"]


def test_keys_after_a_filter_wait_for_what_it_finds(page, review, slow):
    slow(r"/api/items\?")
    page.keyboard.press("/")
    page.keyboard.type("blue")
    page.keyboard.press("Escape")
    type_over(page, "A blue van.")
    wait_saved(page)
    assert text_of(review, 3) == "A blue van."
    assert text_of(review, 4) == ""


def test_words_are_not_moved_to_another_caption_by_a_list_that_comes_late(page, review, slow):
    slow(r"/api/items\?")
    page.click("#facets >> text=refusal")
    page.click("#text")
    page.keyboard.type("Nothing here.")
    page.wait_for_function("() => document.querySelectorAll('.card').length === 1")
    page.keyboard.type(" At all.")
    page.keyboard.press("Control+Enter")
    wait_saved(page)
    assert text_of(review, 4) == "Nothing here. At all."
    assert text_of(review, 1) == TEXTS[1]


def test_anothers_change_does_not_replace_words_that_are_being_typed(page, review):
    other = page.context.new_page()
    other.goto(review.address)
    other.wait_for_selector(".card")
    page.keyboard.press("e")
    page.keyboard.type("Mine")
    other.fill("#text", "Theirs.")
    other.click("#save")
    wait_saved(other)
    page.wait_for_selector("#meanwhile >> text=Theirs.")
    page.keyboard.type(" too.")
    page.keyboard.press("Control+Enter")
    wait_saved(page, "somebody changed")
    assert page.input_value("#text") == "Mine too."
    assert text_of(review, 4) == "Theirs."
    page.click("#save")
    wait_saved(page)
    assert text_of(review, 4) == "Mine too."


def test_what_was_not_saved_is_marked_kept_and_sent_again(page, review):
    page.route("**/api/decide", lambda route: route.abort())
    page.fill("#text", "Kept words.")
    page.click("#save")
    wait_saved(page, "not saved")
    page.wait_for_selector('.card[data-id="5"] >> text=not saved')
    page.keyboard.press("j")
    page.unroute("**/api/decide")
    page.locator('.card[data-id="5"]').click()
    assert page.input_value("#text") == "Kept words."
    page.click("#save")
    wait_saved(page)
    assert text_of(review, 4) == "Kept words."
    assert page.locator("text=not saved").count() == 0


def test_a_lost_answer_is_no_conflict_with_oneself(page, review):
    def lose(route: Any) -> None:
        route.fetch()
        route.abort()

    page.route("**/api/decide", lose)
    page.fill("#text", "Twice sent.")
    page.click("#save")
    wait_saved(page, "not saved")
    page.unroute("**/api/decide")
    page.click("#save")
    wait_saved(page)
    assert text_of(review, 4) == "Twice sent."


def test_keys_at_the_end_of_the_loaded_list_wait_for_the_next_page(open_page, tmp_path):
    texts = tuple(f"A cat, number {n}." for n in range(60))
    page, review = open_page(make_dataset(tmp_path, texts), late=r"/api/items\?.*after=")
    for _ in range(49):
        page.keyboard.press("j")
    type_over(page, "The fiftieth.")
    type_over(page, "The fifty-first.")
    page.wait_for_selector('.card[data-id="52"][aria-current="true"]')
    wait_quiet(page)
    assert text_of(review, 49) == "The fiftieth."
    assert text_of(review, 50) == "The fifty-first."
    assert len(captions(page)) == 60
