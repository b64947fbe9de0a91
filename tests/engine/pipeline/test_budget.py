"""The ceiling holds by the server's own bill, and the run comes close to it."""

from __future__ import annotations

import random
from decimal import Decimal

import pytest
from PIL import Image

from dataflow.billing.price import Price, Rates
from dataflow.core.errors import LimitReachedError, UsageError
from dataflow.core.request import Reply, Usage
from dataflow.engine.plan import SpendLimit
from dataflow.engine.runner import run
from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai
from dataflow.serving.fake import FakeServing
from tests.faults.scene import Scene
from tests.servers.hostile_server import HostileServer
from tests.tariff import Tariff, patches, tiles

PRICE = Price(Rates(Decimal("2.5"), Decimal("2.5"), Decimal(10)), "given")
LONGEST = 60


def many_shapes(dataset, count, seed=7):
    """Pictures from a stamp to a poster."""
    rng = random.Random(seed)
    dataset.add(count)
    for name in dataset.names:
        size = rng.choice([(40, 30), (512, 512), (513, 200), (1024, 768), (300, 1024), (900, 900)])
        colour = (rng.randrange(256), rng.randrange(256), rng.randrange(256))
        Image.new("RGB", size, colour).save(dataset.folder / name)
    return dataset


def serving(server, workers=32, **more):
    given = {"max_tokens": LONGEST, "max_workers": workers, "timeout": 5, **more}
    return APIVLMServing_openai(server.url, model_name="some-vlm", **given)


def spend(dataset, server, ceiling, workers=32):
    plan = dataset.plan(
        serving(server, workers), concurrency=workers, price=PRICE, spend_limit=ceiling
    )
    with pytest.raises(LimitReachedError) as caught:
        run(plan)
    return plan, str(caught.value)


@pytest.mark.parametrize("rule", [tiles, patches])
def test_no_cent_above_the_limit_and_at_most_one_set_in_flight_below(dataset, rule):
    many_shapes(dataset, 300)
    for seed, dollars in enumerate(("0.05", "0.11", "0.2")):
        with HostileServer(delay=0.002, tariff=Tariff(rule, seed=seed)) as server:
            spend(dataset, server, SpendLimit(cost=Decimal(dollars)))
        bill = server.tariff
        assert Decimal(dollars) - 32 * bill.dearest[1] < bill.cost <= Decimal(dollars)
        dataset.output.parent.joinpath("out.jsonl.dataflow", "journal.sqlite").unlink()


def test_the_same_holds_for_tokens(dataset):
    many_shapes(dataset, 200)
    with HostileServer(tariff=Tariff(tiles)) as server:
        spend(dataset, server, SpendLimit(tokens=60_000))
    assert 60_000 - 32 * server.tariff.dearest[0] < server.tariff.tokens <= 60_000


def test_attempts_that_fail_and_may_be_paid_for_count(dataset):
    """A server may charge for an answer that never came."""
    rates = {"cut_body": 0.2, "reset_after_headers": 0.1, "null_content": 0.1, "503": 0.1}
    many_shapes(dataset, 200)
    with HostileServer(rates=rates, tariff=Tariff(tiles)) as server:
        spend(dataset, server, SpendLimit(cost=Decimal("0.3")))
    assert server.tariff.cost <= Decimal("0.3")
    assert server.faults["cut_body"]


def test_a_server_that_tells_no_tokens_is_taken_to_charge_the_most(dataset):
    many_shapes(dataset, 60)
    with HostileServer(tariff=Tariff(tiles, is_silent=True)) as server:
        spend(dataset, server, SpendLimit(cost=Decimal("0.2")))
    assert 0 < server.tariff.cost <= Decimal("0.2")


def test_what_was_answered_is_kept_and_the_next_run_goes_on(dataset):
    many_shapes(dataset, 60)
    with HostileServer(tariff=Tariff(tiles)) as server:
        plan, message = spend(dataset, server, SpendLimit(cost=Decimal("0.08")))
        done = plan.progress.captioned
        assert 0 < done < 60
        assert f"the other {60 - done} captions take about $" in message
        assert sum(text is not None for text in dataset.captions()) == done
        run(dataset.plan(serving(server), price=PRICE, spend_limit=SpendLimit(cost=Decimal(10))))
    assert server.asked == 60
    assert None not in dataset.captions()


def test_a_limit_below_one_request_spends_nothing_and_says_so(dataset):
    dataset.add(3)
    with HostileServer(tariff=Tariff(tiles)) as server:
        _, message = spend(dataset, server, SpendLimit(cost=Decimal("0.0001")))
    assert server.asked == 0
    assert "a higher limit is needed" in message


def test_a_limit_that_is_not_reached_changes_nothing(dataset, width_of):
    summary = run(
        dataset.add(20).plan(
            FakeServing(lambda r, p: Reply("a", "stop", Usage(300, 10))),
            price=PRICE,
            spend_limit=SpendLimit(),
        )
    )
    assert summary.captioned == 20
    assert summary.cost == 20 * PRICE.cost(Usage(300, 10))


def test_a_ceiling_that_cannot_be_kept_is_refused_before_anything_is_spent(dataset):
    dataset.add(2)
    with HostileServer() as server:
        unpriced = dataset.plan(serving(server), spend_limit=SpendLimit(cost=Decimal(1)))
        with pytest.raises(UsageError, match="needs a price"):
            run(unpriced)
        odd = dataset.plan(
            serving(server), price=PRICE, spend_limit=SpendLimit(cost=Decimal("nan"))
        )
        with pytest.raises(UsageError, match="a number"):
            run(odd)
        endless = dataset.plan(
            serving(server, max_tokens=None), spend_limit=SpendLimit(tokens=1000)
        )
        with pytest.raises(UsageError, match="--max-tokens"):
            run(endless)
    assert server.asked == 0


def test_a_server_that_passes_the_answers_limit_is_not_trusted_to_keep_it(dataset):
    """Its answers are reserved for at twice the longest that it gave."""
    longest = 10 * LONGEST

    class Chatty(Tariff):
        def charge(self, exchange):
            exchange.body["max_tokens"] = longest
            return super().charge(exchange)

    many_shapes(dataset, 200)
    with HostileServer(tariff=Chatty(tiles)) as server:
        spend(dataset, server, SpendLimit(cost=Decimal("0.5")))
    assert server.tariff.cost <= Decimal("0.5")


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_ten_random_limits_on_3000_rows_with_64_in_flight(tmp_path):
    """The sum charged is never above the limit, and within one set in flight of it."""
    rng = random.Random(64)
    scene = Scene(tmp_path, rows=3000, pictures=150)
    for number in range(150):
        picture = Image.new("RGB", (rng.randint(40, 1024), rng.randint(40, 1024)), (number, 9, 9))
        picture.save(tmp_path / f"{number}.jpg")
    for seed in range(10):
        rule = rng.choice([tiles, patches])
        limit = Decimal(rng.randint(3, 250)) / 100  # US dollars; all rows cost some 3.60
        with HostileServer(delay=0.01, tariff=Tariff(rule, seed=seed)) as server:
            plan = scene.plan(
                serving(server, 64), concurrency=64, price=PRICE, spend_limit=SpendLimit(cost=limit)
            )
            with pytest.raises(LimitReachedError):
                run(plan)
        bill = server.tariff
        assert plan.progress.cost == bill.cost
        assert limit - 64 * bill.dearest[1] < bill.cost <= limit
        print(
            f"{rule.__name__}: limit ${limit}, charged ${bill.cost:.4f}, "
            f"${limit - bill.cost:.4f} left; {bill.requests} requests, the dearest of them "
            f"${bill.dearest[1]:.5f}"
        )
        scene.beside(".dataflow/journal.sqlite").unlink()
