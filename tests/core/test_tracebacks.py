"""Tracebacks as a caller wants them."""

from __future__ import annotations

import json
import traceback

import pytest

from dataflow.core.errors import StopRunError
from dataflow.core.errors.tracebacks import short_traceback
from dataflow.core.protocols.serving import VLMServingABC
from dataflow.operators.core_vision import ImageCaptionGenerator, PromptedVQAGenerator
from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai
from dataflow.serving.fake import FakeServing
from tests.memory_storage import Memory

ROWS = [
    {"image": "a.png", "conversation": [{"from": "human", "value": question}]} for question in "?!"
]


class Broken(VLMServingABC):
    def generate_from_input(self, user_inputs, system_prompt="", image_inputs=None):
        return [json.loads(question) for question in user_inputs]

    def cleanup(self):
        pass


class BrokenTemplate:
    def build_prompt(self, **fields):
        raise MemoryError("no space")


def captioned(serving):
    ImageCaptionGenerator(serving, "").run(Memory(ROWS))


def refused(monkeypatch):
    monkeypatch.setenv("NO_SERVER_KEY", "sk-none")
    return APIVLMServing_openai("http://127.0.0.1:9/v1", "NO_SERVER_KEY", model_name="m")


CALLS = {
    "operator": lambda mp: captioned(Broken()),
    "operator in a thread": lambda mp: (
        ImageCaptionGenerator(Broken(), "").start(Memory(ROWS)).result()
    ),
    "template": lambda mp: PromptedVQAGenerator(
        FakeServing(), prompt_template=BrokenTemplate()
    ).run(Memory([{"a": 1}])),
    "fake": lambda mp: FakeServing([ValueError("scripted")]).generate_from_input(["q"]),
    "server that is not there": lambda mp: refused(mp).generate_from_input(["q"]),
    "wrong option": lambda mp: ImageCaptionGenerator(FakeServing(), "").run(Memory([]), limit="3"),
    "no step": lambda mp: ImageCaptionGenerator(FakeServing(), "").run(None),
}


def frames_of(error, module="dataflow"):
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    return [f for f in frames if str(f.f_globals["__name__"]).split(".")[0] == module]


@pytest.fixture(autouse=True)
def picture(tmp_path, monkeypatch):
    from PIL import Image

    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", CALLS)
def test_at_most_five_frames_of_ours_and_none_of_the_machinery(name, monkeypatch):
    with pytest.raises(BaseException) as caught:  # noqa: PT011 - each its own
        CALLS[name](monkeypatch)
    error = caught.value
    while error is not None:
        assert len(frames_of(error)) <= 5
        for module in ("asyncio", "aiohttp", "threading", "concurrent", "contextlib"):
            assert frames_of(error, module) == []
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def test_the_line_of_ones_own_serving_that_failed_is_shown():
    with pytest.raises(StopRunError) as caught:
        captioned(Broken())
    assert isinstance(caught.value.__cause__, json.JSONDecodeError)
    shown = "".join(traceback.format_exception(caught.value))
    assert "json.loads(question) for question in user_inputs" in shown


def test_causes_of_the_callers_own_code_stay_and_circles_end():
    first, second = KeyError("first"), ValueError("second")

    @short_traceback
    def fail():
        try:
            raise first
        except KeyError:
            raise second from first

    first.__cause__ = second
    with pytest.raises(ValueError, match="second") as caught:
        fail()
    assert caught.value.__cause__ is first
    assert first.__cause__ is None
