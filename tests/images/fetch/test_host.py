"""When a picture host is asked, on a clock of the test's own."""

from __future__ import annotations

import asyncio
import random

import pytest

from dataflow.images.fetch.host import Failure, Host, HostGivenUpError, HostPolicy, HostState


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def host(clock):
    return Host(4, HostPolicy(), clock)


def run(scenario):
    asyncio.run(scenario)


async def granted(host, count):
    """`count` waiters of which the first that can be are granted."""
    tasks = [asyncio.ensure_future(host.acquire()) for _ in range(count)]
    for _ in range(3):
        await asyncio.sleep(0)
    return tasks, sum(task.done() for task in tasks)


def test_no_more_connections_than_the_limit(host):
    async def scenario():
        tasks, done = await granted(host, 10)
        assert done == 4
        for task in tasks:
            task.cancel()

    run(scenario())


def test_first_come_first_served(host):
    async def scenario():
        tasks, _ = await granted(host, 6)
        host.release()
        await asyncio.sleep(0)
        assert [task.done() for task in tasks] == [True] * 5 + [False]
        tasks[5].cancel()

    run(scenario())


def test_a_connection_granted_in_the_moment_of_a_cancellation_is_given_back(host):
    async def scenario():
        tasks, _ = await granted(host, 5)
        host.release()  # grants the fifth
        tasks[4].cancel()
        await asyncio.gather(tasks[4], return_exceptions=True)
        _, done = await granted(host, 1)
        assert done == 1

    run(scenario())


def test_a_429_closes_the_host_for_as_long_as_it_asks_and_halves_its_connections(host, clock):
    host.answered()
    host.rate_limited(7.0, "a", "429")
    host.rate_limited(7.0, "b", "429")
    assert host.state is HostState.OPEN
    clock.now += 6.9
    assert host.state is HostState.OPEN
    clock.now += 0.2
    assert host.state is HostState.HALF_OPEN

    async def scenario():
        tasks, done = await granted(host, 3)
        assert done == 1  # a probe
        host.answered()
        await asyncio.sleep(0)
        assert host.state is HostState.CLOSED
        await asyncio.sleep(0)
        assert sum(task.done() for task in tasks) == 2  # half of four
        tasks[2].cancel()

    run(scenario())


def test_connections_come_back_as_answers_come(host, clock):
    host.rate_limited(1.0, "a", "429")
    clock.now += 2
    for _ in range(200):
        host.answered()

    async def scenario():
        tasks, done = await granted(host, 9)
        assert done == 4
        for task in tasks:
            task.cancel()

    run(scenario())


def test_one_broken_picture_does_not_close_its_host(host):
    host.answered()
    for _ in range(6):
        host.failed(Failure.STATUS, "the same", "503")
    assert host.state is HostState.CLOSED


def test_failures_of_several_pictures_close_their_host(host):
    host.answered()
    for name in "abc":
        host.failed(Failure.STATUS, name, "503")
    assert host.state is HostState.OPEN
    assert host.is_ill()


@pytest.mark.parametrize(
    ("how", "answered_before", "patience"),
    [
        (Failure.UNKNOWN_NAME, False, 0),
        (Failure.UNREACHABLE, False, 20),
        (Failure.LOST, False, 20),
        (Failure.STATUS, False, 120),
        (Failure.STATUS, True, 600),
        (Failure.UNREACHABLE, True, 600),
    ],
)
def test_how_long_a_host_that_is_away_is_waited_for(host, clock, how, answered_before, patience):
    if answered_before:
        host.answered()
    began = clock.now

    async def scenario():
        number = 0
        while clock.now - began < 2000:
            try:
                acquired = asyncio.ensure_future(host.acquire())
                await asyncio.sleep(0)
                if acquired.done():
                    await acquired
                    number += 1
                    host.failed(how, str(number), "away")
                    host.release()
                else:
                    acquired.cancel()
            except HostGivenUpError:
                return clock.now - began
            clock.now += 0.5
        return None

    given_up = asyncio.run(scenario())
    assert given_up is not None
    assert patience <= given_up <= patience + 45


def test_a_host_that_hangs_is_left_alone_and_those_who_wait_hear_of_it(host, clock):
    async def scenario():
        tasks, done = await granted(host, 50)
        assert done == 4
        for name in "abcd":
            host.failed(Failure.HUNG, name, "the host does not answer")
            host.release()
        results = await asyncio.gather(*tasks[4:], return_exceptions=True)
        assert {type(result) for result in results} == {HostGivenUpError}
        assert host.is_hung
        with pytest.raises(HostGivenUpError, match="does not answer"):
            await host.acquire()
        clock.now += 31
        tasks, done = await granted(host, 1)
        assert done == 1  # one looks again
        with pytest.raises(HostGivenUpError):
            await host.acquire()
        host.answered()
        host.release()
        _, done = await granted(host, 1)
        assert done == 1

    run(scenario())


def test_a_host_that_asks_for_an_hour_is_not_waited_for(host):
    host.answered()
    host.rate_limited(3600.0, "a", "the server answers 429")

    async def scenario():
        with pytest.raises(HostGivenUpError, match="asks to wait for 3600 s"):
            await host.acquire()

    run(scenario())


def test_a_pause_ends_by_itself():
    async def scenario():
        loop = asyncio.get_running_loop()
        host = Host(4, HostPolicy(), loop.time)
        host.rate_limited(0.05, "a", "429")
        await asyncio.wait_for(host.acquire(), 5)

    run(scenario())


def test_one_who_comes_just_when_a_pause_is_over_leaves_nobody_waiting(host, clock):
    """The timer has not run yet: it must not be lost."""

    async def scenario():
        host.rate_limited(5.0, "a", "429")
        early, _ = await granted(host, 2)
        clock.now += 6
        late, _ = await granted(host, 1)
        for task in (*early, *late):
            await asyncio.wait_for(asyncio.shield(task), 5)
            host.answered()
            host.release()

    run(scenario())


def test_requests_at_random_moments_all_get_their_turn():
    async def scenario():
        loop = asyncio.get_running_loop()
        host = Host(2, HostPolicy(pause=0.002, longest_pause=0.01), loop.time)
        rng = random.Random(3)

        async def row():
            await asyncio.sleep(rng.random() * 0.2)
            for _ in range(5):
                await host.acquire()
                await asyncio.sleep(rng.random() * 0.002)
                if rng.random() < 0.3:
                    host.rate_limited(rng.choice([None, 0.003]), "a", "429")
                else:
                    host.answered()
                host.release()

        await asyncio.wait_for(asyncio.gather(*(row() for _ in range(60))), 30)

    run(scenario())
