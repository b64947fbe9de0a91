"""The status of a run in words: how much is done, in percent, and how long the rest takes."""

from __future__ import annotations

import io

from rich.console import Console

from dataflow.display.status import show_status
from dataflow.engine.reporting.status import SpeedSlice, Status


def shown(**values) -> str:
    console = Console(file=io.StringIO(), width=80)
    show_status(Status(holder="process 7", started=0.0, ended=None, **values), console)
    return console.file.getvalue()


def test_a_run_under_way_tells_percent_and_time_left():
    speed = (SpeedSlice(0.0, 10.0, 5, 50), SpeedSlice(10.0, 10.0, 20, 200))
    text = shown(
        state="running", rows=100, seen=50, wanted=50, captioned=25, unseen=50, speed=speed
    )
    assert "25 of 100 captions (25 %)" in text
    assert "about 38 s, at the latest speed" in text


def test_several_captions_a_row_are_reckoned_with():
    status = Status(
        state="running", holder=None, started=0.0, ended=None, rows=100, seen=10, wanted=30,
        unseen=90,
    )  # fmt: skip
    assert status.total == 300


def test_nothing_is_promised_where_nothing_goes_on():
    speed = (SpeedSlice(0.0, 10.0, 5, 50),)
    text = shown(state="crashed", rows=10, seen=10, wanted=10, captioned=5, speed=speed)
    assert "time left" not in text
    assert "time left" not in shown(state="running", rows=None)
