"""Captions and names that mean harm: nothing runs, nothing hangs, nothing leaves the machine."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.review.running import make_dataset

pytestmark = pytest.mark.web

CAPTIONS = (
    "<script>window.ran = 1</script>",
    '<img src=x onerror="window.ran = 1">',
    "</textarea><script>window.ran = 1</script>",
    "</q></li><iframe src=https://example.com></iframe>",
    "<svg/onload=window.ran=1>",
    "javascript:window.ran=1",
    "<style>@import url(https://example.com/x.css)</style>",
    '<link rel=stylesheet href="https://example.com/x.css">',
    "<meta http-equiv=refresh content='0;url=https://example.com'>",
    "${window.ran = 1} {{constructor.constructor('window.ran = 1')()}}",
    "\u202egnp.exe\u202c \u2066\u2067 right to left",
    "a\u0000b\u0007\u001b[31m red \u001b]0;title\u0007",
    "lone \ud800 half",
    "e" + "\u0301" * 3000,
    "word " * 40_000,
    "x" * 200_000,
    "line\r\nline\rline\u2028line\u2029line",
    "'\"><b onmouseover=window.ran=1>",
    "%00%0d%0aSet-Cookie: a=b",
    "=cmd|' /C calc'!A0",
)


def watch(page: Any) -> list[str]:
    """What must not happen: errors of the page, dialogs, windows, another address."""
    seen: list[str] = []
    page.on("pageerror", lambda error: seen.append(f"error: {error}"))
    page.on("dialog", lambda dialog: (seen.append("dialog"), dialog.dismiss()))
    page.on("popup", lambda _: seen.append("popup"))
    page.on("framenavigated", lambda frame: seen.append(f"address: {frame.url}"))
    return seen


def look_at_all(page: Any, count: int) -> None:
    for _ in range(count):
        page.keyboard.press("j")
    page.wait_for_timeout(300)


def test_hostile_captions_are_shown_edited_and_searched_as_text(open_page, tmp_path):
    path = make_dataset(tmp_path, CAPTIONS)
    page, review = open_page(path)
    seen = watch(page)
    look_at_all(page, len(CAPTIONS))
    page.keyboard.press("b")
    page.select_option("#bulk-kind", "append")
    page.fill("#bulk-text", " <img src=x onerror=window.ran=1>")
    page.click("#bulk-form >> text=Preview")
    page.wait_for_selector("#bulk-count >> text=captions would change")
    page.click("#bulk-apply")
    page.wait_for_function(
        "() => document.getElementById('saved').textContent.startsWith('saved:')"
    )
    page.fill("#filter", "<script>")
    page.wait_for_function("() => document.querySelectorAll('.card').length === 2")
    assert page.evaluate("window.ran") is None
    assert not [one for one in seen if not one.startswith("address: http://127.0.0.1")]
    assert page.locator("iframe, svg, main style, main link, main script").count() == 0
    assert review.session.index.item(6)["text"].startswith("javascript:")


@pytest.mark.parametrize("form", ["names", "columns", "models"])
def test_hostile_names_are_text_too(open_page, tmp_path, form):
    bad = '"><img src=x onerror=window.ran=1>'
    row = {"image": "0.png", "caption": "A car."}
    if form == "names":
        row["image"] = f"{bad}.png"
    elif form == "columns":
        row = {"image": "0.png", bad: "A car."}
    else:
        row["caption_meta"] = {"model": bad}
    path = make_dataset(tmp_path, ("A car.",))
    path.write_text(json.dumps(row) + "\n", encoding="utf-8")
    columns = (bad,) if form == "columns" else ()
    page, _ = open_page(path, columns=columns)
    seen = watch(page)
    page.keyboard.press("a")
    page.wait_for_function("() => document.getElementById('saved').textContent === 'saved'")
    page.wait_for_selector("#facets button")
    page.locator("#facets button").last.click()
    page.wait_for_timeout(300)
    assert page.evaluate("window.ran") is None
    assert not [one for one in seen if not one.startswith("address: http://127.0.0.1")]
