"""The site: links, menu and API reference. `make site` builds it."""

from __future__ import annotations

import re

import pytest
from tools import make_site

import dataflow
from tests.paths import ROOT


@pytest.fixture
def site(tmp_path):
    (tmp_path / "b.html").write_text('<h1 id="here">B</h1>')
    return tmp_path


@pytest.mark.parametrize(
    ("link", "is_dead"),
    [
        ("b.html", False),
        ("b.html#here", False),
        ("b.html#there", True),
        ("c.html", True),
        ("#nowhere", True),
        ("https://example.org/x", False),
        ("mailto:a@example.org", False),
        ("b%2Ehtml", False),
    ],
)
def test_a_link_that_leads_nowhere_is_found(site, link, is_dead):
    (site / "a.html").write_text(f'<a href="{link}">x</a>')
    assert list(make_site.dead_links(site)) == ([f"a.html: {link}"] if is_dead else [])


def test_a_picture_that_is_missing_is_found(site):
    (site / "a.html").write_text('<img src="x.png">')
    assert list(make_site.dead_links(site)) == ["a.html: x.png"]


def test_every_public_name_stands_once_in_the_api_reference(tmp_path):
    make_site.write_api(tmp_path / "api")
    text = "".join(page.read_text() for page in (tmp_path / "api").glob("*.md"))
    names = re.findall(r":: dataflow\.(\w+)", text)
    assert sorted(names) == sorted(set(dataflow.__all__) - {"__version__"})


def test_the_menu_names_pages_that_are_there_and_leaves_none_out(tmp_path):
    pages = {page.relative_to(ROOT / "docs").with_suffix("").as_posix()
             for page in (ROOT / "docs").rglob("*.md")}  # fmt: skip
    made = {"changelog", "zh/index", "api/index"}
    for name in (name for names in make_site.MENU.values() for name in names):
        assert name in pages | made
    make_site.write_sources(tmp_path / "src")
    menu = (tmp_path / "src" / "index.md").read_text()
    assert all(f"\n{page}\n" in menu for page in pages)


def test_links_out_of_the_pages_lead_to_the_repository(tmp_path):
    make_site.write_sources(tmp_path / "src")
    for page in (tmp_path / "src").rglob("*.md"):
        for link in re.findall(r"\]\((?!https?:|mailto:|#)([^)#\s]+)", page.read_text()):
            assert (page.parent / link).exists(), f"{page.name}: {link}"
