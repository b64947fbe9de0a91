"""The progress line keeps what is needed most, and never misleads."""

from __future__ import annotations

from decimal import Decimal

import pytest

from dataflow.core.request import Usage
from dataflow.display.progress import ProgressLine
from dataflow.engine.reporting.progress import Progress


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def progress(clock):
    return Progress(
        phase="captioning", wanted=100_000, reused=5_000, captioned=10_000, failed=120,
        asked_again=40, cost=Decimal("1.25"), started=clock.now - 100, in_flight=8,
        usage=Usage(0, 500_000),
    )  # fmt: skip


@pytest.mark.parametrize("width", [20, 40, 60, 80, 120])
def test_the_line_fits_and_begins_with_how_much_is_done(progress, clock, width):
    text = ProgressLine(progress, clock).text(width)
    assert len(text) <= width
    assert text.startswith("15,120 of 100,000"[: width - 1])


@pytest.mark.parametrize("width", [60, 80, 120])
def test_time_left_and_failures_stay_at_every_usual_width(progress, clock, width):
    text = ProgressLine(progress, clock).text(width)
    assert "(15 %)" in text
    assert "min" in text
    assert "120 failed" in text


def test_what_holds_the_run_back_outranks_speed_and_tokens(progress, clock):
    progress.rate_limit = 40.0
    text = ProgressLine(progress, clock).text(80)
    assert "held to 40/s by the server" in text
    assert "tokens/s" not in text


@pytest.mark.parametrize(("width", "shown"), [(60, "2 of 3 up"), (80, "2 of 3 endpoints answer")])
def test_a_dead_endpoint_stays_on_the_line_while_it_is_dead(progress, clock, width, shown):
    progress.endpoints = 2, 3
    assert shown in ProgressLine(progress, clock).text(width)
    progress.endpoints = 3, 3
    assert "of 3" not in ProgressLine(progress, clock).text(width)


def test_retries_and_429s_are_counted(progress, clock):
    progress.retried, progress.refused = 30, 12
    assert "30 retried (12 × 429)" in ProgressLine(progress, clock).text()


@pytest.mark.parametrize("field", ["paused", "limited"])
def test_a_wait_says_for_what_and_freezes_the_time_left(progress, clock, field):
    line = ProgressLine(progress, clock)
    before = next(part for part in line.text().split(", ") if part.endswith("left"))
    setattr(progress, field, "HTTP 503")
    clock.now += 500
    text = line.text()
    assert "HTTP 503" in text
    assert before in text


def test_the_count_never_runs_backwards(progress, clock):
    line = ProgressLine(progress, clock)
    assert line.text().startswith("15,120")
    progress.captioned -= 700
    assert line.text().startswith("15,120")


def test_time_left_comes_from_the_last_minute(progress, clock):
    line = ProgressLine(progress, clock)
    line.text()
    for _ in range(70):  # from 101 a second to one a second
        clock.now += 1
        progress.captioned += 1
        text = line.text()
    assert "1.0 captions/s" in text


def test_answers_of_an_earlier_run_are_told_apart(progress, clock):
    assert "5,000 answered before" in ProgressLine(progress, clock).text()


@pytest.mark.parametrize("width", [10, 60])
def test_another_phase_is_its_name(clock, width):
    progress = Progress(phase="fetching model.gguf, 1 of 2 MB")
    assert len(ProgressLine(progress, clock).text(width)) <= width
