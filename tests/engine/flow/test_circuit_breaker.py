"""The pause while a server is down."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from dataflow.core.errors import (
    AskTimeoutError,
    ConnectionLostError,
    OverloadedError,
    RateLimitedError,
    UnreachableError,
)
from dataflow.engine.flow import retry_policy
from dataflow.engine.flow.circuit_breaker import CircuitBreaker

DOWN = ConnectionLostError("refused")

_rows = itertools.count()


def fail(breaker: CircuitBreaker, error=DOWN, *, probe=False) -> bool:
    """Another row's request fails."""
    return breaker.record_failure(error, row=next(_rows).to_bytes(8, "big"), probe=probe)


@pytest.fixture(autouse=True)
def _fast(monkeypatch):
    monkeypatch.setattr(retry_policy, "PROBE_WAITS", (0.02,))


def open_breaker(**more) -> CircuitBreaker:
    breaker = CircuitBreaker(**more)
    breaker.record_success()
    for _ in range(retry_policy.BREAKER_ROWS):
        fail(breaker)
    return breaker


def test_a_few_failures_leave_it_open_and_count_for_their_rows():
    async def scene():
        breaker = CircuitBreaker()
        breaker.record_success()
        counted = [fail(breaker) for _ in range(retry_policy.BREAKER_ROWS - 1)]
        return counted, breaker.is_open

    assert asyncio.run(scene()) == ([True] * (retry_policy.BREAKER_ROWS - 1), False)


def test_many_in_a_row_close_it_and_cost_no_attempt_from_then_on():
    async def scene():
        breaker = open_breaker()
        return breaker.is_open, breaker.open_reason, fail(breaker)

    assert asyncio.run(scene()) == (True, "refused", False)


def test_one_row_that_fails_for_ever_closes_nothing():
    async def scene():
        breaker = CircuitBreaker()
        breaker.record_success()
        counted = [
            breaker.record_failure(DOWN, row=b"bad") for _ in range(3 * retry_policy.BREAKER_ROWS)
        ]
        return all(counted), breaker.is_open

    assert asyncio.run(scene()) == (True, False)


def test_while_closed_one_request_at_a_time_probes():
    async def scene():
        breaker, passed = open_breaker(), []

        async def request(name):
            await breaker.acquire()
            passed.append(name)

        tasks = [asyncio.create_task(request(n)) for n in range(5)]
        await asyncio.sleep(0.1)
        probing = list(passed)
        breaker.record_success()
        await asyncio.gather(*tasks)
        return len(probing), len(passed), breaker.is_open

    assert asyncio.run(scene()) == (1, 5, False)


def test_a_probe_that_times_out_lets_the_next_one_out():
    async def scene():
        breaker = open_breaker()
        assert await breaker.acquire()
        fail(breaker, AskTimeoutError("slow"), probe=True)
        await asyncio.wait_for(breaker.acquire(), 1)

    asyncio.run(scene())


def test_an_answer_of_any_kind_opens_it():
    async def scene():
        breaker = open_breaker()
        fail(breaker, RateLimitedError("slow down"))
        return breaker.is_open

    assert asyncio.run(scene()) is False


def test_a_server_down_too_long_ends_the_run():
    async def scene():
        breaker = open_breaker(give_up_after=0.05)
        await asyncio.sleep(0.06)
        with pytest.raises(UnreachableError, match="refused"):
            fail(breaker)

    asyncio.run(scene())


def test_a_server_never_reached_is_given_up_sooner(monkeypatch):
    monkeypatch.setattr(retry_policy, "FIRST_CONTACT_SECONDS", 0.05)

    async def scene():
        breaker = CircuitBreaker(give_up_after=600)
        fail(breaker)
        await asyncio.sleep(0.06)
        with pytest.raises(UnreachableError):
            fail(breaker)

    asyncio.run(scene())


def test_a_server_that_says_it_is_busy_is_there_and_is_not_given_up_at_first_contact(monkeypatch):
    monkeypatch.setattr(retry_policy, "FIRST_CONTACT_SECONDS", 0.0)

    async def scene():
        breaker = CircuitBreaker(give_up_after=600)
        for _ in range(retry_policy.BREAKER_ROWS + 3):
            fail(breaker, OverloadedError("loading"))
        return breaker.is_open

    assert asyncio.run(scene()) is True


def test_late_failures_of_requests_sent_before_it_closed_let_no_second_probe_out(monkeypatch):
    monkeypatch.setattr(retry_policy, "PROBE_WAITS", (0.02, 60.0))

    async def scene():
        breaker = open_breaker()
        probe = await breaker.acquire()
        for _ in range(50):
            fail(breaker)
        second = asyncio.create_task(breaker.acquire())
        await asyncio.sleep(0.1)
        waits = not second.done()
        breaker.record_success()
        return probe, waits, await asyncio.wait_for(second, 1)

    assert asyncio.run(scene()) == (True, True, False)


def test_late_failures_do_not_put_off_the_next_probe(monkeypatch):
    monkeypatch.setattr(retry_policy, "PROBE_WAITS", (0.02, 60.0))

    async def scene():
        breaker = open_breaker()
        for _ in range(50):
            fail(breaker)
        return await asyncio.wait_for(breaker.acquire(), 2)

    assert asyncio.run(scene()) is True


def test_the_last_probe_comes_no_later_than_the_end_of_patience(monkeypatch):
    monkeypatch.setattr(retry_policy, "PROBE_WAITS", (60.0,))

    async def scene():
        breaker = open_breaker(give_up_after=0.05)
        probe = await asyncio.wait_for(breaker.acquire(), 2)
        await asyncio.sleep(0.01)
        with pytest.raises(UnreachableError):
            fail(breaker, probe=probe)

    asyncio.run(scene())


def test_its_clock_stands_still_while_it_is_open():
    async def scene():
        breaker = open_breaker()
        at = breaker.clock()
        await asyncio.sleep(0.05)
        stood = breaker.clock() - at
        breaker.record_success()
        await asyncio.sleep(0.05)
        return stood, breaker.clock() - at

    stood, ran = asyncio.run(scene())
    assert stood == 0
    assert 0.03 < ran < 5


def test_who_waits_longest_is_the_next_probe():
    async def scene():
        breaker, order = open_breaker(), []

        async def probe(name):
            if await breaker.acquire():
                order.append(name)
                fail(breaker, probe=True)

        await asyncio.gather(*(probe(name) for name in "abcde"))
        return order

    assert asyncio.run(scene()) == list("abcde")


def test_an_answer_just_as_the_turn_comes_leaves_no_probe_behind():
    async def scene():
        breaker = open_breaker()
        first = asyncio.create_task(breaker.acquire())
        second = asyncio.create_task(breaker.acquire())
        await first
        fail(breaker, probe=True)  # the turn goes to the second …
        breaker.record_success()  # … and an answer comes before it runs
        assert await asyncio.wait_for(second, 1) is False
        for _ in range(retry_policy.BREAKER_ROWS):
            fail(breaker)
        return await asyncio.wait_for(breaker.acquire(), 1)

    assert asyncio.run(scene()) is True


def test_a_server_that_hangs_is_given_up():
    async def scene():
        breaker = open_breaker(give_up_after=0.05)
        await asyncio.sleep(0.06)
        with pytest.raises(UnreachableError):
            fail(breaker, AskTimeoutError("no answer"), probe=True)

    asyncio.run(scene())


def test_many_rows_that_time_out_close_it():
    async def scene():
        breaker = CircuitBreaker()
        breaker.record_success()
        for _ in range(retry_policy.BREAKER_ROWS):
            fail(breaker, AskTimeoutError("no answer"))
        return breaker.is_open

    assert asyncio.run(scene())
