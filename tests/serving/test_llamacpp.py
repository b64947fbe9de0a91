"""llama.cpp for real, with the bundled model: it answers, fails with reasons, and comes back."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys

import pytest

from dataflow.core.errors import EngineFailedError, TryAgainError, UsageError
from dataflow.serving.llamacpp.server import LlamaCppSettings
from dataflow.serving.llamacpp.serving import find_reason
from dataflow.serving.local_model_vlm_serving import LocalModelVLMServing_llamacpp
from tests.serving import small_models
from tests.serving.contract import ServingContract
from tests.serving.scenes import (
    QUESTION,
    is_there,
    offspring,
    picture,
    scene_question,
    truth,
    wait_until,
)

pytest.importorskip("xllamacpp")
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


@pytest.fixture
def llamacpp():
    made = []

    def make(model="demo", **options):
        made.append(LocalModelVLMServing_llamacpp(model, **{"threads": 1, **options}))
        return made[-1]

    yield make
    for serving in made:
        serving.cleanup()


class TestContract(ServingContract):
    @pytest.fixture
    def serving(self, llamacpp):
        return llamacpp(slots=2)

    @pytest.fixture
    def question(self):
        return scene_question


async def ask_until_answered(client, number, tries=6):
    """What the road does with errors that time may cure."""
    for _ in range(tries):
        try:
            return (await client.send(*scene_question(number))).text
        except TryAgainError:
            await asyncio.sleep(0.05)
    raise AssertionError(f"scene {number} was not answered in {tries} tries")


def test_it_tells_what_the_scenes_hold(llamacpp):
    serving = llamacpp()

    async def run():
        async with serving.connect() as client:
            return await asyncio.gather(*(ask_until_answered(client, n) for n in range(40)))

    answers = asyncio.run(run())
    right = sum(answer == truth(n) for n, answer in enumerate(answers))
    assert right >= 35  # how good the model is, is tested elsewhere; a mix-up makes this fall to 0


def test_several_pictures_a_request_and_the_given_sampling(llamacpp):
    serving = llamacpp(max_tokens=5)

    async def run():
        async with serving.connect() as client:
            cut = await client.send(*scene_question(1))
            longer = await client.send(*scene_question(1, max_tokens=64))
            several = await client.send(*scene_question(1, 2, 3, max_tokens=64))
            return cut, longer, several

    cut, longer, several = asyncio.run(run())
    assert (cut.finish_reason, cut.usage.completion_tokens) == ("length", 5)
    assert longer.finish_reason == "stop"
    assert longer.text.startswith(cut.text)
    assert several.usage.prompt_tokens >= longer.usage.prompt_tokens + 2 * 16


@linux_only
def test_a_killed_engine_comes_back_and_every_question_is_answered(llamacpp):
    serving = llamacpp()
    engines = []

    def is_back():
        return serving.child().running and serving.child().engine_pid != engines[-1]

    async def run():
        async with serving.connect() as client:
            asking = [asyncio.create_task(ask_until_answered(client, n)) for n in range(60)]
            for _ in range(2):
                await asyncio.sleep(0.15)
                engines.append(serving.child().engine_pid)
                os.kill(engines[-1], signal.SIGKILL)
                await asyncio.to_thread(wait_until, is_back)
            return await asyncio.gather(*asking)

    answers = asyncio.run(run())
    assert sum(answer == truth(n) for n, answer in enumerate(answers)) >= 52
    assert serving.child().restarts == 2
    assert serving.child().restarts_left == 3, "it has worked since"
    assert not any(map(is_there, engines))


@linux_only
def test_an_engine_that_dies_too_often_stops_the_run(llamacpp):
    serving = llamacpp(max_restarts=0)

    async def run():
        async with serving.connect() as client:
            os.kill(serving.child().engine_pid, signal.SIGKILL)
            asking = [client.send(*scene_question(n)) for n in range(8)]
            return await asyncio.gather(*asking, return_exceptions=True)

    errors = asyncio.run(run())
    assert {type(error) for error in errors} == {EngineFailedError}
    assert len({id(error) for error in errors}) == len(errors)
    assert "not restarted any more (ended by SIGKILL)" in str(errors[0])


@linux_only
def test_the_engine_stays_between_uses_and_ends_with_cleanup(llamacpp):
    serving = llamacpp()
    first, *_ = serving.generate_from_input([QUESTION], "", image_inputs=[picture(3).data])
    engine = serving.child().engine_pid
    again, *_ = serving.generate_from_input([QUESTION], "", image_inputs=[picture(3).data])
    assert first == again != ""
    assert serving.child().engine_pid == engine
    assert any(is_there(pid) for pid in offspring(os.getpid()))
    serving.cleanup()
    assert wait_until(lambda: not is_there(engine))
    (after,) = serving.generate_from_input([QUESTION], "", image_inputs=[picture(3).data])
    assert after == first


def test_a_model_that_does_not_load_shows_llamacpps_own_reason(llamacpp, tmp_path):
    serving = llamacpp(str(small_models.pair(tmp_path)))  # whole by its headers, and no model

    async def run():
        async with serving.connect():
            pass

    with pytest.raises(EngineFailedError, match=r"llama.cpp does not start .*: .") as caught:
        asyncio.run(run())
    assert "Failed to load CLIP model" in caught.value.reason, caught.value.reason
    assert not serving.child().running


def test_the_key_is_no_part_of_command_settings_or_repr(llamacpp):
    serving = llamacpp()
    launch = serving.launch()
    key = serving.key()
    assert key in launch.environment.values()
    for shown in (launch.command, serving.settings(), launch, vars(serving)["_sampling"]):
        assert key not in repr(shown)


def test_what_the_engine_is_started_with(llamacpp):
    settings = LlamaCppSettings(**json.loads(llamacpp().launch().command[-1]))
    assert (settings.image_min_tokens, settings.image_max_tokens) == (16, 20)
    assert (settings.slots, settings.context, settings.threads) == (4, 2048, 1)
    assert llamacpp().settings()["temperature"] == 0
    smolvlm = llamacpp("ggml-org/SmolVLM-500M-Instruct-GGUF", repetition_penalty=1.1, seed=3)
    assert smolvlm.settings() == {
        "engine": "llamacpp",
        "weights": "hub ggml-org/SmolVLM-500M-Instruct-GGUF:",
        "image_tokens": [1, 64],
        "repeat_penalty": 1.1,
        "max_tokens": 512,
        "seed": 3,
    }


@pytest.mark.parametrize("wrong", [{"slots": 0}, {"max_tokens": 0}, {"image_max_tokens": 0}])
def test_numbers_that_cannot_be(wrong):
    with pytest.raises(UsageError):
        LocalModelVLMServing_llamacpp("a/b", **wrong)


def test_reasons():
    lines = ["loading", "0.00.008.123 E gguf_init: failed to open", "0.01 E later", "dataflow: own"]
    assert find_reason(lines) == "gguf_init: failed to open"
    assert find_reason(["dataflow: xllamacpp cannot be loaded"]) == "xllamacpp cannot be loaded"
    assert find_reason(["all is well"]) is None
