"""A real browser on a real review server."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
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
def page(browser: Any, review: RunningReview) -> Iterator[Any]:
    """The review page, opened at 1280×800; whatever it asks of another host fails the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    opened = context.new_page()
    outside: list[str] = []
    host = review.address.split("/?")[0]
    opened.on(
        "request", lambda request: request.url.startswith(host) or outside.append(request.url)
    )
    opened.goto(review.address)
    opened.wait_for_selector(".card")
    yield opened
    context.close()
    assert not outside
