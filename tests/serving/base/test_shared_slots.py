"""`max_workers` for a serving that several runs share."""

from __future__ import annotations

import asyncio
import copy
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from dataflow.serving.base.shared_slots import SharedSlots
from dataflow.serving.fake import FakeServing


def test_runs_in_several_threads_share_the_serving_s_slots():
    serving = FakeServing("A cat.", delay=0.05, max_workers=3)
    with ThreadPoolExecutor(5) as pool:
        texts = list(pool.map(lambda n: serving.generate_from_input(["q"] * 8), range(5)))
    assert texts == [["A cat."] * 8] * 5
    assert 2 <= serving.most_in_flight <= 3


@pytest.mark.parametrize("is_granted", [False, True])
def test_a_waiter_that_is_cancelled_loses_no_slot(is_granted):
    async def run():
        slots = SharedSlots()
        await slots.acquire(1, 1)
        waiting = asyncio.create_task(slots.acquire(1, 2))
        await asyncio.sleep(0)
        if is_granted:
            slots.release(1)  # the grant is on its way when the waiter is cancelled
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        if not is_granted:
            slots.release(1)
        await asyncio.wait_for(slots.acquire(1, 2), 1)

    asyncio.run(run())


def test_a_waiter_whose_loop_is_gone_is_passed_over():
    slots = SharedSlots()
    asyncio.run(slots.acquire(1, 1))

    async def wait_in_vain():
        task = asyncio.create_task(slots.acquire(1, 2))
        await asyncio.sleep(0)
        task.cancel()

    asyncio.run(wait_in_vain())
    slots.release(1)
    asyncio.run(asyncio.wait_for(slots.acquire(1, 2), 1))


def test_a_run_alone_waits_for_no_slot_so_that_its_hung_requests_hold_nothing():
    async def run():
        slots = SharedSlots()
        for _ in range(5):
            await asyncio.wait_for(slots.acquire(1, 1), 1)

    asyncio.run(run())


@pytest.mark.parametrize(
    "again", [copy.copy, copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s))]
)
def test_a_used_serving_travels_without_its_slots_and_errors(again):
    serving = FakeServing("A cat.")
    serving.generate_from_input(["q"], image_inputs=["no-such-file.png"])
    assert 0 in serving.last_errors
    other = again(serving)
    assert other.generate_from_input(["q"]) == ["A cat."]
    assert 0 in serving.last_errors


def test_last_errors_are_those_of_the_call_of_the_same_thread():
    serving = FakeServing("A cat.")
    seen = {}
    barrier = threading.Barrier(2)

    def ask(name, picture):
        serving.generate_from_input(["q"], image_inputs=[picture])
        barrier.wait(10)
        seen[name] = dict(serving.last_errors)

    threads = [
        threading.Thread(target=ask, args=("bad", "no-such-file.png")),
        threading.Thread(target=ask, args=("good", None)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert list(seen["bad"]) == [0]
    assert seen["good"] == {}


@pytest.mark.parametrize("value", [float("nan"), __import__("pandas").NA, __import__("pandas").NaT])
def test_a_missing_value_among_pictures_is_its_items_error(value):
    serving = FakeServing("A cat.")
    assert serving.generate_from_input(["q", "q"], image_inputs=[None, value]) == ["A cat.", ""]
    assert serving.last_errors[1].kind == "bad_row"
    assert serving.asked == 1


def test_a_list_of_pictures_that_ends_early_is_told(caplog):
    serving = FakeServing("A cat.")
    assert serving.generate_from_input(["q"] * 3, image_inputs=[None]) == ["A cat."] * 3
    assert "the last 2 of 3 questions" in caplog.text


def test_a_serving_closes_at_the_end_of_its_block():
    class Closed(FakeServing):
        is_closed = False

        def cleanup(self):
            self.is_closed = True

    with Closed("A cat.") as serving:
        assert not serving.is_closed
    assert serving.is_closed
    assert repr(serving) == "Closed('fake', max_workers=10)"
