"""Nothing holds the event loop of a run: other requests' answers are read meanwhile."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from PIL import Image

from dataflow.checks.suite import CaptionRequirements, checks_for
from dataflow.core.protocols.check import Verdict
from dataflow.engine.runner import run
from dataflow.serving.fake import FakeServing
from tests.loop_guard import loop_guard

LONGEST = 0.05
"""Seconds that one callback may hold the loop."""


@pytest.fixture(autouse=True)
def _loaded(dataset):
    """What is imported at first use is, before anything is measured."""
    run(replace(dataset.add(1).plan(FakeServing("A boat.")), checks=[asleep]))
    dataset.names.clear()
    dataset.output.unlink()


def busy(text, context):
    """A user's check that computes for a long while."""
    end = time.monotonic() + 0.2
    while time.monotonic() < end:
        pass


def asleep(text, context):
    """A user's check that waits for something."""
    time.sleep(0.7)


async def waits(text, context):
    """A user's check that is a coroutine function, and blocks all the same."""
    time.sleep(0.7)  # noqa: ASYNC251 - that is the point
    return Verdict("odd", "it is odd")


@pytest.mark.parametrize("check", [busy, asleep, waits])
def test_a_users_check_does_not_hold_the_loop(dataset, check):
    plan = replace(dataset.add(4).plan(FakeServing("A boat.")), checks=[check])
    with loop_guard("dataflow-run") as longest:
        run(plan)
    assert longest.seconds < LONGEST, longest.where


def test_large_pictures_do_not_hold_the_loop(dataset):
    dataset.add(6)
    for name in dataset.names:
        Image.effect_noise((4000, 3000), 60).convert("RGB").save(dataset.folder / name)
    with loop_guard("dataflow-run") as longest:
        run(dataset.plan(FakeServing("A boat.")))
    assert longest.seconds < LONGEST, longest.where


@pytest.mark.parametrize(
    "text",
    [
        "A boat. " * 2_000,
        "! " * 8_000,
        "\n" * 16_000,
        "a" * 16_000,
        "1, 2, " * 2_500,
        "<b>" * 5_000,
    ],
    ids=["loop", "marks", "breaks", "one word", "numbers", "tags"],
)
def test_long_and_degenerate_answers_do_not_hold_the_loop(dataset, text):
    checks = list(checks_for(CaptionRequirements()).values())
    plan = replace(dataset.add(3).plan(FakeServing(text)), checks=checks)
    with loop_guard("dataflow-run") as longest:
        run(plan)
    assert longest.seconds < LONGEST, longest.where


def test_a_large_dataset_does_not_hold_the_loop(dataset):
    dataset.add(3)
    dataset.names = dataset.names * 1_000
    dataset.write()
    with loop_guard("dataflow-run") as longest:
        run(dataset.plan(FakeServing("A boat.")))
    assert longest.seconds < LONGEST, longest.where
