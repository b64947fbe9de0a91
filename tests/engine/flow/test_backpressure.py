"""How much may be on the road."""

from __future__ import annotations

import asyncio

from dataflow.engine.flow.backpressure import InFlightBound


def test_it_lets_in_only_so_many_jobs_and_bytes_in_their_order():
    async def scene():
        room, order = InFlightBound(jobs=3, size=100), []

        async def job(name, size):
            await room.acquire(size)
            order.append(name)

        tasks = [asyncio.create_task(job(n, s)) for n, s in [("a", 60), ("b", 60), ("c", 1)]]
        await asyncio.sleep(0.01)
        first = list(order)
        room.release(60)
        await asyncio.gather(*tasks)
        return first, order

    assert asyncio.run(scene()) == (["a"], ["a", "b", "c"])


def test_a_job_bigger_than_everything_gets_in_when_alone():
    async def scene():
        room = InFlightBound(jobs=3, size=10)
        await asyncio.wait_for(room.acquire(1_000), 1)
        blocked = asyncio.create_task(room.acquire(1))
        await asyncio.sleep(0.01)
        was_blocked = not blocked.done()
        room.release(1_000)
        await asyncio.wait_for(blocked, 1)
        return was_blocked

    assert asyncio.run(scene())


def test_a_waiter_that_gave_up_takes_no_place():
    async def scene():
        room = InFlightBound(jobs=1, size=10)
        await room.acquire(1)
        gone, stays = (asyncio.create_task(room.acquire(1)) for _ in "ab")
        await asyncio.sleep(0.01)
        gone.cancel()
        await asyncio.sleep(0.01)
        room.release(1)
        await asyncio.wait_for(stays, 1)

    asyncio.run(scene())


def test_what_grew_inside_counts():
    async def scene():
        room = InFlightBound(jobs=5, size=100)
        await room.acquire(10)
        room.grow(90)
        blocked = asyncio.create_task(room.acquire(1))
        await asyncio.sleep(0.01)
        assert not blocked.done()
        room.release(100)
        await asyncio.wait_for(blocked, 1)

    asyncio.run(scene())


def test_jobs_that_come_together_are_let_in_together_and_each_leaves_by_itself():
    async def scene():
        room = InFlightBound(jobs=2, size=100)
        await asyncio.wait_for(room.acquire(10, jobs=5), 1)  # more than the room, at one go
        blocked = asyncio.create_task(room.acquire(1))
        for _ in range(3):
            room.release(0)
        await asyncio.sleep(0.01)
        was_blocked = not blocked.done()
        room.release(0)
        await asyncio.wait_for(blocked, 1)
        return was_blocked

    assert asyncio.run(scene())
