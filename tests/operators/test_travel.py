"""Servings, operators, storages and checks travel: copied, pickled, sent to other processes."""

from __future__ import annotations

import copy
import json
import multiprocessing
import os
import pickle

import pytest
from PIL import Image

from dataflow.checks.suite import CaptionRequirements, checks_for
from dataflow.core.protocols.check import CheckContext
from dataflow.images.base.limits import Limits
from dataflow.operators.core_vision import ImageCaptionGenerator, PromptedVQAGenerator
from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai
from dataflow.serving.fake import FakeServing
from dataflow.serving.local_model_vlm_serving import LocalModelVLMServing_llamacpp
from dataflow.utils.storage import FileStorage

KEY = "sk-test-key-0123456789"
REQUIREMENTS = CaptionRequirements(max_words=60, min_sentences=1, language="en", forbid=("grey",))
SCHEMA = {
    "type": "object",
    "properties": {"a": {"type": "string"}},
    "additionalProperties": False,
}


def used(serving):
    serving.generate_from_input(["q"], image_inputs=["no-such-file.png"])
    return serving


def api():
    return APIVLMServing_openai("http://127.0.0.1:9/v1", "TRAVEL_KEY", model_name="m")


OBJECTS = {
    "API serving": api,
    "used API serving": lambda: used(api()),
    "fake": lambda: used(FakeServing("A cat.")),
    "llama.cpp serving": lambda: LocalModelVLMServing_llamacpp("demo", seed=3),
    "operator": lambda: ImageCaptionGenerator(api(), ""),
    "operator with checks": lambda: ImageCaptionGenerator(
        FakeServing(), "", checks=list(checks_for(REQUIREMENTS).values())
    ),
    "operator with a preset": lambda: ImageCaptionGenerator(FakeServing(), "", preset="brief"),
    "operator with a schema": lambda: ImageCaptionGenerator(FakeServing(), "", schema=SCHEMA),
    "questions": lambda: PromptedVQAGenerator(FakeServing(), prompt_template="{a}?"),
    "storage": lambda: FileStorage("a.json").step(),
    "limits": lambda: Limits(max_side=512),
}
WAYS = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda one: pickle.loads(pickle.dumps(one)),
}


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("TRAVEL_KEY", KEY)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", OBJECTS)
def test_it_travels(name, way):
    one = OBJECTS[name]()
    other = WAYS[way](one)
    assert type(other) is type(one)
    assert repr(other) == repr(one)
    if hasattr(one, "settings"):
        assert other.settings() == one.settings()


@pytest.mark.parametrize("name", OBJECTS)
def test_no_pickle_holds_the_key(name):
    data = pickle.dumps(OBJECTS[name]())
    assert KEY.encode() not in data
    assert (b"TRAVEL_KEY" in data) == ("API" in name or name == "operator")


@pytest.mark.parametrize("name", checks_for(REQUIREMENTS))
def test_a_check_says_the_same_afterwards(name):
    check = checks_for(REQUIREMENTS)[name]
    again = pickle.loads(pickle.dumps(check))
    for text in ("A dog.", "Ein Hund läuft am Strand entlang.", "grey **dog**", "x " * 200):
        assert again(text, CheckContext()) == check(text, CheckContext())
    assert getattr(again, "__name__", name) == getattr(check, "__name__", name)


def caption(operator, storage):
    operator.run(storage, output_key="caption")
    return storage.step().read("dict")[0]["caption"]


def test_an_operator_runs_in_another_process(tmp_path):
    Image.new("RGB", (40, 40)).save(tmp_path / "a.png")
    (tmp_path / "rows.json").write_text(json.dumps([{"image": "a.png"}]))
    storage = FileStorage(str(tmp_path / "rows.json"), cache_path=str(tmp_path / "cache")).step()
    operator = ImageCaptionGenerator(used(FakeServing("A cat.")), "")
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(caption, (operator, storage)) == "A cat."


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_serving_answers_after_a_fork():
    serving = used(FakeServing("A cat."))
    serving._shared_slots()._taken = serving.max_workers  # all in use in the parent
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, serving.generate_from_input(["q"])[0].encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(read, 100) == b"A cat."
