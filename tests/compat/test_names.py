"""DataFlow's other names: scripts written against them run as they stand."""

from __future__ import annotations

import importlib
import json
import logging
import subprocess
import sys
from pathlib import Path

import pandas
import pytest
from PIL import Image

import dataflow
from dataflow.compat.module_aliases import ALIASES
from dataflow.core.errors import UsageError
from dataflow.serving.fake import FakeServing
from dataflow.utils.storage import FileStorage

LINES = 400


def test_the_room_stays_small():
    folder = Path(dataflow.__file__).parent / "compat"
    assert sum(len(file.read_text().splitlines()) for file in folder.glob("*.py")) <= LINES


@pytest.mark.parametrize("name", ALIASES)
def test_every_alias_is_the_one_module_that_stands_for_it(name):
    module = importlib.import_module(name)
    assert module is importlib.import_module(ALIASES[name])
    assert module.__spec__.name == ALIASES[name]


IMPORTS = """
from dataflow import get_logger
from dataflow.logger import get_logger as same
from dataflow.utils.registry import OPERATOR_REGISTRY
from dataflow.serving import APIVLMServing_openai, LocalModelVLMServing_vllm
from dataflow.core import OperatorABC, LLMServingABC, VLMServingABC, WrapperABC, get_operator
from dataflow.core.Operator import OperatorABC as o, get_operator as g
from dataflow.core.LLMServing import LLMServingABC as l
from dataflow.core.VLMServing import VLMServingABC as v
from dataflow.wrapper import BatchWrapper
from dataflow.wrapper.batch_wrapper import BatchWrapper as b
from dataflow.utils.storage import DummyStorage, FileStorage, DataFlowStorage
from dataflow.prompts.prompt_template import NamedPlaceholderPromptTemplate
from dataflow.operators.core_vision.generate.image_caption_generator import ImageCaptionGenerator
from dataflow.operators.core_vision.generate.prompted_vqa_generator import PromptedVQAGenerator
from dataflow.operators.core_vision.generate.fix_prompted_vqa_generator import (
    FixPromptedVQAGenerator,
)
from dataflow.operators.core_vision.generate.prompt_templated_vqa_generator import (
    PromptTemplatedVQAGenerator,
)
from dataflow.operators.core_vision.generate.batch_vqa_generator import BatchVQAGenerator
from dataflow.operators.generate import PromptedVQAGenerator as p
from dataflow.operators.core_vision import FixPromptedVQAGenerator as f, BatchVQAGenerator as q
assert o is OperatorABC and l is LLMServingABC and v is VLMServingABC and b is BatchWrapper
assert f is FixPromptedVQAGenerator and q is BatchVQAGenerator and p is PromptedVQAGenerator
import sys
print([m for m in ("pandas", "torch", "vllm", "aiohttp") if m in sys.modules])
"""


def test_the_imports_of_scripts_work_and_load_nothing_heavy():
    done = subprocess.run([sys.executable, "-c", IMPORTS], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "pandas" not in done.stdout
    assert "torch" not in done.stdout


def test_a_serving_that_is_not_here_names_what_to_take():
    with pytest.raises(AttributeError, match="SGLang's server"):
        importlib.import_module("dataflow.serving").LocalModelVLMServing_sglang  # noqa: B018


def test_the_logger_knows_success(caplog):
    with caplog.at_level(logging.INFO, "dataflow"):
        dataflow.get_logger().success("%d rows", 3)
    assert [(r.name, r.message) for r in caplog.records] == [("dataflow", "3 rows")]


def test_the_registry_holds_ours_and_what_is_registered():
    from dataflow.utils.registry import Registry

    from dataflow.core import get_operator
    from dataflow.operators.core_vision import PromptedVQAGenerator

    registry = Registry("operators")

    @registry.register()
    class Mine:
        def __init__(self, argument):
            self.argument = argument

    assert registry.get("Mine") is Mine
    assert registry.get("PromptedVQAGenerator") is PromptedVQAGenerator
    assert "Mine" in registry
    assert {"Mine", "BatchVQAGenerator"} <= set(registry.keys()) == {name for name, _ in registry}
    with pytest.raises(KeyError, match="known are BatchVQAGenerator"):
        registry.get("None")
    assert isinstance(get_operator("PromptedVQAGenerator", FakeServing()), PromptedVQAGenerator)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (40, 40)).save("a.png")
    Image.new("RGB", (41, 40)).save("b.png")
    return tmp_path


@pytest.fixture
def echo():
    return FakeServing(lambda r, p: f"{r.turns[-1].parts[-1]} {[x.width for x in p]}")


def stored(rows):
    Path("in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return FileStorage("in.jsonl", cache_path="cache").step()


def test_a_fixed_question(folder, echo):
    from dataflow.operators.core_vision import FixPromptedVQAGenerator

    storage = stored([{"image": "a.png", "video": None}, {"image": ["a.png", "b.png"]}])
    operator = FixPromptedVQAGenerator(echo, user_prompt="What {is} there?")
    assert operator.run(storage=storage, input_image_key="image", output_answer_key="x") == ["x"]
    answers = [row["x"] for row in storage.step().read("dict")]
    assert answers == ["What {is} there? [40]", "What {is} there? [40, 41]"]


def test_a_template_s_places_are_filled_from_the_columns_named(folder, echo):
    from dataflow.prompts.prompt_template import NamedPlaceholderPromptTemplate

    from dataflow.operators.core_vision import PromptTemplatedVQAGenerator

    template = NamedPlaceholderPromptTemplate("{texts}|{kind}", join_list_with="+")
    storage = stored([{"image": "a.png", "t": ["x", "y"], "k": "cat"}])
    operator = PromptTemplatedVQAGenerator(serving=echo, prompt_template=template)
    with pytest.raises(UsageError, match="name the column"):
        operator.run(storage)
    assert operator.run(storage=storage, texts="t", kind="k") == ["answer"]
    assert [row["answer"] for row in storage.step().read("dict")] == ["x+y|cat [40]"]


ROWS = [
    {"id": 1, "image": "a.png", "questions": ["What?", "Where?"]},
    {"id": 2, "image": "b.png", "questions": []},
    {"id": 3, "image": "b.png", "questions": ["Who?"]},
    {"id": 4, "image": "missing.png", "questions": ["Lost?"]},
]


def test_several_questions_about_one_picture(folder, echo):
    from dataflow.operators.core_vision import BatchVQAGenerator

    storage = stored(ROWS)
    operator = BatchVQAGenerator(echo)
    assert operator.run(storage, "questions", "image", "answers") == ["answers"]
    rows = storage.step().read("dict")
    assert [row["answers"] for row in rows] == [
        ["What? [40]", "Where? [40]"],
        [],
        ["Who? [41]"],
        [None],
    ]
    assert [{k: v for k, v in row.items() if k != "answers"} for row in rows] == ROWS


def test_several_questions_go_on_after_a_failure(folder):
    from dataflow.core.errors import OutOfMoneyError
    from dataflow.operators.core_vision import BatchVQAGenerator

    broke = FakeServing(["one", OutOfMoneyError("no credit")], max_workers=1)
    storage = stored(ROWS[:3])
    with pytest.raises(OutOfMoneyError):
        BatchVQAGenerator(broke).run(storage, "questions", "image", "answers")
    rest = FakeServing("two", max_workers=1)
    BatchVQAGenerator(rest).run(storage.step(), "questions", "image", "answers")
    assert rest.asked == 2
    answers = [row["answers"] for row in storage.step().read("dict")]
    assert [len(one) for one in answers] == [2, 0, 1]
    # which of them was asked first is not promised
    assert sorted(answer for one in answers for answer in one) == ["one", "two", "two"]


def test_a_wrapped_operator_runs_as_it_is(folder, echo):
    from dataflow.wrapper import BatchWrapper

    from dataflow.operators.core_vision import ImageCaptionGenerator
    from dataflow.utils.storage import DummyStorage

    storage = DummyStorage("out", "rows", "jsonl")
    storage.set_data(pandas.DataFrame([{"image": "a.png"}]))
    wrapped = BatchWrapper(ImageCaptionGenerator(echo, ""), batch_size=2, batch_cache=True)
    assert wrapped.run(storage, output_key="caption") == ["caption"]
    assert storage.read()["caption"].tolist() == ["Please describe the image in detail. [40]"]
    assert json.loads(Path("out/rows.jsonl").read_text())["image"] == "a.png"


def test_the_page_s_caption_operator_needs_no_system_prompt(folder, echo):
    from dataflow.operators.core_vision import ImageCaptionGenerate

    storage = stored([{"image": ["a.png"]}, {"image": ["b.png"]}])
    generator = ImageCaptionGenerate(echo)
    generator.run(storage=storage, input_modal_key="image", output_key="caption")
    captions = [row["caption"] for row in storage.step().read("dict")]
    assert captions == [f"Please describe the image in detail. [{n}]" for n in (40, 41)]


def test_the_page_s_older_keywords_name_the_pictures_too(folder, echo):
    from dataflow.prompts.image import CaptionGeneratorPrompt

    from dataflow.operators.core_vision import ImageCaptionGenerate

    stored([{"image": ["a.png"]}])
    storage = FileStorage("in.jsonl", cache_path="c", media_key="image", media_type="image").step()
    generator = ImageCaptionGenerate(echo)
    assert generator.run(storage=storage, multi_modal_key="image", output_key="c") == ["c"]
    expected = f"{CaptionGeneratorPrompt().build_prompt()} [40]"
    assert [row["c"] for row in storage.step().read("dict")] == [expected]


def test_the_caption_operator_of_the_page_takes_its_arguments_in_order(folder, echo):
    from dataflow.operators.core_vision import ImageCaptionGenerate

    storage = stored([{"photo": "a.png"}])
    assert ImageCaptionGenerate(echo).run(storage, "photo", "caption") == ["caption"]


def test_a_storage_of_videos_is_refused():
    with pytest.raises(UsageError, match="only pictures"):
        FileStorage("in.jsonl", media_type="video")


def test_a_question_is_made_and_then_answered(folder, echo):
    from dataflow.operators.core_vision import PromptedVQAGenerator

    asked = [{"from": "human", "value": "Ask something."}]
    storage = FileStorage(str(folder / "in.json"), str(folder / "cache"), "qa_api", "json")
    (folder / "in.json").write_text(json.dumps([{"image": ["./a.png"], "conversation": asked}]))
    operator = PromptedVQAGenerator(serving=echo, system_prompt="You make pairs.")
    operator.run(
        storage=storage.step(),
        input_conversation_key="conversation",
        input_image_key="image",
        output_answer_key="question",
    )
    operator.run(
        storage=storage.step(),
        input_prompt_key="question",
        input_image_key="image",
        output_answer_key="answer",
    )
    [row] = json.loads((folder / "cache" / "qa_api_step2.json").read_text())
    assert (row["question"], row["answer"]) == ("Ask something. [40]", "Ask something. [40] [40]")


DOCUMENTED = [
    {"image": "a.png", "question": "What?"},
    {"image": None, "question": "What is AI?"},
    {"question": "What is 1+1?"},
    {"image": ["a.png", "b.png"], "question": "Both?"},
]


def test_the_documented_rows_of_questions_are_answered_as_given(folder, echo):
    from dataflow.operators.core_vision import PromptedVQAGenerator

    storage = stored(DOCUMENTED)
    PromptedVQAGenerator(echo).run(
        storage=storage, input_prompt_key="question", input_image_key="image"
    )
    assert [row["answer"] for row in storage.step().read("dict")] == [
        "What? [40]",
        "What is AI? []",
        "What is 1+1? []",
        "Both? [40, 41]",
    ]
