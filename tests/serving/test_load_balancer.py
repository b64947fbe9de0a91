"""Several endpoints as one: the fast ones take more, a bad one rests."""

from __future__ import annotations

import asyncio

import pytest

from dataflow.core.errors import (
    BadRequestError,
    ConnectionLostError,
    GarbledReplyError,
    OutOfMoneyError,
    RateLimitedError,
    RowError,
    TryAgainError,
    UnknownModelError,
    UnreachableError,
    UsageError,
    WrongKeyError,
)
from dataflow.serving import load_balancer
from dataflow.serving.balancing import client as client_module
from dataflow.serving.balancing import endpoint
from dataflow.serving.fake import FakeServing
from dataflow.serving.load_balancer import LoadBalancedServing


def ask(serving, question, times, *, at_once=8):
    """The texts of so many answers, and how many attempts failed."""

    async def run():
        texts, failures, gate = [], 0, asyncio.Semaphore(at_once)
        async with serving.connect() as client:

            async def one():
                nonlocal failures
                async with gate:
                    try:
                        texts.append((await client.send(*question)).text)
                    except TryAgainError:
                        failures += 1

            await asyncio.gather(*(one() for _ in range(times)))
        return texts, failures

    return asyncio.run(run())


def test_a_slow_endpoint_gets_less(question):
    fast, slow = FakeServing("fast", delay=0.005), FakeServing("slow", delay=0.05)
    texts, _ = ask(LoadBalancedServing([fast, slow]), question(1), 200)
    assert len(texts) == 200
    assert 1 <= texts.count("slow") <= 60


def test_equal_endpoints_get_equal_shares(question):
    servings = [FakeServing(name, delay=0.01) for name in "ab"]
    texts, _ = ask(LoadBalancedServing(servings), question(1), 200)
    assert 60 <= texts.count("a") <= 140


def test_a_dead_endpoint_rests_and_is_tried_again(question, monkeypatch):
    monkeypatch.setattr(endpoint, "RESTS", (0.1,))
    dead = [True]

    def answer(request, pictures):
        return ConnectionLostError("gone") if dead[0] else "back"

    serving = LoadBalancedServing([FakeServing(answer), FakeServing("up", delay=0.005)])
    texts, failures = ask(serving, question(1), 300)
    assert failures <= 8 + 10
    assert texts.count("up") == 300 - failures
    dead[0] = False
    texts, failures = ask(serving, question(1), 300)
    assert failures == 0
    assert "back" in texts


def test_while_it_rests_nothing_is_sent_to_it(question):
    bad = FakeServing(lambda r, p: ConnectionLostError("gone"))
    texts, failures = ask(
        LoadBalancedServing([bad, FakeServing("up", delay=0.001)]), question(1), 300
    )
    assert bad.asked <= 8 + endpoint.FAILURES
    assert (len(texts), failures) == (300, 0)


def test_when_all_rest_the_first_that_comes_back_is_asked(question, monkeypatch):
    monkeypatch.setattr(endpoint, "RESTS", (0.01,))
    bad = [FakeServing(lambda r, p: ConnectionLostError("gone")) for _ in range(2)]
    _, failures = ask(LoadBalancedServing(bad), question(1), 20, at_once=1)
    assert failures == 20


def test_what_a_person_must_mend_is_raised(question):
    serving = LoadBalancedServing([FakeServing([WrongKeyError("no")])])
    with pytest.raises(WrongKeyError):
        ask(serving, question(1), 1)


def test_endpoints_must_be_of_one_model():
    with pytest.raises(UsageError, match="differ"):
        LoadBalancedServing([FakeServing(model="a"), FakeServing(model="b")])
    with pytest.raises(UsageError, match="no endpoint"):
        LoadBalancedServing([])


def test_no_endpoint_gets_more_than_its_places(question):
    small, large = FakeServing("s", delay=0.01, max_workers=2), FakeServing("l", delay=0.01)
    ask(LoadBalancedServing([small, large]), question(1), 100, at_once=12)
    assert small.most_in_flight <= 2


def test_the_rate_limit_of_one_endpoint_slows_only_that_one(question):
    """The one that turns everything down is asked ever less; the other gets the rest at once."""
    limited = FakeServing(lambda r, p: RateLimitedError("slow down"))
    texts, failures = ask(
        LoadBalancedServing([limited, FakeServing("up", delay=0.002)]), question(1), 900
    )
    assert texts == ["up"] * (900 - failures)
    assert failures <= 40


def test_at_the_start_no_endpoint_is_flooded(question):
    servings = [FakeServing(name, delay=0.05) for name in "abcd"]
    ask(LoadBalancedServing(servings), question(1), 8)
    assert [serving.asked for serving in servings] == [2, 2, 2, 2]


@pytest.mark.parametrize("error", [BadRequestError("too large here"), GarbledReplyError("a page")])
def test_an_endpoint_that_turns_everything_down_gets_few_rows_and_fails_none(question, error):
    bad = FakeServing(lambda r, p: error)
    serving = LoadBalancedServing([FakeServing("up", delay=0.005), bad])
    texts, failures = ask(serving, question(1), 300)
    assert len(texts) == 300 - failures
    assert failures <= (0 if isinstance(error, RowError) else 10)
    assert bad.asked <= 40


def test_a_row_that_all_endpoints_turn_down_fails(question):
    servings = [FakeServing([BadRequestError(name)]) for name in "ab"]
    with pytest.raises(BadRequestError):
        ask(LoadBalancedServing(servings), question(1), 1)
    assert [serving.asked for serving in servings] == [1, 1]


def test_an_error_for_a_person_names_the_endpoint(question):
    bad = FakeServing([WrongKeyError("no")], model="m")
    bad.api_urls = ("http://second/v1",)
    with pytest.raises(WrongKeyError, match="http://second/v1: no"):
        ask(LoadBalancedServing([bad]), question(1), 1)


def ends_after(count, error):
    """An endpoint that answers so often, and then refuses with `error` for good."""
    served = []

    def answer(request, pictures):
        served.append(1)
        return "first" if len(served) <= count else error

    return FakeServing(answer, delay=0.002)


@pytest.mark.parametrize(
    "error",
    [
        WrongKeyError("HTTP 401: revoked"),
        OutOfMoneyError("HTTP 429: quota used up"),
        UnknownModelError("HTTP 404: unloaded"),
        WrongKeyError("HTTP 401: no reason given", is_vague=True),
    ],
)
def test_an_endpoint_that_ends_is_left_out_by_name_and_the_others_finish(question, error, caplog):
    ending = ends_after(5, error)
    ending.api_urls = ("http://second/v1",)
    serving = LoadBalancedServing([FakeServing("up", delay=0.002), ending])
    texts, failures = ask(serving, question(1), 200)
    assert (len(texts), failures) == (200, 0)
    assert ending.asked <= 5 + 8 + endpoint.FAILURES
    assert "http://second/v1 is left out" in caplog.text
    assert any("http://second/v1" in note for note in serving.notes)


def test_a_stray_refusal_of_an_endpoint_ends_nothing(question):
    stray = [True]

    def answer(request, pictures):
        if len(seen) == 20 and stray:
            stray.pop()
            return WrongKeyError("HTTP 401: no reason given", is_vague=True)
        seen.append(1)
        return "both"

    seen = []
    serving = LoadBalancedServing([FakeServing(answer), FakeServing("up", delay=0.001)])
    texts, failures = ask(serving, question(1), 200, at_once=1)
    assert (len(texts), failures, serving.notes) == (200, 0, ())


def test_an_endpoint_that_never_answered_stops_the_run(question):
    bad = FakeServing(lambda r, p: WrongKeyError("no"))
    serving = LoadBalancedServing([FakeServing("up", delay=0.001), bad])
    with pytest.raises(WrongKeyError):
        ask(serving, question(1), 50)


def test_the_run_stops_when_no_endpoint_is_left(question):
    servings = [ends_after(5, OutOfMoneyError("empty")) for _ in range(2)]
    with pytest.raises(OutOfMoneyError):
        ask(LoadBalancedServing(servings), question(1), 100)


def test_a_dead_endpoint_is_named_once(question, caplog):
    dead = FakeServing(lambda r, p: ConnectionLostError("nothing listens"))
    dead.api_urls = ("http://dead/v1",)
    serving = LoadBalancedServing([FakeServing("up", delay=0.001), dead])
    ask(serving, question(1), 100)
    assert caplog.text.count("http://dead/v1 does not answer") == 1
    assert "nothing listens" in serving.notes[0]


def test_the_endpoints_that_answer_are_counted(question):
    dead = FakeServing(lambda r, p: ConnectionLostError("nothing listens"))
    serving = LoadBalancedServing([FakeServing("a"), FakeServing("b"), dead])
    assert serving.endpoint_counts() == (1, 1), "before it is connected"
    ask(serving, question(1), 100)
    assert serving.endpoint_counts() == (2, 3)


def watched(*stages, first=()):
    """A serving whose endpoints are those of one stage after another, by calls to move on."""
    now = [list(first)]
    left = list(stages)

    def discover():
        return now[0]

    def move_on():
        now[0] = left.pop(0)

    pattern = FakeServing(model="m")
    return LoadBalancedServing(first, discover=discover, pattern=pattern), move_on


def named(name, replies=None, **more):
    serving = FakeServing(replies or name, model="m", **more)
    serving.api_urls = (f"http://{name}/v1",)
    return serving


@pytest.fixture
def at_once(monkeypatch):
    monkeypatch.setattr(load_balancer, "WATCH_SECONDS", 0.01)


async def texts_of(client, question):
    """The different texts of 50 answers, asked for at once."""
    return {
        reply.text
        for reply in await asyncio.gather(*(client.send(*question(1)) for _ in range(50)))
    }


async def until(condition):
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(0.005)


def test_a_run_waits_for_its_first_server(question, at_once, caplog):
    serving, move_on = watched([named("late")])

    async def run():
        async def start():
            await until(lambda: "waits for the first one" in caplog.text)
            move_on()

        starting = asyncio.create_task(start())
        async with serving.connect() as client:
            reply = await client.send(*question(1))
        await starting
        return reply.text

    assert asyncio.run(run()) == "late"


def test_a_run_whose_servers_never_join_stops_with_the_cure(question, at_once, monkeypatch):
    monkeypatch.setattr(load_balancer, "FIRST_SECONDS", 0.05)
    serving, _ = watched()
    with pytest.raises(UnreachableError, match="dataflow serve MODEL --register FOLDER"):
        ask(serving, question(1), 1)


def test_servers_that_join_are_asked_and_those_that_left_are_not(question, at_once):
    one, two = named("one", delay=0.001), named("two", delay=0.001)
    serving, move_on = watched([one, two], [two], first=[one])

    async def run():
        async with serving.connect() as client:
            assert (await client.send(*question(1))).endpoint == "http://one/v1"
            move_on()
            await until(lambda: len(client.names) == 2)
            both = await texts_of(client, question)
            move_on()
            await until(lambda: client.names == ["http://two/v1"])
            before = one.asked
            rest = await texts_of(client, question)
            return both, rest, one.asked - before

    assert asyncio.run(run()) == ({"one", "two"}, {"two"}, 0)


@pytest.mark.parametrize(
    "error",
    [
        ConnectionLostError("it ended"),
        GarbledReplyError("half a reply"),
        WrongKeyError("it ended"),
        RateLimitedError("it ends"),
    ],
)
def test_what_a_server_that_left_did_not_finish_is_answered_by_another(question, at_once, error):
    ends = asyncio.Event()
    other = named("other")

    class Ending(FakeServing):
        async def send(self, request, pictures):
            await ends.wait()
            raise error

    leaving = Ending(model="m")
    leaving.api_urls = ("http://leaving/v1",)
    serving, move_on = watched([other], first=[leaving])

    async def run():
        async with serving.connect() as client:
            asked = asyncio.create_task(client.send(*question(1)))
            await asyncio.sleep(0)
            move_on()
            await until(lambda: client.names == ["http://other/v1"])
            ends.set()
            return (await asked).text

    assert asyncio.run(run()) == "other"


def test_while_all_have_left_a_request_comes_back_later(question, at_once, monkeypatch):
    monkeypatch.setattr(client_module, "NONE_SECONDS", 0.05)
    serving, move_on = watched([], first=[named("only")])

    async def run():
        async with serving.connect() as client:
            move_on()
            await until(lambda: client.names == [])
            with pytest.raises(ConnectionLostError, match="all servers have left"):
                await client.send(*question(1))

    asyncio.run(run())


def test_a_server_that_joins_with_the_wrong_key_is_left_out_and_the_run_goes_on(
    question, at_once, caplog
):
    good = named("good", delay=0.001)
    serving, move_on = watched([good, named("bad", [WrongKeyError("no")] * 99)], first=[good])

    async def run():
        async with serving.connect() as client:
            await client.send(*question(1))
            move_on()
            await until(lambda: len(client.names) == 2)
            return await texts_of(client, question)

    assert asyncio.run(run()) == {"good"}
    assert "http://bad/v1 is left out" in caplog.text


def test_a_server_that_joins_begins_at_the_level_that_others_have_reached(question, at_once):
    first, joined = named("first", max_workers=64), named("joined", max_workers=64)
    for serving in (first, joined):
        serving.adaptive_concurrency = True
    serving, move_on = watched([first, joined], first=[first])

    async def run():
        async with serving.connect() as client:
            client._endpoints[0].limiter._concurrency.limit = 40
            move_on()
            await until(lambda: len(client.names) == 2)
            return client._endpoints[1].limiter.limit

    assert asyncio.run(run()) == 40
