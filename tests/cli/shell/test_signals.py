"""Signals that end a run are heard whatever Python does when they come."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
import time

import pytest

from dataflow.cli.shell.signals import hear
from dataflow.core.portable.signals import ENDING


@pytest.fixture
def came(monkeypatch):
    """The signals that came; afterwards all is as it was."""
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)
    former = {number: signal.getsignal(number) for number in ENDING}
    yield hear()
    for number, handler in former.items():
        signal.signal(number, handler)


def interrupt_once(number: int) -> None:
    os.kill(os.getpid(), number)
    time.sleep(0.001)


def wait() -> None:
    """Wait for a lock, as the main thread does for a run."""
    threading.Event().wait()


class Finalized:
    def __init__(self, number: int) -> None:
        self.number = number

    def __del__(self) -> None:
        interrupt_once(self.number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_that_meets_a_finalizer_ends_the_run_and_counts_once(came, number):
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012 - when it comes is left open
        Finalized(number)
        wait()
    assert came == [number]
    assert signal.getsignal(number) not in (signal.SIG_DFL, signal.SIG_IGN)


def test_a_signal_that_meets_a_callback_of_the_garbage_collector_ends_the_run(came):
    def once(phase: str, _: object) -> None:
        gc.callbacks.remove(once)
        interrupt_once(signal.SIGINT)

    gc.callbacks.append(once)
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012 - when it comes is left open
        gc.collect()
        wait()
    assert came == [signal.SIGINT]


def test_other_faults_in_finalizers_are_reported_as_ever(came, monkeypatch):
    seen = []
    monkeypatch.setattr(sys, "unraisablehook", seen.append)
    hear()

    class Broken:
        def __del__(self) -> None:
            raise ValueError("broken")

    Broken()
    assert [one.exc_type for one in seen] == [ValueError]
