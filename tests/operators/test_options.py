"""The keyword-only options of the operators."""

from __future__ import annotations

import inspect
import json
import logging
import math
import os
from dataclasses import fields

import pytest
from PIL import Image

import dataflow
from dataflow.app.options.commands.caption import CaptionSettings
from dataflow.app.options.option import option_fields
from dataflow.checks.suite import CaptionRequirements
from dataflow.core.errors import FaultAlarmError, UsageError
from dataflow.core.protocols.batch import BatchOptions
from dataflow.core.protocols.check import Verdict
from dataflow.images.base.limits import Limits
from dataflow.operators.core_vision import ImageCaptionGenerator, PromptedVQAGenerator
from dataflow.operators.core_vision.options import (
    FORMER_NAMES,
    OperatorKeywords,
    OperatorOptions,
    OperatorRunOptions,
    RunKeywords,
)
from dataflow.operators.core_vision.prompts import Prompt
from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai
from dataflow.serving.batch_vlm_serving_openai import BatchVLMServing_openai
from dataflow.serving.fake import FakeServing
from dataflow.serving.load_balancer import LoadBalancedServing
from dataflow.serving.local_model_vlm_serving import (
    LocalModelVLMServing_llamacpp,
    LocalModelVLMServing_vllm,
)
from dataflow.serving.workers.serving import WorkerServing
from dataflow.utils.storage import FileStorage
from tests.memory_storage import Memory

PAIRS = [(OperatorOptions, OperatorKeywords), (OperatorRunOptions, RunKeywords)]
WRONG = ["3", math.nan, -1, True, b"x", object]
"""Six values, of which every option refuses most; those that it takes are named below."""

TAKEN = {
    # a schema may be a path, which is looked for; a truth value is one
    "schema": {"3"},
    "preset": {"3"},
    **{
        name: {True}
        for name in (
            *("flatten", "overwrite_column", "meta", "provenance"),
            *("restart", "retry_failed", "fsync"),
        )
    },
    "journal": {"3"},
    **{name: {True} for name in ("strip_lead_in", "strip_lead_out", "strip_thinking", "repair")},
}


@pytest.mark.parametrize(("options", "keywords"), PAIRS)
def test_type_checkers_know_the_same_keywords(options, keywords):
    former = {old for old, new in FORMER_NAMES.items() if new in keywords.__annotations__}
    assert keywords.__annotations__.keys() - former == {one.name for one in fields(options)}


@pytest.mark.parametrize("operator", [ImageCaptionGenerator, PromptedVQAGenerator])
def test_signatures_show_the_options(operator):
    names = {one.name for one in fields(OperatorOptions)}
    assert names <= set(inspect.signature(operator).parameters)
    assert {one.name for one in fields(OperatorRunOptions)} <= set(
        inspect.signature(operator.run).parameters
    )


def cases(options):
    for one in fields(options):
        for value in WRONG:
            if not any(value is t or value == t for t in TAKEN.get(one.name, ())):
                yield pytest.param(one.name, value, id=f"{one.name}={value!r:.20}")


@pytest.mark.parametrize(("name", "value"), list(cases(OperatorOptions)))
def test_every_option_of_an_operator_refuses_wrong_values_by_name(name, value):
    serving = FakeServing("A cat.")
    with pytest.raises(UsageError, match=name.replace("_", "[_ ]")):
        ImageCaptionGenerator(serving, "", **{name: value})
    assert serving.asked == 0


@pytest.mark.parametrize(("name", "value"), list(cases(OperatorRunOptions)))
def test_every_option_of_a_run_refuses_wrong_values_by_name(name, value):
    serving, storage = FakeServing("A cat."), Memory([{"image": "a.png"}])
    with pytest.raises(UsageError, match=name):
        ImageCaptionGenerator(serving, "").run(storage, **{name: value})
    assert serving.asked == 0


ARGUMENTS = {
    "system_prompt": [5, b"x", None, ["x"], "\ud800", str],
    "llm_serving": [None, "openai", 5, FakeServing, object(), {}],
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_the_arguments_of_the_captioner_are_checked_too(name):
    for value in ARGUMENTS[name]:
        given = {"llm_serving": FakeServing(), "system_prompt": "", name: value}
        with pytest.raises(UsageError, match=name.removeprefix("llm_")):
            ImageCaptionGenerator(**given)


@pytest.mark.parametrize("value", [b"x", 5, [], object(), object, {"a": 1}])
def test_a_template_is_a_text_or_builds_prompts(value):
    with pytest.raises(UsageError, match="prompt_template"):
        PromptedVQAGenerator(FakeServing(), prompt_template=value)


@pytest.mark.parametrize("name", ["output_key", "input_modal_key"])
@pytest.mark.parametrize("value", [None, "", " ", 5, b"x", "\ud800"])
def test_columns_have_names(name, value):
    serving, storage = FakeServing(), Memory([{"image": "a.png"}])
    with pytest.raises(UsageError, match=name):
        ImageCaptionGenerator(serving, "").run(storage, **{name: value})
    assert serving.asked == 0


KEYS = ["output_answer_key", "input_conversation_key", "input_prompt_key", "input_image_key"]


@pytest.mark.parametrize("name", [*KEYS, "input_video_key"])
@pytest.mark.parametrize("value", ["", " ", 5, b"x", ["image"], "\ud800"])
def test_columns_of_questions_have_names(name, value):
    serving, storage = FakeServing(), Memory([{"image": "a.png"}])
    with pytest.raises(UsageError, match=name):
        PromptedVQAGenerator(serving).run(storage, **{name: value})
    assert serving.asked == 0


@pytest.mark.parametrize("value", [None, "rows.json", 5, Memory, object(), []])
def test_a_storage_reads_and_writes(value):
    with pytest.raises(UsageError, match="storage must be an object with"):
        ImageCaptionGenerator(FakeServing(), "").run(value)


def test_former_names_are_taken_and_a_slip_is_told():
    operator = ImageCaptionGenerator(FakeServing(), "", spread=False)
    assert operator.options.flatten is False
    with pytest.raises(TypeError, match="did you mean retry_failed="):
        operator.run(Memory([]), retry_faild=True)
    with pytest.raises(UsageError, match="fresh is the former name of restart"):
        operator.run(Memory([]), fresh=True, restart=True)


def test_a_captioner_without_a_picture_column_is_refused(tmp_path):
    with pytest.raises(UsageError, match="would be invented"):
        ImageCaptionGenerator(FakeServing(), "").run(Memory([{"a": 1}]), input_modal_key=None)


@pytest.mark.parametrize(
    "row",
    [
        {"image": "a.png"},
        {"photo": "x"},
        {"file": "a/B.JPG"},
        {"scan": b"\x89PNG"},
        {"p": {"bytes": b"1", "path": None}},
        {"frames": ["a.jpeg", "b.jpeg"]},
    ],
)
def test_questions_about_rows_whose_pictures_are_not_sent_are_told_once(row, caplog):
    storage = Memory([row, row])
    with caplog.at_level(logging.WARNING, "dataflow"):
        PromptedVQAGenerator(FakeServing("Yes."), prompt_template="What?").run(storage)
    told = [r for r in caplog.records if "not sent" in r.message]
    assert len(told) == 1
    assert repr(next(iter(row))) in told[0].message


def test_questions_about_text_alone_are_not_told(caplog):
    with caplog.at_level(logging.WARNING, "dataflow"):
        PromptedVQAGenerator(FakeServing("Yes.")).run(
            Memory([{"question": "What?"}]), input_prompt_key="question"
        )
    assert caplog.records == []


COMMAND = {one.name for one in option_fields(CaptionSettings)}
KEYWORDS = {one.name for kind in (OperatorOptions, OperatorRunOptions) for one in fields(kind)}
ELSEWHERE = {
    Limits: (
        "image_root allow_private_urls max_side max_pixels max_picture_bytes max_picture_memory "
        "picture_connections user_agent image_cache image_cache_max"
    ),
    CaptionRequirements: (
        "language sentences min_words max_words min_sentences max_sentences min_characters "
        "max_characters max_encoder_tokens forbid require forbid_pattern require_pattern "
        "max_duplicates"
    ),
    APIVLMServing_openai: (
        "api_url timeout temperature max_tokens seed body stream detail drop_params ca_file "
        "key_header"
    ),
    ImageCaptionGenerator: "system_prompt",
    ImageCaptionGenerator.run: "output_key",
    PromptedVQAGenerator: "prompt_template",
    LocalModelVLMServing_llamacpp: "mmproj model",
    FileStorage: "",
}
"""What has the option of the command line, under its own name."""

RENAMED = {
    "image_key": (ImageCaptionGenerator.run, "input_modal_key"),
    "prompt": (Prompt, "question"),
    "markdown": (CaptionRequirements, "plain"),
    "no_check": (CaptionRequirements, "disabled"),
    "no_checks": (OperatorOptions, "checks"),
    "prompt_file": (OperatorOptions, "prompts"),
    "key_env": (APIVLMServing_openai, "key_name_of_api_key"),
    "key_file": (APIVLMServing_openai, "api_key_file"),
    "header": (APIVLMServing_openai, "headers"),
    "endpoints": (LoadBalancedServing, "endpoints"),
    "vllm": (LocalModelVLMServing_vllm, "vllm_args"),
    "batch": (BatchVLMServing_openai, "batching"),
    "batch_requests": (BatchOptions, "requests"),
    "workers": (WorkerServing, "fewest"),
    "replicas": (WorkerServing, "most"),
    "ray": (WorkerServing, "launcher"),
    "batch_mb": (BatchOptions, "size"),
    "batch_window": (BatchOptions, "window"),
    "batch_poll": (BatchOptions, "poll"),
    "batch_then_live": (BatchOptions, "then_live"),
    "output": (FileStorage, "cache_path"),
    "output_format": (FileStorage, "cache_type"),
    **dict.fromkeys(
        [one for one in COMMAND if one.startswith("fallback_")], (OperatorOptions, "fallback")
    ),
}
"""Option of the command line → who has it in Python, and how it is called there."""

OF_FILES = {
    "include",
    "exclude",
    "all_pictures",
    "wds_key",
    "columns",
    "delimiter",
    "show",
    "sidecar",
    "sidecar_root",
    "existing",
    "trigger",
    "prefix",
    "suffix",
    "newlines",
    "csv_safe",
    "with_pictures",
    "shard_size",
    "rows_per_file",
    "push_to_hub",
    "keep",
    "drop",
    "edits",
}
"""About files that `dataflow.caption` reads and writes, and steps of a storage are none."""

OF_THE_TERMINAL = {"quiet", "yes", "detach", "batch_cancel"}

OF_ENGINES = {
    "check",
    "data_parallel",
    "dtype",
    "engine",
    "engine_arg",
    "engine_timeout",
    "gpu_memory",
    "hub",
    "hub_cache",
    "images_per_request",
    "max_image_tokens",
    "max_model_len",
    "max_restarts",
    "min_image_tokens",
    "model_folder",
    "prices",
    "quantization",
    "shard",
    "slots",
    "start_timeout",
    "tensor_parallel",
    "threads",
}
"""About how a local engine is started, prices from a file, shards and learned checks: a serving,
`CaptionRequirements` and `dataflow merge` have these under names of their own."""


def test_every_option_of_the_command_line_is_there_in_python():
    elsewhere = {name for names in ELSEWHERE.values() for name in names.split()}
    known = KEYWORDS | elsewhere | RENAMED.keys() | OF_FILES | OF_THE_TERMINAL | OF_ENGINES
    assert COMMAND - known == set()
    assert (elsewhere | RENAMED.keys() | OF_FILES | OF_THE_TERMINAL) - COMMAND == set()


def test_who_is_said_to_have_an_option_has_it():
    for kind, names in ELSEWHERE.items():
        assert set(names.split()) <= set(inspect.signature(kind).parameters), kind
    for kind, name in RENAMED.values():
        assert name in inspect.signature(kind).parameters, (kind, name)


def test_every_option_of_the_command_line_is_a_keyword_of_the_function():
    assert set(inspect.signature(dataflow.caption).parameters) >= COMMAND


# --- what the options do -------------------------------------------------------------------------


def test_answers_are_cleaned_as_on_the_command_line():
    serving = FakeServing("<think>Hm.</think>Sure! Here is the caption: A cat.")
    storage = Memory(pictures(1))
    ImageCaptionGenerator(serving, "", strip_thinking=True, strip_lead_in=True).run(storage)
    assert storage.data[0]["output"] == "A cat."


def test_a_preset_s_own_refinements_stay():
    serving = FakeServing("<think>Hm.</think>A cat sits. Let me know if you need more detail!")
    storage = Memory(pictures(1))
    ImageCaptionGenerator(serving, "", preset="brief", strip_lead_out=True).run(storage)
    assert "Let me know" not in storage.data[0]["output"]


def test_a_fallback_gets_the_last_ask_of_a_rejected_caption():
    def check(text, context):
        return None if text == "A cat." else Verdict("short", "too short")

    first, second = FakeServing("Cat."), FakeServing("A cat.", model="larger")
    storage = Memory(pictures(1))
    ImageCaptionGenerator(first, "", checks=[check], max_asks=2, fallback=second).run(storage)
    assert storage.data[0]["output"] == "A cat."
    assert (first.asked, second.asked) == (1, 1)
    with pytest.raises(UsageError, match="give checks, too"):
        ImageCaptionGenerator(first, "", fallback=second).run(storage)


def test_only_some_rows_are_asked_again(tmp_path):
    (tmp_path / "rows.json").write_text(json.dumps(pictures(3)))

    def run(text, **options):
        storage = FileStorage(tmp_path / "rows.json", cache_path=tmp_path / "cache").step()
        ImageCaptionGenerator(FakeServing(text), "").run(storage, **options)
        return [row["output"] for row in storage.step().read("dict")]

    assert run("A cat.") == ["A cat."] * 3
    assert run("A dog.", only=[1]) == ["A cat.", "A dog.", "A cat."]
    assert run("A hen.", only=["2.png"]) == ["A cat.", "A dog.", "A hen."]
    with pytest.raises(UsageError, match="steps that are files"):
        ImageCaptionGenerator(FakeServing(), "").run(Memory(pictures(1)), only=[0])


def test_the_fault_alarm_is_set_and_turned_off():
    def check(text, context):
        return Verdict("loop", "the engine is broken")

    def run(**options):
        serving = FakeServing("word " * 40, max_workers=1)
        operator = ImageCaptionGenerator(serving, "", checks=[check], on_reject="flag")
        operator.run(Memory(pictures(60)), **options)
        return serving.asked

    assert run(fault_alarm="off") == run(fault_alarm=None) == 60
    with pytest.raises(FaultAlarmError):
        run()


@pytest.fixture(autouse=True)
def picture_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def pictures(count):
    for number in range(count):
        Image.new("RGB", (9 + number, 8)).save(f"{number}.png")
    return [{"image": os.path.abspath(f"{number}.png")} for number in range(count)]
