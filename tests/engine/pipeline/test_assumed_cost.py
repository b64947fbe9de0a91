"""What the server reported and what a limit assumes are two sums, each told as what it is."""

from __future__ import annotations

from decimal import Decimal
from itertools import count

import pytest

from dataflow.billing.price import Price, Rates
from dataflow.core.errors import ConnectionLostError, LimitReachedError, RefusedError
from dataflow.core.request import Reply, Usage
from dataflow.display.summary import _cost
from dataflow.engine.flow import retry_policy
from dataflow.engine.plan import SpendLimit
from dataflow.engine.runner import run
from dataflow.serving.fake import FakeServing

PRICE = Price(Rates(Decimal(2), Decimal(2), Decimal(10)), "given")
REPORTED = Usage(300, 10)
EACH = PRICE.cost(REPORTED)
AMPLE = SpendLimit(cost=Decimal(100))


def telling_every(nth):
    """An engine that reports the tokens of each nth answer alone."""
    numbers = count(1)

    def answer(request, pictures):
        number = next(numbers)
        return Reply(f"answer {number}", "stop", Usage() if number % nth else REPORTED)

    return answer


class LimitedServing(FakeServing):
    """A scripted engine whose answers have 50 tokens at most."""

    def settings(self):
        return {"model": self.model, "sampling": {"max_tokens": 50}}


def plan_of(dataset, answer, limit=AMPLE):
    serving = LimitedServing(answer)
    return dataset.plan(serving, price=PRICE, spend_limit=limit, concurrency=1)


def test_answers_with_token_counts_are_in_the_cost_and_the_others_in_what_is_assumed(dataset):
    summary = run(plan_of(dataset.add(10), telling_every(2)))
    assert summary.captioned == 10
    assert (summary.uncounted, summary.assumed) == (5, 5)
    assert summary.cost == 5 * EACH
    assert summary.assumed_cost > 5 * EACH, "the most that they may have cost"


@pytest.mark.parametrize(
    ("answer", "assumed"),
    [
        (lambda request, pictures: Reply("a boat", "stop", REPORTED), 0),
        (lambda request, pictures: Reply("a boat", "stop", Usage()), 4),
        (lambda request, pictures: RefusedError("no").billed(REPORTED), 0),
    ],
    ids=["reported", "silent", "refused with its count"],
)
def test_nothing_is_assumed_where_the_server_reported(dataset, answer, assumed):
    plan = plan_of(dataset.add(4), answer)
    summary = run(plan)
    assert summary.assumed == assumed
    assert (summary.assumed_cost > 0) == bool(assumed)


def test_a_reply_that_was_lost_may_be_paid_for_and_is_assumed(dataset, monkeypatch):
    rule = retry_policy.Rule(3, 10, base=0.001, cap=0.002)
    monkeypatch.setattr(retry_policy, "RULES", dict.fromkeys(retry_policy.RULES, rule))
    numbers = count()

    def answer(request, pictures):
        if next(numbers) == 2:
            return ConnectionLostError("reset")
        return Reply("a boat", "stop", REPORTED)

    summary = run(plan_of(dataset.add(4), answer))
    assert (summary.captioned, summary.assumed) == (4, 1)
    assert summary.cost == 4 * EACH


def test_without_a_limit_nothing_is_assumed(dataset):
    summary = run(plan_of(dataset.add(4), telling_every(2), SpendLimit()))
    assert (summary.uncounted, summary.assumed, summary.assumed_cost) == (2, 0, 0)


def test_the_message_of_the_limit_tells_the_two_apart(dataset):
    most = SpendLimit(cost=Decimal("0.05"))
    with pytest.raises(LimitReachedError) as caught:
        run(plan_of(dataset.add(40), telling_every(2), most))
    assert "assumed, as the server reported no tokens for" in str(caught.value)


def test_the_summary_tells_the_two_apart_and_no_answer_is_free(dataset):
    _, told = _cost(run(plan_of(dataset.add(4), telling_every(2))), PRICE)
    assert "2 requests for which the server reported no tokens" in told
    assert "the limit assumed $" in told
    _, silent = _cost(run(plan_of(dataset.add(4), lambda *_: Reply("a boat", "stop"))), PRICE)
    assert silent.startswith("not known: the server reported no tokens")
