"""The keyword-only options of the operators."""

from __future__ import annotations

import inspect
import logging
import math
from dataclasses import fields

import pytest

from dataflow.core.errors import UsageError
from dataflow.operators.core_vision import ImageCaptionGenerator, PromptedVQAGenerator
from dataflow.operators.core_vision.options import (
    FORMER_NAMES,
    OperatorKeywords,
    OperatorOptions,
    OperatorRunOptions,
    RunKeywords,
)
from dataflow.serving.fake import FakeServing
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
        for name in ("flatten", "overwrite", "meta", "restart", "retry_failed", "fsync")
    },
    "journal": {"3"},
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
