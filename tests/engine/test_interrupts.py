"""Ctrl-C, and what a run has taken up when it comes."""

from __future__ import annotations

import itertools
import os
import signal
import threading
import time

import pytest

from dataflow.core.row import Row
from dataflow.engine import run as run_module
from dataflow.engine.run import RunInterruptedError
from dataflow.engine.runner import run
from dataflow.serving.fake import FakeServing


def widths(count, start=0):
    return [f"width {32 + n % 200}" for n in range(start, start + count)]


def _interrupt_when(condition, times=1):
    def wait():
        for _ in range(times):
            deadline = time.monotonic() + 10
            while not condition() and time.monotonic() < deadline:
                time.sleep(0.005)
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.3)

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def test_one_ctrl_c_finishes_what_is_in_flight(dataset, width_of):
    serving = FakeServing(width_of, delay=0.4, max_workers=5)
    thread = _interrupt_when(lambda: serving.asked == 5)
    with pytest.raises(RunInterruptedError):
        run(dataset.add(30).plan(serving))
    thread.join()
    assert serving.asked == 5
    again = FakeServing(width_of)
    run(dataset.plan(again))
    assert again.asked == 25
    assert dataset.captions() == widths(30)


def test_two_ctrl_c_end_at_once_and_keep_what_was_answered(dataset, width_of):
    asked = itertools.count()
    serving = FakeServing(
        width_of, delay=lambda r, p: 0.0 if next(asked) < 4 else 60.0, max_workers=8
    )
    thread = _interrupt_when(lambda: serving.asked >= 12, times=2)
    started = time.monotonic()
    with pytest.raises(RunInterruptedError):
        run(dataset.add(30).plan(serving))
    thread.join()
    assert time.monotonic() - started < 10
    again = FakeServing(width_of)
    run(dataset.plan(again))
    assert again.asked == 26


def test_reading_does_not_run_ahead_without_bound(dataset, width_of):
    """With the engine stuck, only a bounded part of the dataset has been taken up."""
    dataset.add(3)
    taken = 0

    class Endless:
        def rows(self):
            nonlocal taken
            for row in open_rows():
                taken += 1
                yield row

        def count(self):
            return 100_000

        def column_names(self):
            return ["id", "image"]

        def folder(self):
            return str(dataset.folder)

    def open_rows():
        for i in range(100_000):
            turns = [{"from": "human", "value": f"Question {i}?"}]
            yield Row(i, {"image": "0000.jpg", "conversation": turns}, f"row {i}")

    serving = FakeServing(width_of, delay=60, max_workers=4)
    plan = dataset.plan(serving)
    object.__setattr__(plan, "reader", Endless())
    thread = _interrupt_when(lambda: serving.asked == 4 and time.sleep(0.5) is None, times=2)
    with pytest.raises(RunInterruptedError):
        run(plan)
    thread.join()
    assert taken < 2_000


def test_ctrl_c_while_the_output_is_written_lets_it_be_finished(dataset, width_of):
    plan = dataset.add(50).plan(FakeServing(width_of))
    slow = plan.output.open_writer

    class Slow:
        def __init__(self, path):
            self.inner = slow(path)

        def write(self, row, added):
            time.sleep(0.01)
            self.inner.write(row, added)

        def __getattr__(self, name):
            return getattr(self.inner, name)

    object.__setattr__(plan.output, "open_writer", Slow)
    thread = _interrupt_when(lambda: plan.progress.phase == "writing")
    assert run(plan).captioned == 50
    thread.join()
    assert dataset.captions() == widths(50)


def test_ctrl_c_in_the_first_instant_ends_the_run_like_any_other(dataset, width_of, monkeypatch):
    start = threading.Thread.start

    def interrupted(thread):
        start(thread)
        if thread.name == "dataflow-run":
            raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    serving = FakeServing(width_of, delay=0.05, max_workers=1)
    with pytest.raises(RunInterruptedError):
        run(dataset.add(30).plan(serving))
    assert serving.asked < 30


def test_two_ctrl_c_end_a_run_whose_dataset_hangs(dataset, width_of, monkeypatch):
    """As on a network disk that is gone: the thread that reads it cannot be ended."""
    dataset.add(3)
    monkeypatch.setattr(run_module, "PATIENCE", 0.3)
    stuck, let_go = threading.Event(), threading.Event()

    class Hanging:
        def rows(self):
            stuck.set()
            let_go.wait(30)
            yield from ()

        def count(self):
            return None

        def column_names(self):
            return None

        def folder(self):
            return str(dataset.folder)

    plan = dataset.plan(FakeServing(width_of))
    object.__setattr__(plan, "reader", Hanging())
    thread = _interrupt_when(stuck.is_set, times=2)
    started = time.monotonic()
    with pytest.raises(RunInterruptedError):
        run(plan)
    thread.join()
    assert time.monotonic() - started < 10
    let_go.set()
