"""Captions are asked for again from the page, and a run is watched."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dataflow.app.caption import caption
from dataflow.app.options.commands.caption import CaptionOptions
from dataflow.app.options.commands.review import ReviewOptions
from dataflow.app.options.commands.write import WriteOptions
from dataflow.app.review_asks import PipelineAsker
from dataflow.app.write import write
from dataflow.engine.journal.read_only import JournalView
from dataflow.engine.paths import SideFiles
from dataflow.review.session import ReviewSpec
from dataflow.serving.fake import FakeServing
from tests.review.running import TEXTS, RunningReview, make_dataset
from tests.web.test_page import text_of, wait_saved

pytestmark = pytest.mark.web


class Engine:
    """Answers each request; `asked` counts them."""

    def __init__(self) -> None:
        self.asked = 0
        self.may_answer = threading.Event()
        self.may_answer.set()

    def __call__(self, request: Any, _pictures: Any) -> str:
        self.may_answer.wait(20)
        self.asked += 1
        return f"A small red boat lies on the shore beside {self.asked} gulls."


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Engine:
    found = Engine()
    monkeypatch.setattr(
        "dataflow.app.planning.plan.serving_of",
        lambda choices, *_, **__: FakeServing(found, model=choices.model or "m", max_workers=1),
    )
    return found


@pytest.fixture
def review(tmp_path: Path, engine: Engine) -> Iterator[RunningReview]:
    path = make_dataset(tmp_path)
    asker = PipelineAsker(ReviewOptions(dataset=str(path), model="better"), SideFiles(path).journal)
    running = RunningReview(ReviewSpec(path=str(path), author="ada", asker=asker))
    yield running
    running.stop()


def wait_answered(page: Any, words: str) -> None:
    page.wait_for_function(
        "w => document.getElementById('ask-state').textContent.startsWith(w)"
        " && document.getElementById('ask-state').textContent.includes('captioned')",
        arg=words,
    )


def ask(page: Any, prompt: str, *, which: str = "one") -> None:
    page.wait_for_selector("#ask:not([hidden])", state="attached")
    page.keyboard.press("q")
    page.fill("#ask-prompt", prompt)
    page.select_option("#ask-which", which)
    page.click("#ask-form >> text=Price")
    page.wait_for_selector("#ask-go:not([disabled])")
    page.click("#ask-go")


def test_the_price_comes_before_anything_is_asked(page, engine):
    page.wait_for_selector("#ask:not([hidden])", state="attached")
    page.keyboard.press("q")
    assert page.is_disabled("#ask-go")
    page.click("#ask-form >> text=Price")
    page.wait_for_selector("#ask-state >> text=1 caption: 1 requests to better")
    assert engine.asked == 0
    page.fill("#ask-prompt", "Something else?")
    assert page.is_disabled("#ask-go")


def test_an_answer_arrives_on_the_page_and_is_taken_from_the_history(page, review, engine):
    ask(page, "What is there?")
    wait_answered(page, "1 of 1 answered")
    assert text_of(review, 4) == ""
    page.wait_for_selector("#history >> text=beside 1 gulls")
    page.click("#history >> text=Take")
    wait_saved(page)
    assert "beside 1 gulls" in text_of(review, 4)


def test_a_selection_is_asked_and_taken_at_once_with_one_undo(page, review, engine):
    page.fill("#filter", "red car")
    page.wait_for_function("() => document.querySelectorAll('.card').length === 1")
    page.fill("#filter", "kind=refusal")
    page.wait_for_selector(".card >> text=cannot help")
    page.fill("#filter", "-words:<1")
    page.wait_for_function(f"() => document.querySelectorAll('.card').length === {len(TEXTS) - 1}")
    page.keyboard.press("Escape")
    ask(page, "Once more.", which="view")
    wait_answered(page, f"{len(TEXTS) - 1} of {len(TEXTS) - 1} answered")
    page.click("#ask-take")
    wait_saved(page, f"saved: {len(TEXTS) - 1}")
    assert all("boat" in text_of(review, row) for row in range(4))
    assert text_of(review, 4) == ""
    page.click("#undo")
    wait_saved(page, "undone")
    assert [text_of(review, row) for row in range(len(TEXTS))] == list(TEXTS)


def test_the_same_question_is_not_paid_twice(page, engine):
    ask(page, "What is there?")
    wait_answered(page, "1 of 1 answered")
    asked = engine.asked
    page.click("#ask-form >> text=Price")
    page.wait_for_selector("#ask-state >> text=answered already")
    assert engine.asked == asked


def test_a_caption_that_was_edited_meanwhile_is_not_overwritten_by_an_answer(page, review, engine):
    engine.may_answer.clear()
    ask(page, "What is there?")
    page.fill("#text", "My own words.")
    page.click("#save")
    wait_saved(page)
    engine.may_answer.set()
    wait_answered(page, "1 of 1 answered")
    assert text_of(review, 4) == "My own words."


def test_without_a_model_the_page_says_how_to_name_one(open_page, tmp_path):
    page, _ = open_page(make_dataset(tmp_path))
    page.keyboard.press("q")
    wait_saved(page, "name a model")


def test_captions_of_a_running_run_come_in_as_they_are_answered(
    open_page, tmp_path, engine, monkeypatch
):
    for file in make_dataset(tmp_path).parent.glob("*.jsonl"):
        file.unlink()
    monkeypatch.chdir(tmp_path)
    engine.may_answer.clear()
    options = CaptionOptions(source=".", output="out.jsonl", model="m", concurrency=1)
    run = threading.Thread(target=caption, args=(options,), daemon=True)
    run.start()
    journal = SideFiles(tmp_path / "out.jsonl").journal
    write_when_planned(journal)
    page, _ = open_page(tmp_path / "out.jsonl")
    assert page.locator(".card >> text=(no caption)").count() == len(TEXTS)
    engine.may_answer.set()
    page.wait_for_selector(".card >> text=red boat")
    run.join(20)
    page.wait_for_function(
        "() => !document.getElementById('list').textContent.includes('(no caption)')"
    )


def write_when_planned(journal: Path) -> None:
    """Write the output of a run as it is so far, once it has begun to ask."""
    for _ in range(400):
        if len(JournalView(journal).planned_captions()) == len(TEXTS):
            break
        threading.Event().wait(0.05)
    write(WriteOptions(output="out.jsonl"))
