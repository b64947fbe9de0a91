"""Rows as notebooks show them: picture beside text, safe and small."""

from __future__ import annotations

import asyncio
import base64
import io
import re

import pytest
from PIL import Image

from dataflow.images import gallery as module
from dataflow.images.base.limits import Limits
from dataflow.images.gallery import ROWS, GalleryRow, gallery


@pytest.fixture
def folder(tmp_path):
    for number in range(3):
        Image.new("RGB", (900, 600), (80 * number, 90, 200)).save(tmp_path / f"{number}.jpg")
    return tmp_path


def shown(folder, *rows, **more):
    return gallery([GalleryRow(*row) for row in rows], [str(folder)], title="t", **more)


def pictures_in(html):
    found = re.findall(r'src="data:image/(?:jpeg|png);base64,([A-Za-z0-9+/=]+)"', html)
    return [Image.open(io.BytesIO(base64.b64decode(data))) for data in found]


def test_a_picture_stands_small_beside_its_caption(folder):
    html = shown(folder, ("0.jpg", {"caption": "A cat."}))
    [picture] = pictures_in(html)
    assert picture.size == (160, 107)
    assert html.index("base64") < html.index("A cat.")


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "\"'><svg/onload=alert(1)>",
        "</td></tr></table><iframe>",
        "{{x}} ${x} $\\mathcal{x}$",
        "half \ud800 of a pair",
        "‮reversed",
    ],
)
@pytest.mark.parametrize("where", ["caption", "column", "path", "title"])
def test_all_text_is_escaped(folder, text, where):
    path, column, caption = "0.jpg", "caption", "A cat."
    path = f"{text}.jpg" if where == "path" else path
    column = text if where == "column" else column
    caption = text if where == "caption" else caption
    title = text if where == "title" else "t"
    html = gallery([GalleryRow(path, {column: caption})], [str(folder)], title=title)
    tags = set(re.findall(r"<(\w+)", html))
    assert tags <= {"div", "p", "table", "tr", "td", "img", "span", "tbody"}
    assert not re.search(r"<[^>]*\son\w+=", html)
    html.encode("utf-8")


def test_what_cannot_be_shown_says_why_in_its_place(folder):
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff broken")
    html = shown(
        folder,
        ("gone.jpg", {"caption": None}),
        ("broken.jpg", {"caption": "B."}),
        (None, {"caption": "C."}),
        ({"odd": 1}, {"caption": "D."}),
        ("0.jpg", {"caption": "E."}),
    )
    assert len(pictures_in(html)) == 1
    assert "gone.jpg" in html
    assert ">none<" in html
    assert all(f"{letter}." in html for letter in "BCDE")


def test_nothing_is_fetched_from_a_url(folder):
    html = shown(folder, ("https://example.com/a.jpg", {"caption": "A."}))
    assert "example.com/a.jpg: at a URL" in html


def test_paths_outside_the_allowed_folder_are_not_opened(folder, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    Image.new("RGB", (9, 9)).save(elsewhere / "secret.png")
    limits = Limits(image_root=str(folder))
    html = shown(folder, (str(elsewhere / "secret.png"), {"caption": "A."}), limits=limits)
    assert pictures_in(html) == []


def test_it_is_bounded(folder):
    many = {f"column {number}": "x" * 50_000 for number in range(100)}
    pictures = ["0.jpg", "1.jpg", "2.jpg"] * 20
    html = shown(folder, *[(pictures, many)] * 500)
    assert len(pictures_in(html)) == 3 * ROWS
    assert len(html) < 1_000_000
    assert "and 57 more" in html
    assert "and 92 more columns" in html


def test_only_the_first_rows_are_read(folder):
    def endless():
        while True:
            yield GalleryRow("0.jpg", {"caption": "A."})

    assert gallery(endless(), [str(folder)], title="t").count("<tr>") == ROWS


def test_it_works_where_an_event_loop_runs(folder):
    async def cell():
        return shown(folder, ("0.jpg", {"caption": "A."}))

    assert len(pictures_in(asyncio.run(cell()))) == 1


def test_a_picture_that_takes_too_long_is_left_out(folder, monkeypatch):
    async def hang(loader, ref):
        await asyncio.sleep(60)

    monkeypatch.setattr(module.Loader, "load", hang)
    monkeypatch.setattr(module, "_SECONDS", 0.2)
    html = shown(folder, ("0.jpg", {"caption": "A."}), ("1.jpg", {"caption": "B."}))
    assert html.count("takes too long") == 2
