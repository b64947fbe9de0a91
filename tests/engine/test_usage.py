"""Every token that the server counts is on the row's bill and on the run's."""

from __future__ import annotations

from decimal import Decimal

import pytest

from dataflow.billing.price import FREE, NoPrice, Price, Rates
from dataflow.core.errors import AskTimeoutError, GarbledReplyError, RateLimitedError, RefusedError
from dataflow.core.request import Reply, Usage
from dataflow.engine.journal.journal import Journal
from dataflow.engine.runner import run
from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai
from dataflow.serving.fake import FakeServing
from tests.servers.hostile_server import HostileServer

PRICE = Price(Rates(Decimal(1), Decimal("0.5"), Decimal(2)), "given")
ANSWER = Reply("a cat", "stop", Usage(1000, 100, cached_tokens=400))
COST = Decimal("0.001")


def entries(dataset):
    journal = Journal(dataset.output.parent.joinpath("out.jsonl.dataflow", "journal.sqlite"))
    try:
        keys = [key for (key,) in journal._db.execute("SELECT key FROM results")]
        return [journal.find(key) for key in keys]
    finally:
        journal.close()


def test_a_row_that_needed_several_attempts_bears_all_of_them(dataset):
    script = [GarbledReplyError("cut").billed(Usage(1000, 50)), RateLimitedError("later"), ANSWER]
    summary = run(dataset.add(1).plan(FakeServing(script, max_workers=1), price=PRICE))
    (entry,) = entries(dataset)
    assert entry.usage == summary.usage == Usage(2000, 150, cached_tokens=400)
    assert entry.attempts == 3
    assert summary.cost == COST + Decimal("0.0011")
    assert entry.cost == float(summary.cost)
    assert summary.uncounted == 0


def test_a_row_that_failed_is_paid_for_too(dataset):
    refused = RefusedError("filtered").billed(Usage(1000, 0))
    summary = run(dataset.add(1).plan(FakeServing([refused]), price=PRICE))
    (entry,) = entries(dataset)
    assert entry.caption is None
    assert entry.usage == Usage(1000, 0)
    assert summary.cost == Decimal("0.001")


def test_an_answer_that_a_check_refuses_is_paid_for_too(dataset):
    blank = Reply(" ", "stop", Usage(1000, 1))
    summary = run(dataset.add(1).plan(FakeServing([blank]), price=PRICE))
    assert summary.failed == {"empty": 1}
    assert entries(dataset)[0].usage == summary.usage == Usage(1000, 1)


def test_a_row_asked_again_by_a_later_run_adds_to_its_bill(dataset):
    run(dataset.add(1).plan(FakeServing([RefusedError("x").billed(Usage(500, 0))]), price=PRICE))
    second = run(dataset.plan(FakeServing([ANSWER]), price=PRICE, retry_failed=True))
    (entry,) = entries(dataset)
    assert entry.usage == Usage(1500, 100, cached_tokens=400)
    assert second.usage == ANSWER.usage, "the summary is this run's"
    assert entry.attempts == 2


def test_what_nobody_counted_is_said(dataset):
    """A request that ran out of time may be paid for, and nobody knows how much."""
    summary = run(
        dataset.add(1).plan(
            FakeServing([AskTimeoutError("slow"), ANSWER], max_workers=1), price=PRICE
        )
    )
    assert summary.uncounted == 1
    assert summary.cost == COST


def test_without_a_price_there_is_no_cost(dataset):
    summary = run(dataset.add(1).plan(FakeServing([RateLimitedError("x"), ANSWER], max_workers=1)))
    (entry,) = entries(dataset)
    assert entry.cost is None
    assert summary.usage == ANSWER.usage


def test_a_local_engine_costs_nothing(dataset):
    summary = run(dataset.add(1).plan(FakeServing("a cat"), price=FREE))
    assert summary.cost == 0
    assert entries(dataset)[0].cost == 0.0


@pytest.mark.parametrize("stream", [False, True])
def test_the_servers_own_counts_come_through(dataset, stream):
    with HostileServer() as server:
        serving = APIVLMServing_openai(server.url, model_name="m", send_request_stream=stream)
        summary = run(dataset.add(5).plan(serving, price=PRICE))
    assert summary.usage == Usage(500, 45)
    assert summary.cost == 5 * PRICE.cost(Usage(100, 9))


def test_meta_tells_how_each_caption_came_about(dataset):
    script = [RateLimitedError("later"), ANSWER, RefusedError("no").billed(Usage(9, 0))]
    plan = dataset.add(2).plan(FakeServing(script, max_workers=1), price=PRICE, meta=True)
    run(plan)
    metas = {row["caption"]: row["caption_meta"] for row in dataset.rows()}
    good, bad = metas["a cat"], metas[None]
    assert good.pop("seconds") >= 0
    assert {good.pop("attempts"), bad["attempts"]} == {1, 2}
    assert good == {
        "status": "ok",
        "verdict": None,
        "asks": 1,
        "finish_reason": "stop",
        "model": None,
        "tokens": {
            "prompt": 1000,
            "completion": 100,
            "cached": 400,
            "picture": None,
            "reasoning": None,
        },
        "cost": 0.001,
    }
    assert (bad["status"], bad["tokens"]["prompt"]) == ("refused", 9)


def test_tokens_without_a_price_are_no_requests_without_tokens(dataset):
    reply = Reply("A cat.", usage=Usage(1000, 50))
    plan = dataset.add(1).plan(FakeServing([reply], max_workers=1), price=NoPrice("not listed"))
    summary = run(plan)
    assert (summary.unpriced, summary.uncounted) == (1, 0)
