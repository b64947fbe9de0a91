"""An engine that works is told from one that hangs."""

from __future__ import annotations

import asyncio

import pytest

from dataflow.serving.local import hang_watch
from dataflow.serving.local.hang_watch import HangWatch, tokens_in


class Clock:
    at = 1000.0

    def __call__(self):
        return self.at


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(hang_watch, "now", clock)
    return clock


def watched(answer, limit=None):
    async def probe():
        if isinstance(answer, list):
            return answer.pop(0)
        return answer

    return HangWatch(probe, limit)


def is_hung(watch):
    return asyncio.run(watch.is_hung())


def test_its_patience_follows_its_slowest_answer(clock):
    watch = watched(None)
    assert watch.patience == 600
    watch.answered(0.5)
    assert watch.patience == 60
    watch.answered(20)
    watch.answered(1)
    assert watch.patience == 200
    assert watched(None, 7).patience == 7


def test_an_engine_that_is_not_silent_is_not_probed(clock):
    watch = watched(None, 10)
    clock.at += 9
    assert not is_hung(watch)
    watch.answered(1)
    clock.at += 9
    assert not is_hung(watch)
    clock.at += 2
    assert is_hung(watch)


def test_an_idle_engine_is_not_silent(clock):
    watch = watched(None, 10)
    clock.at += 1000
    watch.sent(was_idle=True)
    assert not is_hung(watch)
    clock.at += 11
    watch.sent(was_idle=False)
    assert is_hung(watch)


METRICS = 'vllm:generation_tokens_total{engine="0"} %d.0\nvllm:prompt_tokens_total{a="b"} 5.0\n'


def test_one_whose_counters_grow_is_at_work(clock):
    watch = watched([METRICS % 1, METRICS % 2, METRICS % 2], 10)
    clock.at += 11
    assert not is_hung(watch)
    clock.at += 11
    assert not is_hung(watch)
    clock.at += 11
    assert is_hung(watch)


def test_one_that_only_opens_its_door_hangs(clock):
    watch = watched("", 10)
    clock.at += 11
    assert is_hung(watch)


def test_the_counters_of_both_engines():
    assert tokens_in(METRICS % 7) == 12
    assert tokens_in("llamacpp:tokens_predicted_total 3\n") == 3
    assert tokens_in("# HELP nothing\n") is None
