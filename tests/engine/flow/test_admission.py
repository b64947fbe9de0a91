"""Waiting for level and pace, in real time."""

from __future__ import annotations

import asyncio

from dataflow.core.errors import RateLimitedError
from dataflow.engine.flow.adaptive_concurrency import AdaptiveConcurrency
from dataflow.engine.flow.admission import AdmissionController
from dataflow.engine.flow.rate_limiter import RateLimiter


def limiter(most: int, *, per_minute: float | None = None) -> AdmissionController:
    return AdmissionController(AdaptiveConcurrency(most, most), RateLimiter(per_minute))


def test_no_more_are_inside_than_the_level_allows_and_they_come_in_order():
    async def scene():
        gate, order = limiter(2), []

        async def request(name):
            given = await gate.enter()
            order.append(name)
            await asyncio.sleep(0.01)
            gate.leave(given)

        tasks = [asyncio.create_task(request(n)) for n in range(6)]
        await asyncio.sleep(0.005)
        inside = len(order)
        await asyncio.gather(*tasks)
        return inside, order

    assert asyncio.run(scene()) == (2, list(range(6)))


def test_one_that_gave_up_waiting_takes_no_place():
    async def scene():
        gate = limiter(1)
        given = await gate.enter()
        gone, stays = (asyncio.create_task(gate.enter()) for _ in "ab")
        await asyncio.sleep(0.01)
        gone.cancel()
        await asyncio.sleep(0)
        gate.leave(given)
        gate.leave(await asyncio.wait_for(stays, 1))
        await asyncio.wait_for(gate.enter(), 1)

    asyncio.run(scene())


def test_one_that_gave_up_waiting_for_its_pace_takes_no_place():
    async def scene():
        gate = limiter(1, per_minute=0.6)
        gate.leave(await gate.enter())
        late = asyncio.create_task(gate.enter())
        await asyncio.sleep(0.01)
        late.cancel()
        await asyncio.gather(late, return_exceptions=True)
        return gate._in_flight

    assert asyncio.run(scene()) == 0


def test_many_refusals_pause_everybody():
    async def scene():
        gate = limiter(8)
        passes = [await gate.enter() for _ in range(8)]
        for given in passes:
            gate.leave(given, RateLimitedError("slow down"))
        next_one = asyncio.create_task(gate.enter())
        await asyncio.sleep(0.2)
        waited = not next_one.done()
        await asyncio.wait_for(next_one, 30)
        return waited

    assert asyncio.run(scene())


def test_a_request_that_hangs_gives_its_place_to_another_and_takes_none_when_it_ends():
    async def scene():
        gate = limiter(2)
        for _ in range(8):
            gate.leave(await gate.enter())  # what is usual: no time at all
        hanging = [await gate.enter() for _ in range(2)]
        others = [await asyncio.wait_for(gate.enter(), 5) for _ in range(2)]
        for given in (*hanging, *others):
            gate.leave(given)
        return gate._in_flight

    assert asyncio.run(scene()) == 0


def test_nothing_is_taken_for_hanging_before_an_answer_showed_what_is_usual():
    async def scene():
        gate = limiter(1)
        await gate.enter()
        waiting = asyncio.create_task(gate.enter())
        done, _ = await asyncio.wait([waiting], timeout=1.2)
        waiting.cancel()
        return done

    assert asyncio.run(scene()) == set()
