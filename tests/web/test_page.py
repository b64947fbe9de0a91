"""The review page, in a browser, by keyboard and mouse."""

from __future__ import annotations

from typing import Any

import pytest

from tests.review.running import TEXTS, RunningReview

pytestmark = pytest.mark.web


def captions(page: Any) -> list[str]:
    return page.locator(".card .text").all_inner_texts()


def wait_saved(page: Any, words: str = "saved") -> None:
    page.wait_for_function(
        "w => document.getElementById('saved').textContent.startsWith(w)", arg=words
    )


def text_of(review: RunningReview, row: int) -> str:
    return review.session.index.item(row + 1)["text"]


def test_what_needs_a_person_comes_first(page):
    assert captions(page)[0] == "(no caption)"
    assert "cannot help" in captions(page)[1]
    assert len(captions(page)) == len(TEXTS)


def test_captions_are_text_and_never_markup(page):
    assert TEXTS[6] in captions(page)
    assert page.title() == "captions.jsonl · review"


def test_an_edit_is_saved_by_keyboard_alone(page, review):
    page.keyboard.press("j")
    page.keyboard.press("e")
    page.keyboard.press("Control+a")
    page.keyboard.type("A sign on a wall.")
    page.keyboard.press("Control+Enter")
    wait_saved(page)
    assert text_of(review, 1) == "A sign on a wall."


def test_an_edit_is_undone_and_its_history_stays(page, review):
    page.fill("#text", "Nothing to see.")
    page.click("#save")
    wait_saved(page)
    page.keyboard.press("Escape")
    page.keyboard.press("u")
    wait_saved(page, "undone")
    assert text_of(review, 4) == ""
    page.wait_for_selector("#history >> text=Nothing to see.")


def test_accept_moves_on_to_the_next_caption(page, review):
    page.keyboard.press("a")
    wait_saved(page)
    page.wait_for_selector('.card[data-id="2"][aria-current="true"]')
    assert review.session.index.item(5)["decision"] == "accepted"


def test_a_filter_stands_in_the_address_and_is_opened_from_it(page, browser, review):
    page.fill("#filter", "red car")
    page.wait_for_function("() => document.querySelectorAll('.card').length === 1")
    assert "filter=red+car" in page.url
    other = page.context.new_page()
    other.goto(review.address + page.url[page.url.index("#") :])
    other.wait_for_function("() => document.querySelectorAll('.card').length === 1")


def test_a_facet_narrows_the_list(page):
    page.click("#facets >> text=refusal")
    page.wait_for_function("() => document.querySelectorAll('.card').length === 1")
    assert page.input_value("#filter") == "kind=refusal"


def test_many_are_changed_after_a_preview_and_one_undo_takes_all_back(page, review):
    page.keyboard.press("b")
    page.select_option("#bulk-kind", "replace")
    page.fill("#bulk-find", "red")
    page.fill("#bulk-text", "green")
    page.click("#bulk-form >> text=Preview")
    page.wait_for_selector("#bulk-count >> text=2 captions would change")
    assert page.locator("#bulk-examples ins").first.inner_text() == "green"
    assert text_of(review, 0) == TEXTS[0]
    page.click("#bulk-apply")
    wait_saved(page, "saved: 2")
    assert text_of(review, 0) == "A green car on a street."
    page.click("#undo")
    wait_saved(page, "undone: 2")
    assert [text_of(review, row) for row in range(len(TEXTS))] == list(TEXTS)


def test_two_pages_lose_nothing_of_each_other(page, review):
    other = page.context.new_page()
    other.goto(review.address)
    other.wait_for_selector(".card")
    page.fill("#text", "First words.")
    other.fill("#text", "Other words.")
    page.click("#save")
    wait_saved(page)
    other.click("#save")
    wait_saved(other, "somebody changed")
    assert text_of(review, 4) == "First words."


def test_a_lost_server_is_said_and_nothing_seems_saved(page, review):
    review.stop()
    page.fill("#text", "Lost words.")
    page.click("#save")
    page.wait_for_selector("#saved.failed")
    assert page.input_value("#text") == "Lost words."


def test_the_help_lists_every_key(page):
    page.keyboard.press("?")
    page.wait_for_selector("dialog[open]")
    assert page.locator("#keys tr").count() == 12


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [(1280, 800), (820, 1180)])
def test_nothing_serious_bars_anyone(page, scheme, size, tmp_path):
    from axe_playwright_python.sync_playwright import Axe

    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": size[0], "height": size[1]})
    found = Axe().run(page).response["violations"]
    assert not [v["id"] for v in found if v["impact"] in ("serious", "critical")]
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= size[0]
