"""A worker as a process: what it is given and says, and how its end is heard of."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from dataflow.core.errors import EngineFailedError, RateLimitedError
from dataflow.core.request import Request, Turn
from dataflow.images.base.limits import Limits
from dataflow.serving.fake import FakeServing
from dataflow.serving.workers import process
from dataflow.serving.workers.link import WorkerLostError
from dataflow.serving.workers.messages import LeasedRequest, WorkerSetup
from dataflow.serving.workers.process import ProcessLauncher


class BrokenServing(FakeServing):
    """An engine that cannot be had."""

    def connect(self):
        raise EngineFailedError("there is no GPU here")


class OddServing(FakeServing):
    """Raises what cannot be pickled."""

    async def send(self, request, pictures):
        raise UnpicklableError(lambda: None)


class UnpicklableError(Exception):
    pass


def lease(*numbers):
    return [LeasedRequest(n, Request((Turn("user", (f"question {n}",)),))) for n in numbers]


def with_link(serving, work):
    async def run():
        link = ProcessLauncher().launch(1, WorkerSetup(serving, Limits()))
        try:
            return await work(link)
        finally:
            await link.close()

    return asyncio.run(run())


async def answers(link, count):
    found = {}
    while len(found) < count:
        found.update((await link.collect()).answers)
    return found


def test_it_answers_what_it_is_given_and_raises_what_the_engine_raises():
    async def work(link):
        assert (await link.start()).failure is None
        await link.give(lease(1, 2, 3))
        return await answers(link, 3)

    found = with_link(FakeServing(["a", RateLimitedError("slow", retry_after=5.0), "c"]), work)
    assert sorted(one.text for one in found.values() if not isinstance(one, Exception)) == [
        "a",
        "c",
    ]
    error = next(one for one in found.values() if isinstance(one, Exception))
    assert (type(error), error.retry_after) == (RateLimitedError, 5.0)


def test_an_engine_that_cannot_be_had_is_said_at_the_start():
    async def work(link):
        return (await link.start()).failure

    assert "no GPU here" in str(with_link(BrokenServing(), work))


def test_an_exception_that_cannot_travel_comes_as_its_text():
    async def work(link):
        await link.start()
        await link.give(lease(1))
        return (await answers(link, 1))[1]

    assert "UnpicklableError" in str(with_link(OddServing(), work))


def test_a_killed_worker_is_heard_of_by_how_it_ended():
    async def work(link):
        await link.start()
        os.kill(link._process.pid, signal.SIGKILL)
        with pytest.raises(WorkerLostError, match="ended by SIGKILL"):
            await link.collect()

    with_link(FakeServing(), work)


def test_a_hung_worker_is_lost_and_ended(monkeypatch):
    monkeypatch.setattr(process, "SILENT_SECONDS", 0.2)
    monkeypatch.setattr(process, "END_SECONDS", 0.1)

    async def work(link):
        started = asyncio.create_task(link.start())
        while link._process is None:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        os.kill(link._process.pid, signal.SIGSTOP)
        with pytest.raises(WorkerLostError, match="said nothing for"):
            await started
        return link._process

    assert with_link(FakeServing(), work).poll() == -signal.SIGKILL
