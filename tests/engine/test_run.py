"""A run that is stopped, awaited and watched from outside."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from dataflow.core.errors import RunStoppedError, WrongKeyError
from dataflow.engine.run import Run
from dataflow.engine.runner import run, start
from dataflow.serving.fake import FakeServing


def slow(width_of, **more) -> FakeServing:
    return FakeServing(width_of, delay=0.05, max_workers=2, **more)


def wait_for(condition):
    deadline = time.monotonic() + 10
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.005)


def test_it_goes_on_while_the_caller_does_other_things(dataset, width_of):
    made = start(dataset.add(6).plan(slow(width_of)))
    assert not made.is_over
    wait_for(lambda: made.progress.captioned > 0)
    assert made.result().captioned == 6
    assert made.is_over
    assert made.result().captioned == 6, "again, without waiting"


def test_stop_finishes_what_is_in_flight_and_keeps_it(dataset, width_of):
    serving = slow(width_of)
    made = start(dataset.add(40).plan(serving))
    wait_for(lambda: serving.asked >= 4)
    made.stop()
    with pytest.raises(RunStoppedError, match="answered and kept"):
        made.result()
    asked = serving.asked
    assert asked < 12
    again = slow(width_of)
    assert run(dataset.plan(again)).captioned == 40
    assert asked + again.asked == 40


def test_stop_at_once_waits_for_nothing(dataset, width_of):
    serving = FakeServing(width_of, delay=60, max_workers=4)
    made = start(dataset.add(10).plan(serving))
    wait_for(lambda: serving.asked == 4)
    started = time.monotonic()
    made.stop(at_once=True)
    with pytest.raises(RunStoppedError):
        made.result()
    assert time.monotonic() - started < 5


def test_stop_after_the_end_changes_nothing(dataset, width_of):
    made = start(dataset.add(2).plan(FakeServing(width_of)))
    made.result()
    made.stop()
    assert made.result().captioned == 2


def test_it_is_awaited_beside_other_tasks_of_the_loop(dataset, width_of):
    async def scene():
        ticks = 0

        async def tick():
            nonlocal ticks
            while True:
                await asyncio.sleep(0.01)
                ticks += 1

        ticking = asyncio.create_task(tick())
        summary = await start(dataset.add(10).plan(slow(width_of)))
        ticking.cancel()
        return summary, ticks

    summary, ticks = asyncio.run(scene())
    assert summary.captioned == 10
    assert ticks > 3


def test_a_timeout_around_it_stops_the_run(dataset, width_of):
    serving = slow(width_of)

    async def scene():
        await asyncio.wait_for(start(dataset.add(60).plan(serving))._awaited(), 0.3)

    with pytest.raises(asyncio.TimeoutError):
        asyncio.run(scene())
    asked = serving.asked
    time.sleep(0.2)
    assert serving.asked == asked < 30


def test_leaving_its_block_by_an_exception_stops_it(dataset, width_of):
    serving = slow(width_of)
    made = start(dataset.add(60).plan(serving))
    with pytest.raises(ZeroDivisionError), made:
        wait_for(lambda: 1 / (serving.asked < 2) < 0)
    asked = serving.asked
    time.sleep(0.2)
    assert serving.asked == asked < 30


def test_leaving_its_block_waits_for_it(dataset, width_of):
    async def scene():
        async with start(dataset.add(5).plan(slow(width_of))) as made:
            pass
        return made.is_over

    assert asyncio.run(scene())
    with start(dataset.plan(slow(width_of))) as made:
        pass
    assert made.is_over


def test_who_watches_it_hears_of_each_outcome_once_it_is_committed(dataset, width_of):
    seen = []
    plan = dataset.add(8).plan(FakeServing(width_of))
    start(plan, on_outcome=seen.append).result()
    assert sorted(one.record.caption for one in seen) == sorted(dataset.captions())


def test_an_error_of_the_run_comes_from_result_and_from_await(dataset):
    def plan():
        return dataset.plan(FakeServing(lambda r, p: WrongKeyError("no such key")))

    dataset.add(2)
    with pytest.raises(WrongKeyError):
        start(plan()).result()

    async def scene():
        await start(plan())

    with pytest.raises(WrongKeyError):
        asyncio.run(scene())


def test_it_runs_in_a_thread_that_is_not_the_main_one(dataset, width_of):
    found: list[Run] = []

    def work():
        found.append(run(dataset.add(3).plan(FakeServing(width_of))))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found[0].captioned == 3


def test_its_repr_says_model_and_progress(dataset, width_of):
    made = start(dataset.add(3).plan(FakeServing(width_of)))
    made.result()
    assert "3 of 3 captions" in repr(made)
