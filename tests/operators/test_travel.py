"""Servings, operators, storages and checks travel: copied, pickled, sent to other processes."""

from __future__ import annotations

import copy
import json
import multiprocessing
import os
import pickle
import re
import signal
import time
from pathlib import Path

import cloudpickle
import joblib
import pytest
from PIL import Image

from dataflow.checks.suite import CaptionRequirements, checks_for
from dataflow.core.errors import OutOfMoneyError
from dataflow.core.protocols.check import CheckContext
from dataflow.images.base.limits import Limits
from dataflow.operators.core_vision import ImageCaptionGenerator, PromptedVQAGenerator
from dataflow.operators.core_vision.preset import preset_of
from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai
from dataflow.serving.batch_vlm_serving_openai import BatchVLMServing_openai
from dataflow.serving.fake import FakeServing
from dataflow.serving.load_balancer import LoadBalancedServing
from dataflow.serving.local_model_vlm_serving import (
    LocalModelVLMServing_llamacpp,
    LocalModelVLMServing_vllm,
)
from dataflow.serving.vllm import command
from dataflow.utils.storage import FileStorage
from tests.memory_storage import Memory

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


def used_storage():
    storage = FileStorage("rows.json", cache_path="cache")
    ImageCaptionGenerator(FakeServing("A cat."), "").run(storage.step())
    return storage.step()


def used_operator():
    operator = ImageCaptionGenerator(FakeServing("A cat."), "")
    operator.run(Memory([{"image": "a.png"}]))
    return operator


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
    "vLLM serving": lambda: LocalModelVLMServing_vllm(hf_model_name_or_path="a/b"),
    "batch serving": lambda: BatchVLMServing_openai("http://127.0.0.1:9/v1", "TRAVEL_KEY"),
    "several endpoints": lambda: LoadBalancedServing([api(), api()]),
    "storage after a step": lambda: used_storage(),
    "operator after a run": lambda: used_operator(),
    "checks": lambda: list(checks_for(REQUIREMENTS).values()),
    "an error with its answers": lambda: OutOfMoneyError("no credit", answers=("A cat.", None)),
    "preset": lambda: preset_of("brief"),
    "requirements": lambda: REQUIREMENTS,
}
WAYS = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda one: pickle.loads(pickle.dumps(one)),
    "cloudpickle": lambda one: pickle.loads(cloudpickle.dumps(one)),
}


@pytest.fixture(autouse=True)
def key(monkeypatch, tmp_path):
    monkeypatch.setenv("TRAVEL_KEY", KEY)
    monkeypatch.setattr(command, "check_installed", lambda: None)
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (40, 40)).save("a.png")
    Path("rows.json").write_text(json.dumps([{"image": "a.png"}]))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", OBJECTS)
def test_it_travels(name, way):
    one = OBJECTS[name]()
    other = WAYS[way](one)
    assert type(other) is type(one)
    assert without_addresses(repr(other)) == without_addresses(repr(one))
    if hasattr(one, "settings"):
        assert other.settings() == one.settings()


def without_addresses(text):
    return re.sub(r" at 0x[0-9a-f]+", "", text)


@pytest.mark.parametrize("name", OBJECTS)
def test_no_pickle_holds_the_key(name):
    data = pickle.dumps(OBJECTS[name]())
    assert KEY.encode() not in data
    holds_variable = ("API", "batch", "endpoints")
    assert (b"TRAVEL_KEY" in data) == (
        any(word in name for word in holds_variable) or name == "operator"
    )


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


OPERATORS = {
    "fresh": lambda: ImageCaptionGenerator(FakeServing("A cat."), ""),
    "used": lambda: used_operator(),
}


@pytest.mark.parametrize(("method", "name"), [("spawn", "used"), ("forkserver", "fresh")])
def test_an_operator_runs_in_another_process(name, method):
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip("not here")
    storage = FileStorage("rows.json", cache_path="cache").step()
    with multiprocessing.get_context(method).Pool(1) as pool:
        assert pool.apply(caption, (OPERATORS[name](), storage)) == "A cat."


@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")
def test_an_operator_runs_in_joblib_s_workers(name):
    storages = [FileStorage("rows.json", cache_path=f"cache{n}").step() for n in range(2)]
    work = [joblib.delayed(caption)(OPERATORS[name](), storage) for storage in storages]
    assert joblib.Parallel(n_jobs=2)(work) == ["A cat.", "A cat."]


def test_a_check_written_in_a_notebook_travels_by_cloudpickle():
    operator = ImageCaptionGenerator(
        FakeServing("A cat."), "", checks=[lambda text, context: None], on_reject="flag"
    )
    other = pickle.loads(cloudpickle.dumps(operator))
    storage = Memory([{"image": "a.png"}])
    other.run(storage)
    assert storage.data[0]["output"] == "A cat."


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("name", ["same operator", "own operator"])
def test_a_fork_in_mid_run_leaves_the_parent_s_run_alone_and_starts_anew(name):
    operator = ImageCaptionGenerator(FakeServing("A cat.", delay=0.2, max_workers=1), "")
    rows = [{"image": "a.png", "conversation": [{"from": "human", "value": f"{n}?"}]}
            for n in range(3)]  # fmt: skip
    storage = Memory(rows)
    run = operator.start(storage)
    while run.progress is None or not run.progress.in_flight:
        time.sleep(0.01)
    child = os.fork()
    if child == 0:
        asker = operator if name == "same operator" else ImageCaptionGenerator(FakeServing("B"), "")
        signal.alarm(20)
        mine = Memory(rows[:1])
        asker.run(mine)
        os._exit(0 if mine.data[0]["output"] in ("A cat.", "B") else 3)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    run.result()
    assert [row["output"] for row in storage.data] == ["A cat."] * 3


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
