"""vLLM for real, on a CPU: it answers as it was told to, fails with reasons, and comes back."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys

import pytest

from dataflow.core.errors import EngineFailedError, TryAgainError, UnknownModelError
from dataflow.serving.local_model_vlm_serving import LocalModelVLMServing_vllm
from tests.serving.contract import ServingContract
from tests.serving.scenes import (
    CHECKPOINT,
    is_there,
    offspring,
    scene_question,
    truth,
    wait_until,
)

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.timeout(600),
    pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="vLLM is not installed"),
    pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc"),
]

SMALL = ("--kv-cache-memory-bytes", str(128 * 2**20))


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """The demo's checkpoint with sampling defaults of its own, which must not be heeded."""
    folder = tmp_path_factory.mktemp("weights") / "scenes"
    shutil.copytree(CHECKPOINT, folder)
    defaults = json.loads((folder / "generation_config.json").read_text())
    defaults |= {"max_new_tokens": 3, "repetition_penalty": 9.0, "temperature": 5.0}
    (folder / "generation_config.json").write_text(json.dumps(defaults))
    return folder


@pytest.fixture(scope="module")
def shared(weights):
    """One server for the tests of this file; three of them kill it."""
    serving = LocalModelVLMServing_vllm(
        str(weights), vllm_temperature=0.0, vllm_max_tokens=64, max_workers=8, vllm_args=SMALL
    )
    yield serving
    serving.cleanup()


def ask(serving, *questions):
    async def run():
        async with serving.connect() as client:
            return await asyncio.gather(*(client.send(*question) for question in questions))

    return asyncio.run(run())


def test_it_tells_what_the_scenes_hold(shared):
    replies = ask(shared, *(scene_question(n) for n in range(40)))
    right = sum(reply.text == truth(n) for n, reply in enumerate(replies))
    assert right >= 35  # how good the model is, is tested elsewhere; a mix-up makes this fall to 0
    assert {reply.finish_reason for reply in replies} == {"stop"}


def test_the_sampling_is_what_was_given(shared):
    (cut,) = ask(shared, scene_question(1, max_tokens=5))
    assert (cut.finish_reason, cut.usage.completion_tokens) == ("length", 5)
    wild = {"temperature": 2.0, "top_p": 1.0, "top_k": -1, "max_tokens": 24}
    same, again, other = ask(
        shared,
        scene_question(1, seed=1, **wild),
        scene_question(1, seed=1, **wild),
        scene_question(1, seed=2, **wild),
    )
    assert same.text == again.text != other.text


def test_several_pictures_a_request(shared):
    one, three, eight = ask(
        shared, scene_question(1), scene_question(1, 2, 3), scene_question(*range(8))
    )
    # a picture is about 16 tokens, by its shape
    assert three.usage.prompt_tokens >= one.usage.prompt_tokens + 2 * 15
    assert eight.usage.prompt_tokens >= one.usage.prompt_tokens + 7 * 15


def processes(serving) -> dict[str, int]:
    """Name → process id: the server, its engine core, and its watchdog."""
    server = serving.child().engine_pid
    found = {"server": server}
    for pid in offspring(os.getpid()):
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            words = file.read()
        if words.startswith(b"VLLM::EngineCore"):
            found["core"] = pid
        elif b"watchdog.py" in words:
            found["watchdog"] = pid
    return found


@pytest.mark.parametrize("victim", ["core", "server", "watchdog"])
def test_a_killed_process_is_answered_by_a_restart(shared, victim):
    restarts = shared.child().restarts

    async def until_answered(client, number):
        for _ in range(60):
            try:
                return (await client.send(*scene_question(number))).text
            except TryAgainError:
                await asyncio.sleep(1)
        raise AssertionError(f"scene {number} was never answered")

    async def run():
        async with shared.connect() as client:
            family = offspring(os.getpid())
            asking = [asyncio.create_task(until_answered(client, n)) for n in range(40)]
            await asyncio.sleep(0.3)
            os.kill(processes(shared)[victim], signal.SIGKILL)
            return family, await asyncio.gather(*asking)

    family, answers = asyncio.run(run())
    assert sum(answer == truth(n) for n, answer in enumerate(answers)) >= 35
    assert shared.child().restarts == restarts + 1
    assert not any(is_there(pid) for pid in family)


def test_cleanup_leaves_no_process(shared):
    ask(shared, scene_question(1))
    family = offspring(os.getpid())
    assert len(family) >= 3
    shared.cleanup()
    assert not any(map(is_there, family))


PARENT = """
import asyncio, sys, time
from dataflow.serving.local_model_vlm_serving import LocalModelVLMServing_vllm
serving = LocalModelVLMServing_vllm(sys.argv[1], vllm_args=sys.argv[2:])
async def run():
    async with serving.connect():
        print("up", flush=True)
        time.sleep(300)
asyncio.run(run())
"""


def test_a_parent_that_is_killed_leaves_no_process(weights):
    command = [sys.executable, "-c", PARENT, str(weights), *SMALL]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as parent:
        assert parent.stdout.readline() == b"up\n"
        family = offspring(parent.pid)
        assert len(family) >= 3
        parent.kill()
        assert wait_until(lambda: not any(map(is_there, family)), 15)


@pytest.mark.parametrize(
    ("broken", "reason"), [("no config", "no config.json"), ("cut short", "100,000 of")]
)
def test_weights_that_are_not_whole_are_found_before_vllm_starts(weights, tmp_path, broken, reason):
    folder = tmp_path / "weights"
    shutil.copytree(weights, folder)
    if broken == "no config":
        (folder / "config.json").unlink()
    else:
        os.truncate(folder / "model.safetensors", 100_000)
    with pytest.raises(UnknownModelError, match=reason):
        ask(LocalModelVLMServing_vllm(str(folder), vllm_args=SMALL))


def test_weights_that_do_not_load_show_vllms_own_reason(weights, tmp_path):
    folder = tmp_path / "weights"
    shutil.copytree(weights, folder)
    (folder / "tokenizer.json").write_text("{}")
    serving = LocalModelVLMServing_vllm(str(folder), vllm_args=SMALL)
    with pytest.raises(EngineFailedError, match=r"vLLM does not start .exit status 1") as caught:
        ask(serving)
    assert "line 1 column 2" in caught.value.reason  # of the tokenizer's file
    assert not serving.child().running


class TestContract(ServingContract):
    @pytest.fixture
    def serving(self, shared):
        return shared

    @pytest.fixture
    def question(self):
        return scene_question
