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


def fail(gate: CircuitBreaker, error=DOWN, *, probe=False) -> bool:
    """Another row's request fails."""
    return gate.failed(error, row=next(_rows).to_bytes(8, "big"), probe=probe)


@pytest.fixture(autouse=True)
def _fast(monkeypatch):
    monkeypatch.setattr(retry_policy, "PROBE_WAITS", (0.02,))


def closed_gate(**more) -> CircuitBreaker:
    gate = CircuitBreaker(**more)
    gate.answered()
    for _ in range(retry_policy.BREAKER_ROWS):
        fail(gate)
    return gate


def test_a_few_failures_leave_it_open_and_count_for_their_rows():
    async def scene():
        gate = CircuitBreaker()
        gate.answered()
        counted = [fail(gate) for _ in range(retry_policy.BREAKER_ROWS - 1)]
        return counted, gate.is_closed

    assert asyncio.run(scene()) == ([True] * (retry_policy.BREAKER_ROWS - 1), False)


def test_many_in_a_row_close_it_and_cost_no_attempt_from_then_on():
    async def scene():
        gate = closed_gate()
        return gate.is_closed, gate.closed_because, fail(gate)

    assert asyncio.run(scene()) == (True, "refused", False)


def test_one_row_that_fails_for_ever_closes_nothing():
    async def scene():
        gate = CircuitBreaker()
        gate.answered()
        counted = [gate.failed(DOWN, row=b"bad") for _ in range(3 * retry_policy.BREAKER_ROWS)]
        return all(counted), gate.is_closed

    assert asyncio.run(scene()) == (True, False)


def test_while_closed_one_request_at_a_time_probes():
    async def scene():
        gate, passed = closed_gate(), []

        async def request(name):
            await gate.enter()
            passed.append(name)

        tasks = [asyncio.create_task(request(n)) for n in range(5)]
        await asyncio.sleep(0.1)
        probing = list(passed)
        gate.answered()
        await asyncio.gather(*tasks)
        return len(probing), len(passed), gate.is_closed

    assert asyncio.run(scene()) == (1, 5, False)


def test_a_probe_that_times_out_lets_the_next_one_out():
    async def scene():
        gate = closed_gate()
        assert await gate.enter()
        fail(gate, AskTimeoutError("slow"), probe=True)
        await asyncio.wait_for(gate.enter(), 1)

    asyncio.run(scene())


def test_an_answer_of_any_kind_opens_it():
    async def scene():
        gate = closed_gate()
        fail(gate, RateLimitedError("slow down"))
        return gate.is_closed

    assert asyncio.run(scene()) is False


def test_a_server_down_too_long_ends_the_run():
    async def scene():
        gate = closed_gate(give_up_after=0.05)
        await asyncio.sleep(0.06)
        with pytest.raises(UnreachableError, match="refused"):
            fail(gate)

    asyncio.run(scene())


def test_a_server_never_reached_is_given_up_sooner(monkeypatch):
    monkeypatch.setattr(retry_policy, "FIRST_CONTACT_SECONDS", 0.05)

    async def scene():
        gate = CircuitBreaker(give_up_after=600)
        fail(gate)
        await asyncio.sleep(0.06)
        with pytest.raises(UnreachableError):
            fail(gate)

    asyncio.run(scene())


def test_a_server_that_says_it_is_busy_is_there_and_is_not_given_up_at_first_contact(monkeypatch):
    monkeypatch.setattr(retry_policy, "FIRST_CONTACT_SECONDS", 0.0)

    async def scene():
        gate = CircuitBreaker(give_up_after=600)
        for _ in range(retry_policy.BREAKER_ROWS + 3):
            fail(gate, OverloadedError("loading"))
        return gate.is_closed

    assert asyncio.run(scene()) is True


def test_late_failures_of_requests_sent_before_it_closed_let_no_second_probe_out(monkeypatch):
    monkeypatch.setattr(retry_policy, "PROBE_WAITS", (0.02, 60.0))

    async def scene():
        gate = closed_gate()
        probe = await gate.enter()
        for _ in range(50):
            fail(gate)
        second = asyncio.create_task(gate.enter())
        await asyncio.sleep(0.1)
        waits = not second.done()
        gate.answered()
        return probe, waits, await asyncio.wait_for(second, 1)

    assert asyncio.run(scene()) == (True, True, False)


def test_late_failures_do_not_put_off_the_next_probe(monkeypatch):
    monkeypatch.setattr(retry_policy, "PROBE_WAITS", (0.02, 60.0))

    async def scene():
        gate = closed_gate()
        for _ in range(50):
            fail(gate)
        return await asyncio.wait_for(gate.enter(), 2)

    assert asyncio.run(scene()) is True


def test_the_last_probe_comes_no_later_than_the_end_of_patience(monkeypatch):
    monkeypatch.setattr(retry_policy, "PROBE_WAITS", (60.0,))

    async def scene():
        gate = closed_gate(give_up_after=0.05)
        probe = await asyncio.wait_for(gate.enter(), 2)
        await asyncio.sleep(0.01)
        with pytest.raises(UnreachableError):
            fail(gate, probe=probe)

    asyncio.run(scene())


def test_its_clock_stands_still_while_it_is_closed():
    async def scene():
        gate = closed_gate()
        at = gate.clock()
        await asyncio.sleep(0.05)
        stood = gate.clock() - at
        gate.answered()
        await asyncio.sleep(0.05)
        return stood, gate.clock() - at

    stood, ran = asyncio.run(scene())
    assert stood == 0
    assert 0.03 < ran < 5


def test_who_waits_longest_is_the_next_probe():
    async def scene():
        gate, order = closed_gate(), []

        async def probe(name):
            if await gate.enter():
                order.append(name)
                fail(gate, probe=True)

        await asyncio.gather(*(probe(name) for name in "abcde"))
        return order

    assert asyncio.run(scene()) == list("abcde")


def test_an_answer_just_as_the_turn_comes_leaves_no_probe_behind():
    async def scene():
        gate = closed_gate()
        first = asyncio.create_task(gate.enter())
        second = asyncio.create_task(gate.enter())
        await first
        fail(gate, probe=True)  # the turn goes to the second …
        gate.answered()  # … and an answer comes before it runs
        assert await asyncio.wait_for(second, 1) is False
        for _ in range(retry_policy.BREAKER_ROWS):
            fail(gate)
        return await asyncio.wait_for(gate.enter(), 1)

    assert asyncio.run(scene()) is True


def test_a_server_that_hangs_is_given_up():
    async def scene():
        gate = closed_gate(give_up_after=0.05)
        await asyncio.sleep(0.06)
        with pytest.raises(UnreachableError):
            fail(gate, AskTimeoutError("no answer"), probe=True)

    asyncio.run(scene())


def test_many_rows_that_time_out_close_it():
    async def scene():
        gate = CircuitBreaker()
        gate.answered()
        for _ in range(retry_policy.BREAKER_ROWS):
            fail(gate, AskTimeoutError("no answer"))
        return gate.is_closed

    assert asyncio.run(scene())
