"""Coroutines that wait their turn, and the thread for blocking work."""

from __future__ import annotations

import asyncio
import random

import pytest

from dataflow.core.aio import FifoWaiters, Worker


class Slots:
    """A semaphore on top of the waiters, as flow control uses them."""

    def __init__(self, free: int) -> None:
        self.free = free
        self.waiting: FifoWaiters[None, None] = FifoWaiters()

    async def acquire(self) -> None:
        if self.free and not self.waiting:
            self.free -= 1
        else:
            await self.waiting.wait(None, hand_back=lambda _: self.release())

    def release(self) -> None:
        if not self.waiting.grant(None):
            self.free += 1


@pytest.mark.parametrize("seed", range(40))
def test_no_slot_is_lost_or_doubled_whoever_is_cancelled_when(seed):
    rng = random.Random(seed)

    async def scene():
        slots, inside, most = Slots(3), 0, 0

        async def user():
            nonlocal inside, most
            await slots.acquire()
            inside += 1
            most = max(most, inside)
            try:
                for _ in range(rng.randrange(3)):
                    await asyncio.sleep(0)
            finally:
                inside -= 1
                slots.release()

        tasks = [asyncio.create_task(user()) for _ in range(30)]
        for _ in range(40):
            await asyncio.sleep(0)
            if rng.random() < 0.7:
                rng.choice(tasks).cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return slots.free, len(slots.waiting), most

    free, waiting, most = asyncio.run(scene())
    assert (free, waiting) == (3, 0)
    assert most <= 3


def test_a_grant_to_a_waiter_that_is_cancelled_in_the_same_instant_reaches_the_next():
    async def scene():
        slots = Slots(0)
        gone, stays = (asyncio.create_task(slots.acquire()) for _ in "ab")
        await asyncio.sleep(0)
        slots.release()
        gone.cancel()
        await asyncio.wait_for(stays, 1)
        return slots.free

    assert asyncio.run(scene()) == 0


def test_who_waits_longest_is_first_and_shows_what_it_wants():
    async def scene():
        waiters: FifoWaiters[int, str] = FifoWaiters()
        tasks = [asyncio.create_task(waiters.wait(n, hand_back=lambda _: None)) for n in range(3)]
        await asyncio.sleep(0)
        tasks[0].cancel()
        await asyncio.sleep(0)
        wanted = waiters.first
        waiters.grant("x")
        waiters.grant("y")
        return wanted, await asyncio.gather(*tasks[1:]), waiters.grant("z")

    assert asyncio.run(scene()) == (1, ["x", "y"], False)


class Own(BaseException):
    """An exception of somebody's that is no `Exception`."""


STEERING = [
    *(StopIteration, StopAsyncIteration, GeneratorExit, SystemExit, asyncio.CancelledError, Own),
]


@pytest.mark.parametrize("kind", STEERING)
def test_an_exception_that_means_something_to_the_loop_arrives_as_an_ordinary_one(kind):
    async def scene():
        worker = Worker("test")

        def work():
            raise kind

        try:
            with pytest.raises(RuntimeError, match=kind.__name__) as caught:
                await asyncio.wait_for(worker.do(work), 5)
        finally:
            worker.close(wait=True)
        return caught.value.__cause__

    assert isinstance(asyncio.run(scene()), kind)
