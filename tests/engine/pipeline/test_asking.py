"""Refusals, hung requests, long limits and broken engines, in whole runs over real pictures."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import Any

import pytest

from dataflow.checks.rules.empty import empty
from dataflow.core.errors import (
    AccountPolicyError,
    BadRequestError,
    FaultAlarmError,
    OutOfMoneyError,
    OverloadedError,
    QuotaError,
    RateLimitedError,
    ReplyReuseError,
    StopRunError,
    TooLongError,
    UnknownModelError,
    UnreachableError,
    WrongKeyError,
)
from dataflow.core.protocols.check import Verdict
from dataflow.core.request import Reply
from dataflow.engine.flow import hedging
from dataflow.engine.pipeline import health
from dataflow.engine.quality.reject_policy import rejects_named
from dataflow.engine.runner import run
from dataflow.serving.fake import FakeServing


def number_of(pictures) -> int:
    """Which picture it is, in a dataset of fewer than 200."""
    return pictures[0].width - 32


def refusal(kind=BadRequestError, status=400, **more) -> Any:
    return kind(f"HTTP {status}: argument 'foo' is not supported", status=status, **more)


# --- whose fault a refusal is --------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 3, 40])
@pytest.mark.parametrize("status", [400, 422, 426])
def test_a_refusal_of_all_first_rows_stops_the_run_and_the_same_command_asks_them(
    dataset, count, status
):
    serving = FakeServing(lambda r, p: refusal(status=status), max_workers=4)
    with pytest.raises(StopRunError, match="argument 'foo'"):
        run(dataset.add(count).plan(serving))
    assert serving.asked <= 8 + 4
    mended = FakeServing("fine")
    assert run(dataset.plan(mended)).captioned == count
    assert mended.asked == count


def test_where_some_are_answered_refused_rows_fail_alone_and_are_asked_by_the_same_command(dataset):
    is_mended = False

    def answer(request, pictures):
        return refusal() if number_of(pictures) % 3 == 0 and not is_mended else "fine"

    summary = run(dataset.add(30).plan(FakeServing(answer)))
    assert (summary.captioned, summary.failed) == (20, {"bad_request": 10})
    [failure] = summary.failures
    assert (failure.kind, failure.count, failure.share) == ("bad_request", 10, 10)
    assert "argument 'foo'" in failure.message
    assert "same command" in failure.cure
    is_mended = True
    again = FakeServing(answer)
    assert run(dataset.plan(again)).captioned == 30
    assert again.asked == 10


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (StopRunError, 302),
        (StopRunError, 307),
        (WrongKeyError, 401),
        (OutOfMoneyError, 402),
        (WrongKeyError, 403),
        (UnknownModelError, 404),
    ],
)
@pytest.mark.parametrize("workers", [1, 8])
def test_one_stray_refusal_is_asked_again(dataset, kind, status, workers):
    strays = iter([refusal(kind, status)])

    def answer(request, pictures):
        return next(strays, "fine") if number_of(pictures) == 20 else "fine"

    assert run(dataset.add(40).plan(FakeServing(answer, max_workers=workers))).captioned == 40


@pytest.mark.parametrize("workers", [1, 16])
def test_neighbours_that_a_firewall_dislikes_fail_and_the_run_gets_past_them(dataset, workers):
    def answer(request, pictures):
        is_odd = 20 <= number_of(pictures) < 32
        return refusal(AccountPolicyError, 403, is_vague=True) if is_odd else "fine"

    dataset.add(60)
    for _ in range(2):
        summary = run(dataset.plan(FakeServing(answer, max_workers=workers)))
        assert (summary.captioned, summary.failed) == (48, {"account_policy": 12})
        dataset.output.unlink()


@pytest.mark.parametrize("kind", [WrongKeyError, OutOfMoneyError, UnknownModelError])
def test_a_refusal_that_comes_for_good_stops_the_run_within_what_is_in_flight(dataset, kind):
    asked = 0

    def answer(request, pictures):
        nonlocal asked
        asked += 1
        return refusal(kind, 403) if asked > 20 else "fine"

    serving = FakeServing(answer, max_workers=8, delay=0.01)
    with pytest.raises(kind):
        run(dataset.add(150).plan(serving))
    assert serving.asked <= 20 + 2 * 8 + 1


def test_the_same_500_for_every_row_and_never_an_answer_stops_the_run(dataset, monkeypatch):
    monkeypatch.setattr(health, "PERMANENT_SECONDS", 0.3)
    blind = OverloadedError("HTTP 500: this model has no vision tower", status=500)
    with pytest.raises(StopRunError, match="no vision tower"):
        run(dataset.add(30).plan(FakeServing(lambda r, p: blind, max_workers=4)))


def test_pictures_that_are_too_large_for_the_server_stop_the_run_with_the_cure(dataset):
    large = TooLongError("HTTP 413: Request Entity Too Large", status=413)
    with pytest.raises(StopRunError, match="--max-side makes the pictures smaller"):
        run(dataset.add(30).plan(FakeServing(lambda r, p: large)))


# --- limits that lift in hours -------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("hours", [1, 8, 24])
def test_a_quota_that_lifts_in_hours_stops_the_run_with_the_time_to_go_on(
    dataset, workers, hours, monkeypatch
):
    monkeypatch.setattr(health, "CONFIRM_SECONDS", 0.05)
    used_up = RateLimitedError("HTTP 429: requests per day", retry_after=hours * 3600, status=429)
    asked = 0

    def answer(request, pictures):
        nonlocal asked
        asked += 1
        return used_up if asked > 20 else "fine"

    serving = FakeServing(answer, max_workers=workers)
    with pytest.raises(QuotaError, match=f"in {hours} h") as caught:
        run(dataset.add(60).plan(serving))
    assert "requests per day" in str(caught.value)
    assert "--give-up-after" in str(caught.value)
    assert serving.asked <= 20 + max(2, workers)


@pytest.mark.parametrize("rows", [3, 60])
@pytest.mark.parametrize("workers", [1, 4])
def test_an_outage_that_the_server_says_lasts_for_hours_stops_the_run_with_its_end(
    dataset, workers, rows, monkeypatch
):
    monkeypatch.setattr(health, "CONFIRM_SECONDS", 0.05)
    down = OverloadedError("HTTP 503: maintenance", retry_after=8 * 3600, status=503)
    serving = FakeServing(lambda r, p: down, max_workers=workers)
    with pytest.raises(UnreachableError, match=r"until .* \(in 8 h .* maintenance") as caught:
        run(dataset.add(rows).plan(serving))
    assert "--give-up-after" in str(caught.value)
    assert serving.asked <= 2 * workers
    again = FakeServing("fine")
    assert run(dataset.plan(again)).captioned == rows


@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("quota", ["day", "week", "month"])
def test_a_quota_that_names_no_time_stops_the_run_after_few_requests(
    dataset, workers, quota, monkeypatch
):
    monkeypatch.setattr(health, "CONFIRM_SECONDS", 0.01)
    used_up = RateLimitedError("HTTP 429: used up", quota=quota, status=429)
    asked = 0

    def answer(request, pictures):
        nonlocal asked
        asked += 1
        return used_up if asked > 20 else "fine"

    serving = FakeServing(answer, max_workers=workers)
    with pytest.raises(QuotaError, match=f"limit for the {quota} is used up"):
        run(dataset.add(60).plan(serving))
    assert serving.asked <= 20 + workers + 2


@pytest.mark.usefixtures("short_waits")
def test_a_limit_that_lets_nothing_through_stops_the_run_after_what_it_waits(dataset, monkeypatch):
    monkeypatch.setattr(health, "LONG_WAIT", 0.1)
    asked = 0

    def answer(request, pictures):
        nonlocal asked
        asked += 1
        return RateLimitedError("HTTP 429: slow down", status=429) if asked > 10 else "fine"

    plan = replace(dataset.add(40).plan(FakeServing(answer)), give_up_after=0.5)
    with pytest.raises(QuotaError, match=r"let nothing through for .* slow down"):
        run(plan)
    again = FakeServing("fine")
    assert run(dataset.plan(again)).captioned == 40
    assert again.asked == 30


def test_a_limit_of_a_minute_whose_words_name_a_day_ends_before_it_is_believed(
    dataset, monkeypatch
):
    monkeypatch.setattr(health, "CONFIRM_SECONDS", 0.02)
    misleading = [RateLimitedError("HTTP 429: 200 per day", quota="day", status=429)] * 2
    refusals = iter(misleading)
    serving = FakeServing(lambda r, p: next(refusals, "fine"), max_workers=1)
    assert run(dataset.add(20).plan(serving)).captioned == 20


def test_a_limit_that_lifts_within_what_the_run_waits_is_waited_for_without_a_request(
    dataset, monkeypatch
):
    monkeypatch.setattr(health, "LONG_WAIT", 0.1)
    first, asked = 0.0, 0

    def answer(request, pictures):
        nonlocal first, asked
        asked += 1
        first = first or (time.monotonic() if asked > 10 else 0.0)
        if first and time.monotonic() - first < 1.0:
            return RateLimitedError("HTTP 429", retry_after=1.0, status=429)
        return "fine"

    serving = FakeServing(answer, max_workers=4)
    assert run(dataset.add(40).plan(serving)).captioned == 40
    assert serving.asked <= 40 + 6


# --- hung requests -------------------------------------------------------------------------------


@pytest.fixture
def quick_hedging(monkeypatch):
    monkeypatch.setattr(hedging.HedgePolicy.__init__, "__defaults__", (0.6,))


@pytest.mark.usefixtures("quick_hedging")
def test_requests_that_hang_are_asked_once_more_and_hold_up_nothing(dataset, width_of):
    hung: set[int] = set()

    def delay(request, pictures):
        number = number_of(pictures)
        if number % 10 == 0 and number not in hung:
            hung.add(number)
            return 600.0
        return 0.01

    serving = FakeServing(width_of, delay=delay, max_workers=8)
    plan = dataset.add(100).plan(serving)
    started = time.monotonic()
    assert run(plan).captioned == 100
    assert time.monotonic() - started < 20
    assert serving.asked == 110
    assert plan.progress.hedged == 10
    assert dataset.captions() == [f"width {32 + n}" for n in range(100)]


@pytest.mark.usefixtures("quick_hedging")
def test_rows_that_hang_whenever_they_are_asked_fail_and_are_asked_by_the_same_command(
    dataset, width_of
):
    serving = FakeServing(
        width_of, delay=lambda r, p: 600.0 if number_of(p) in (3, 50) else 0.01, max_workers=8
    )
    started = time.monotonic()
    summary = run(dataset.add(60).plan(serving))
    assert time.monotonic() - started < 20
    assert (summary.captioned, summary.failed) == (58, {"timeout": 2})
    assert serving.asked == 62
    again = FakeServing(width_of)
    assert run(dataset.plan(again)).captioned == 60
    assert again.asked == 2


# --- broken engines ------------------------------------------------------------------------------


def test_a_gateways_cache_stops_the_run_before_the_output_fills(dataset):
    text = "A red boat lies in the harbour, and its name is on the bow."
    identity = "chatcmpl-9b1c2d3e4f5a6b7c8d9e0f1a2b3c4d5e"
    cached = Reply(text, finish_reason="stop", id=identity)
    serving = FakeServing(lambda r, p: cached, max_workers=2)
    with pytest.raises(ReplyReuseError, match="cache"):
        run(dataset.add(30).plan(serving))
    assert serving.asked <= 4
    well = FakeServing("fine")
    assert run(dataset.plan(well)).captioned == 30
    assert well.asked == 30, "the cached answers are not kept"


@pytest.mark.parametrize("on_reject", ["flag", "fail", "reask"])
def test_an_engine_that_turns_broken_stops_the_run_and_its_rows_are_asked_again(dataset, on_reject):
    def answer(request, pictures):
        return "" if number_of(pictures) >= 40 and is_broken else f"Picture {number_of(pictures)}."

    is_broken = True
    policy = rejects_named(on_reject, mark=1)
    serving = FakeServing(answer, max_workers=4)
    with pytest.raises(FaultAlarmError, match="engine is broken"):
        run(replace(dataset.add(150).plan(serving), reject_policy=policy))
    assert serving.asked <= 40 + 32 + 4 + 4
    is_broken = False
    again = FakeServing(answer, max_workers=4)
    assert run(replace(dataset.plan(again), reject_policy=policy)).captioned == 150


def test_with_the_alarm_off_every_row_is_asked(dataset):
    plan = dataset.add(60).plan(FakeServing(""), fault_alarm=None)
    assert run(plan).failed == {"empty": 60}


# --- checks that users write ---------------------------------------------------------------------


def broken_check(text, context):
    raise ValueError("no such model")


def test_a_check_that_breaks_down_from_the_start_stops_the_run_and_costs_nothing_twice(dataset):
    serving = FakeServing("fine", max_workers=1)
    with pytest.raises(FaultAlarmError, match="no such model"):
        run(replace(dataset.add(60).plan(serving), checks=[broken_check]))
    assert serving.asked <= 5
    again = FakeServing("fine", max_workers=1)
    assert run(replace(dataset.plan(again), checks=[empty])).captioned == 60
    assert serving.asked + again.asked == 60


def test_a_slow_check_holds_up_no_request(dataset):
    def slow(text, context):
        time.sleep(0.02)

    serving = FakeServing("fine", delay=0.01, max_workers=16)
    longest = 0.0

    def delay(request, pictures):
        nonlocal longest, last
        longest, last = max(longest, time.monotonic() - last), time.monotonic()
        return 0.005

    last = time.monotonic() + 60
    serving = FakeServing("fine", delay=delay, max_workers=16)
    assert run(replace(dataset.add(50).plan(serving), checks=[slow])).captioned == 50
    assert longest < 0.5


async def odd_ones(text, context):
    """A check that is a coroutine function."""
    return Verdict("odd", "it is odd") if text.endswith(("1.", "3.", "5.", "7.", "9.")) else None


def test_a_check_that_is_a_coroutine_function_is_awaited(dataset):
    serving = FakeServing(lambda r, p: f"Picture {number_of(p)}.")
    assert run(replace(dataset.add(20).plan(serving), checks=[odd_ones])).failed == {"odd": 10}


def test_where_a_plan_says_so_fewer_rows_fail_one_by_one(dataset):
    plan = dataset.add(3).plan(FakeServing(lambda r, p: refusal()), stops_where_all_fail=False)
    assert run(plan).failed == {"bad_request": 3}
    mended = FakeServing("fine")
    assert run(dataset.plan(mended)).captioned == 3


class OwnExit(BaseException):
    """An exception of somebody's that is no `Exception`."""


ODD = [ValueError, StopIteration, GeneratorExit, asyncio.CancelledError, OwnExit]


@pytest.mark.timeout(30)
@pytest.mark.parametrize("kind", ODD)
def test_whatever_an_engine_raises_ends_the_run_and_keeps_what_was_answered(dataset, kind):
    serving = FakeServing(["A cat."] * 5 + [kind("odd")] * 20, max_workers=1)
    with pytest.raises(Exception, match=kind.__name__ if kind is not ValueError else "odd"):
        run(dataset.add(20).plan(serving))
    assert serving.asked == 6
    again = FakeServing("A dog.")
    assert run(dataset.plan(again)).captioned == 20
    assert again.asked == 15


@pytest.mark.timeout(30)
@pytest.mark.parametrize("kind", ODD)
def test_whatever_a_check_raises_stops_the_run_within_the_first_rows(dataset, kind):
    def check(text, context):
        raise kind("odd")

    serving = FakeServing("A cat.", max_workers=1)
    with pytest.raises(FaultAlarmError, match=f"the check check broke down: {kind.__name__}"):
        run(dataset.add(40).plan(serving, checks=[check]))
    assert serving.asked <= 4


@pytest.mark.parametrize("where", ["engine", "check"])
def test_an_interrupt_out_of_other_peoples_code_is_ctrl_c(dataset, where):
    def interrupt(*_):
        raise KeyboardInterrupt

    serving = FakeServing("A cat." if where == "check" else [KeyboardInterrupt()] * 9)
    checks = [interrupt] if where == "check" else []
    with pytest.raises(KeyboardInterrupt, match="answered and kept"):
        run(dataset.add(9).plan(serving, checks=checks))
    assert run(dataset.plan(FakeServing("A dog."))).captioned == 9
