"""A real browser on a real review server."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dataflow.review.session import ReviewSpec
from tests.review.running import RunningReview, make_dataset

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture
def review(tmp_path: Path) -> Iterator[RunningReview]:
    running = RunningReview(ReviewSpec(path=str(make_dataset(tmp_path)), author="ada"))
    yield running
    running.stop()


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """One headless Chromium for all tests."""
    from playwright.sync_api import sync_playwright

    assert CHROMIUM, "Chromium is missing. On Debian and Ubuntu: apt install chromium"
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield launched
        launched.close()


@pytest.fixture
def open_page(browser: Any) -> Iterator[Callable[..., tuple[Any, RunningReview]]]:
    """Opens a review page at 1280×800; whatever it asks of another host fails the test."""
    opened: list[tuple[Any, RunningReview | None]] = []
    outside: list[str] = []

    def open_one(
        given: Path | RunningReview, *, late: str | None = None, columns: tuple[str, ...] = ()
    ) -> tuple[Any, Any]:
        is_path = isinstance(given, Path)
        spec = ReviewSpec(path=str(given), author="ada", columns=columns)
        review = RunningReview(spec) if is_path else given
        context = browser.new_context(viewport={"width": 1280, "height": 800})
        opened.append((context, review if is_path else None))
        page = context.new_page()
        host = review.address.split("/?")[0]
        page.on(
            "request", lambda request: request.url.startswith(host) or outside.append(request.url)
        )
        if late is not None:
            page.add_init_script(f"({LATE})({json.dumps(late)})")
        page.goto(review.address)
        page.wait_for_selector(".card")
        return page, review

    yield open_one
    for context, review in opened:
        context.close()
        if review is not None:
            review.stop()
    assert not outside


@pytest.fixture
def page(open_page: Callable[..., tuple[Any, RunningReview]], review: RunningReview) -> Any:
    """The page of the review."""
    return open_page(review)[0]


LATE = """(pattern) => {
    const asked = window.fetch;
    const wait = () => new Promise((resolve) => setTimeout(resolve, 400));
    window.fetch = async (path, options) => {
        const response = await asked(path, options);
        if (new RegExp(pattern).test(path)) await wait();
        return response;
    };
}"""


def answer_late(page: Any, pattern: str) -> None:
    """Let answers to addresses of this shape come late; many keys are pressed within that time.

    The page itself waits: a route of Playwright would hold the keys up as well.
    """
    page.evaluate(LATE, pattern)
