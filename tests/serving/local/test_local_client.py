"""An engine that dies or hangs: it comes back, and only the requests that cause it fail."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys

import pytest

from dataflow.core.errors import EngineDiedError, EngineFailedError
from dataflow.core.request import Reply, Request, Turn
from dataflow.serving.local import engine_process, hang_watch, local_client
from dataflow.serving.local.local_client import _grey_png
from tests.servers.poison_serving import PoisonServing
from tests.serving.scenes import is_there

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


@pytest.fixture
def engine(tmp_path, monkeypatch):
    monkeypatch.setattr(engine_process, "RESTART_WAITS", (0.0,))
    monkeypatch.setattr(local_client, "_LOOK_SECONDS", 0.05)
    monkeypatch.setattr(hang_watch, "PROBE_SECONDS", 0.3)
    monkeypatch.setattr(local_client, "PROBE_SECONDS", 0.3)
    made = []

    def make(**options):
        made.append(PoisonServing(tmp_path / "log", **options))
        return made[-1]

    yield make
    for serving in made:
        serving.cleanup()


def question(text):
    return Request((Turn("user", (text,)),))


def ask(serving, texts):
    async def run():
        async with serving.connect() as client:
            asking = [client.send(question(text), []) for text in texts]
            return await asyncio.gather(*asking, return_exceptions=True)

    return asyncio.run(asyncio.wait_for(run(), 60))


def kinds(answers):
    return [type(answer) for answer in answers]


@pytest.mark.parametrize("poisoned", [{3, 7}, set(range(8))])
def test_only_the_rows_that_kill_it_fail(engine, poisoned):
    serving = engine(max_restarts=1)
    answers = ask(serving, [("POISON" if n in poisoned else f"row {n}") for n in range(8)])
    assert kinds(answers) == [EngineDiedError if n in poisoned else Reply for n in range(8)]
    assert "asked this row alone" in str(answers[min(poisoned)])


def test_an_engine_that_is_killed_once_fails_nobody(engine):
    serving = engine()

    async def run():
        async with serving.connect() as client:
            asking = [asyncio.create_task(client.send(question("SLOW"), [])) for _ in range(8)]
            await asyncio.sleep(0.2)
            os.kill(serving.child().engine_pid, signal.SIGKILL)
            return await asyncio.gather(*asking)

    assert kinds(asyncio.run(run())) == [Reply] * 8
    assert serving.starts() == 2


def test_an_engine_that_cannot_answer_anything_stops_the_run(engine, monkeypatch):
    monkeypatch.setattr(local_client, "_test_question", lambda: (question("POISON"), []))
    answers = ask(engine(max_restarts=2), ["POISON", "row"])
    assert EngineFailedError in kinds(answers)
    assert "not restarted any more" in str(answers[0])


def test_a_silent_engine_is_named_ended_and_started_again(engine, caplog):
    serving = engine()
    serving.engine_timeout = 0.5
    with caplog.at_level(logging.WARNING, "dataflow"):
        answers = ask(serving, ["HANG", *(f"row {n}" for n in range(7))])
    assert kinds(answers) == [EngineDiedError, *[Reply] * 7]
    assert "it hangs; it is ended and started again" in caplog.text


def test_an_engine_that_was_stopped_comes_back_and_no_row_is_lost(engine):
    serving = engine()
    serving.timeout = 1.0

    async def run():
        async with serving.connect() as client:
            await client.send(question("first"), [])
            stopped = serving.child().engine_pid
            os.kill(stopped, signal.SIGSTOP)
            answers = await asyncio.gather(*(client.send(question("x"), []) for _ in range(5)))
            return answers, stopped

    answers, stopped = asyncio.run(asyncio.wait_for(run(), 30))
    assert kinds(answers) == [Reply] * 5
    assert not is_there(stopped)


def test_the_test_picture_can_be_read(tmp_path):
    from PIL import Image

    (tmp_path / "a.png").write_bytes(_grey_png(64))
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.convert("RGB").getpixel((3, 5)) == (128, 128, 128)
        assert picture.size == (64, 64)
