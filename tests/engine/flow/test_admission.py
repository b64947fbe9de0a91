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
        breaker, order = limiter(2), []

        async def request(name):
            given = await breaker.acquire()
            order.append(name)
            await asyncio.sleep(0.01)
            breaker.release(given)

        tasks = [asyncio.create_task(request(n)) for n in range(6)]
        await asyncio.sleep(0.005)
        inside = len(order)
        await asyncio.gather(*tasks)
        return inside, order

    assert asyncio.run(scene()) == (2, list(range(6)))


def test_one_that_gave_up_waiting_takes_no_place():
    async def scene():
        breaker = limiter(1)
        given = await breaker.acquire()
        gone, stays = (asyncio.create_task(breaker.acquire()) for _ in "ab")
        await asyncio.sleep(0.01)
        gone.cancel()
        await asyncio.sleep(0)
        breaker.release(given)
        breaker.release(await asyncio.wait_for(stays, 1))
        await asyncio.wait_for(breaker.acquire(), 1)

    asyncio.run(scene())


def test_one_that_gave_up_waiting_for_its_pace_takes_no_place():
    async def scene():
        breaker = limiter(1, per_minute=0.6)
        breaker.release(await breaker.acquire())
        late = asyncio.create_task(breaker.acquire())
        await asyncio.sleep(0.01)
        late.cancel()
        await asyncio.gather(late, return_exceptions=True)
        return breaker._in_flight

    assert asyncio.run(scene()) == 0


def test_many_refusals_pause_everybody():
    async def scene():
        breaker = limiter(8)
        passes = [await breaker.acquire() for _ in range(8)]
        for given in passes:
            breaker.release(given, RateLimitedError("slow down"))
        next_one = asyncio.create_task(breaker.acquire())
        await asyncio.sleep(0.2)
        waited = not next_one.done()
        await asyncio.wait_for(next_one, 30)
        return waited

    assert asyncio.run(scene())


def test_a_request_that_hangs_gives_its_place_to_another_and_takes_none_when_it_ends():
    async def scene():
        breaker = limiter(2)
        for _ in range(8):
            breaker.release(await breaker.acquire())  # what is usual: no time at all
        hanging = [await breaker.acquire() for _ in range(2)]
        others = [await asyncio.wait_for(breaker.acquire(), 5) for _ in range(2)]
        for given in (*hanging, *others):
            breaker.release(given)
        return breaker._in_flight

    assert asyncio.run(scene()) == 0


def test_nothing_is_taken_for_hanging_before_an_answer_showed_what_is_usual():
    async def scene():
        breaker = limiter(1)
        await breaker.acquire()
        waiting = asyncio.create_task(breaker.acquire())
        done, _ = await asyncio.wait([waiting], timeout=1.2)
        waiting.cancel()
        return done

    assert asyncio.run(scene()) == set()
