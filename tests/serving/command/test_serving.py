"""Servers of several makes, started by a command line; stand-ins with each one's own ways."""

from __future__ import annotations

import asyncio
import sys

import pytest

from dataflow.core.errors import EngineFailedError, MissingPackageError, UsageError
from dataflow.core.request import Request, Turn
from dataflow.serving.local_model_vlm_serving import LocalModelVLMServing_command
from tests.paths import ROOT
from tests.serving import small_models
from tests.serving.scenes import is_there, wait_until

SCRIPT = f"{sys.executable} -S -I {ROOT / 'tests' / 'servers' / 'any_engine.py'}"


@pytest.fixture
def engine():
    made = []

    def make(make, model="acme/eyes", port="--port {port}", **options):
        command = f"{SCRIPT} {make} {{model}} {port}"
        made.append(LocalModelVLMServing_command(command, model, **options))
        return made[-1]

    yield make
    for serving in made:
        serving.cleanup()


def answer(serving):
    async def run():
        async with serving.connect() as client:
            return (await client.send(Request((Turn("user", ("Hello",)),)), [])).text

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("make", "port", "served"),
    [
        ("sglang", "--port {port}", "acme/eyes"),
        ("lmdeploy", "- --server-port={port}", "eyes"),
        ("tgi", "--port {port}", "acme/eyes"),
        ("mlx", "--port {port}", "its-own-name"),
    ],
)
def test_each_make_is_waited_for_and_asked_by_its_name(engine, make, port, served):
    assert answer(engine(make, port=port)) == f"{make} {served} loaded=True"


def test_it_ends_with_cleanup(engine):
    serving = engine("sglang")
    answer(serving)
    pid = serving.child().engine_pid
    serving.cleanup()
    assert wait_until(lambda: not is_there(pid))


def test_a_server_that_fails_is_told_with_its_reason(engine):
    with pytest.raises(EngineFailedError, match=r"does not start .*architecture is not supported"):
        answer(engine("broken"))


def test_a_server_that_never_gets_ready_is_given_up(engine):
    with pytest.raises(EngineFailedError, match="--start-timeout"):
        answer(engine("liar", start_timeout=1.0))


def test_what_cannot_be_a_command():
    with pytest.raises(UsageError, match=r"must hold \{port\}"):
        LocalModelVLMServing_command("python serve {model}", "m")
    with pytest.raises(UsageError, match="cannot be read"):
        LocalModelVLMServing_command("python 'serve {port}", "m")
    with pytest.raises(MissingPackageError, match="no program no-such-engine"):
        LocalModelVLMServing_command("no-such-engine --port {port}", "m")


def test_the_same_weights_are_the_same_wherever_they_lie(engine, tmp_path):
    one = small_models.checkpoint(tmp_path / "a")
    other = small_models.checkpoint(tmp_path / "b")
    assert engine("tgi", str(one)).settings() == engine("tgi", str(other)).settings()
    changed = small_models.checkpoint(tmp_path / "c", data=b"\1" * 64)
    assert engine("tgi", str(one)).settings() != engine("tgi", str(changed)).settings()
