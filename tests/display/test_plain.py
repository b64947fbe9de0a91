"""Foreign text is shown as it is: no markup, no cut, no control of the terminal."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from dataflow.app.reporter import RunReport
from dataflow.billing.price import FREE, NoPrice
from dataflow.display.plain import printable, say, say_rows
from dataflow.display.summary import show_summary
from dataflow.engine.reporting.failure_messages import FailureMessage
from dataflow.engine.reporting.progress import Summary

MARKUP = ["org/x[/red]", "[link=http://evil]x", "[bold", "photos[raw].jsonl", "a\\[b]", ":smile:"]


def shown(show, *, width: int = 80, is_terminal: bool = False) -> str:
    file = io.StringIO()
    show(Console(file=file, width=width, force_terminal=is_terminal, color_system=None))
    return file.getvalue()


@pytest.mark.parametrize("text", MARKUP)
@pytest.mark.parametrize("is_terminal", [True, False])
def test_markup_is_text(text, is_terminal):
    assert shown(lambda console: say(console, text), is_terminal=is_terminal) == text + "\n"


@pytest.mark.parametrize("width", [5, 20, 80])
@pytest.mark.parametrize("text", ["/very/long/path/" * 20 + "out.jsonl", "词" * 200])
def test_nothing_is_cut_or_broken_however_narrow_the_terminal(text, width):
    assert shown(lambda console: say(console, text), width=width) == text + "\n"


def test_columns_line_up_and_the_last_is_never_cut():
    rows = [("output", "x" * 300), ("行数", "7")]
    first, second = shown(lambda console: say_rows(console, rows), width=20).splitlines()
    assert first == "output  " + "x" * 300
    assert second == "行数    7"


@pytest.mark.parametrize("text", ["\x1b[2J", "\r", "\x07", "\u202e", "\x9b1m"])
def test_control_characters_are_made_visible(text):
    assert printable(f"a{text}b").isprintable()


@pytest.mark.parametrize("text", MARKUP)
def test_the_summary_shows_paths_prices_and_messages_as_they_are(text):
    summary = Summary(
        rows=3, captioned=2, requests=3, failed={"bad_row": 1},
        failures=(FailureMessage("bad_row", 1, text, 1, "mend it"),),
    )  # fmt: skip
    report = RunReport(summary, NoPrice(text), text)
    page = shown(lambda console: show_summary(report, console), width=20)
    assert page.count(text) == 3
    assert "cure: mend it" in page


def test_a_run_without_a_failure_needs_no_cure():
    report = RunReport(Summary(rows=1, captioned=1), FREE, "out.jsonl")
    page = shown(lambda console: show_summary(report, console))
    assert "cure" not in page
    assert "Next" not in page
