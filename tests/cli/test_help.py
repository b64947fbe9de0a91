"""docs/cli.md shows what ``--help`` prints."""

from __future__ import annotations

import importlib.util

import pytest

from tests.paths import ROOT


@pytest.fixture
def make_docs():
    spec = importlib.util.spec_from_file_location("make_docs", ROOT / "tools" / "make_docs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_fresh(make_docs):
    assert make_docs.is_fresh(ROOT / "docs" / "cli.md", make_docs.cli_page())


@pytest.mark.parametrize(("name", "value"), [("COLUMNS", "40"), ("FORCE_COLOR", "1")])
def test_the_help_does_not_depend_on_the_terminal(make_docs, monkeypatch, name, value):
    usual = make_docs.help_of(("dataflow", "--help"))
    monkeypatch.setenv(name, value)
    assert make_docs.help_of(("dataflow", "--help")) == usual


def test_with_another_click_only_the_options_are_compared(make_docs, tmp_path):
    page = tmp_path / "cli.md"
    page.write_text("made with click 0.1.2\n--model TEXT\n--seed INT\n")
    assert make_docs.is_fresh(page, "made with click 9.9.9\n--seed <int>\n--model <str>\n")
    assert not make_docs.is_fresh(page, "made with click 9.9.9\n--seed <int>\n")
