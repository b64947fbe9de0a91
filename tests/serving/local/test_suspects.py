"""Who kills the engine is found by halving; nothing else fails."""

from __future__ import annotations

import asyncio
import math
import random

import pytest

from dataflow.serving.local.suspects import Suspect, SuspectQueue


class Engine:
    """Dies of each killer that is in it, and of chance where it is told to."""

    def __init__(self, queue, killers, chances=()):
        self.queue, self.killers, self.chances = queue, killers, list(chances)
        self.deaths = 0
        self._dying = asyncio.Event()
        self._reviving = None

    async def ask(self, number):
        """What a client does: None for a caption, else the number that is turned out."""
        one = Suspect()
        try:
            while True:
                await self.queue.enter(one)
                dying = self._dying
                if self.chances and self.chances[0] == number:
                    self.chances.pop(0)
                    self._die()
                await asyncio.sleep(0)
                if number in self.killers and dying is self._dying:
                    self._die()
                await asyncio.sleep(0)
                if not dying.is_set():
                    return None
                await self._reviving
                if one.is_killer:
                    return number
        finally:
            self.queue.leave(one)

    def _die(self):
        self.deaths += 1
        self._dying.set()
        self._dying = asyncio.Event()
        self.queue.died()
        self._reviving = asyncio.create_task(self._revive())

    async def _revive(self):
        await asyncio.sleep(0)
        self.queue.revived()


def failed(count, killers, chances=(), at_once=None):
    async def run():
        slots = asyncio.Semaphore(at_once or count)
        engine = Engine(SuspectQueue(), killers, chances)

        async def ask(number):
            async with slots:
                return await engine.ask(number)

        answers = await asyncio.wait_for(asyncio.gather(*map(ask, range(count))), 20)
        assert engine.queue.in_flight == 0
        assert not engine.queue.are_there
        return {answer for answer in answers if answer is not None}, engine.deaths

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("count", "killers"),
    [
        (1, {0}), (2, {1}), (8, {7}), (64, {0}), (64, {31, 32}), (64, set(range(10))),
        (10, set(range(10))), (100, {99}), (100, {96, 97, 99}), (33, {5, 32}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("at_once", [None, 8])
def test_exactly_the_killers_fail(count, killers, at_once):
    found, deaths = failed(count, killers, at_once=at_once)
    assert found == killers
    in_flight = min(count, at_once or count)
    assert deaths <= len(killers) * (math.ceil(math.log2(max(in_flight, 2))) + 3)


def test_a_death_by_chance_fails_nobody():
    assert failed(64, set(), chances=[3]) == (set(), 1)
    assert failed(64, set(), chances=[3, 40, 2])[0] == set()


def test_one_that_is_alone_is_asked_twice():
    assert failed(1, {0}) == ({0}, 2)
    assert failed(1, set(), chances=[0]) == (set(), 1)


def test_any_mix_of_killers_is_found():
    pick = random.Random(3)
    for _ in range(60):
        count = pick.randint(1, 40)
        killers = set(pick.sample(range(count), pick.randint(0, min(count, 6))))
        assert failed(count, killers, at_once=pick.choice([None, 3, 16]))[0] == killers


def test_a_request_that_is_given_up_holds_up_no_other():
    async def run():
        queue = SuspectQueue()
        engine = Engine(queue, {0})
        asking = [asyncio.create_task(engine.ask(number)) for number in range(8)]
        await asyncio.sleep(0.001)
        asking[0].cancel()
        answers = await asyncio.wait_for(asyncio.gather(*asking[1:]), 5)
        return answers, queue.are_there

    assert asyncio.run(run()) == ([None] * 7, False)
