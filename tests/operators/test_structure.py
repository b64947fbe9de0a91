"""Answers that are JSON: asked for, checked, and laid out in columns."""

from __future__ import annotations

import json

import pyarrow.parquet
import pytest
from PIL import Image

from dataflow.core import LLMServingABC
from dataflow.core.errors import UsageError
from dataflow.core.protocols.check import CheckContext
from dataflow.core.row import Row
from dataflow.operators.core_vision import (
    ImageCaptionGenerator,
    Prompt,
    PromptedVQAGenerator,
    read_prompts,
)
from dataflow.operators.core_vision.request_builder import RowRequests
from dataflow.serving.fake import FakeServing
from dataflow.utils.storage import FileStorage
from tests.memory_storage import Memory

SCHEMA = {
    "type": "object",
    "properties": {"colour": {"enum": ["red", "blue"]}, "count": {"type": "number"}},
    "required": ["colour"],
    "additionalProperties": False,
}
ANSWER = '{"count": 1.10, "colour": "red"}'


class Model:
    """As pydantic's models are told apart: by what makes their schema."""

    @classmethod
    def model_json_schema(cls):
        return SCHEMA


def verdict(text: str, schema=SCHEMA):
    prompt = Prompt("a", schema=schema)
    found = (check(text, CheckContext()) for check in prompt.structure.checks)
    return next((one for one in found if one), None)


def request_of(prompt: Prompt):
    [request] = RowRequests(image_key=None, prompts=[prompt])(Row(0, {}, "line 1"))
    return request


# --- the schema --------------------------------------------------------------------------------


def test_a_schema_is_a_dict_a_file_or_a_pydantic_model(tmp_path):
    path = tmp_path / "schema.json"
    path.write_text(json.dumps(SCHEMA))
    for given in (SCHEMA, path, str(path), Model):
        assert Prompt("a", schema=given).structure.schema == SCHEMA


WRONG = {
    "a number": (7, "a dict, a file's path or a pydantic model, not a int"),
    "no file": ("none.json", "none.json cannot be read: No such file"),
    "no type": ({"type": "strng"}, "no JSON Schema"),
    "a reference to nothing": ({"$ref": "#/$defs/A"}, "points at nothing inside it"),
    "a reference elsewhere": ({"items": {"$ref": "http://127.0.0.1:9/a"}}, "points at nothing"),
    "no text": ({"$ref": 5}, "no JSON Schema"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_schema_is_refused_with_its_reason(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    schema, message = WRONG[name]
    with pytest.raises(UsageError, match=message):
        Prompt("a", schema=schema)


@pytest.mark.parametrize("text", ["{", "[]", '"x"'])
def test_a_file_that_is_no_schema_is_refused(tmp_path, text):
    (tmp_path / "schema.json").write_text(text)
    with pytest.raises(UsageError, match=r"schema\.json is no JSON"):
        Prompt("a", schema=tmp_path / "schema.json")


def test_only_a_closed_object_can_be_flattened():
    for schema in ({"type": "array"}, {"type": "object"}):
        with pytest.raises(UsageError, match="only the properties of an object"):
            Prompt("a", schema=schema, flatten=True)
    with pytest.raises(UsageError, match='"additionalProperties": false'):
        Prompt("a", schema={"type": "object", "properties": {"a": {}}}, flatten=True)
    for wrong in ({"flatten": True}, {"schema_as": "prompt"}):
        with pytest.raises(UsageError, match="give one"):
            Prompt("a", **wrong)
    with pytest.raises(UsageError, match="schema_as must be one of"):
        Prompt("a", schema=SCHEMA, schema_as="tool")


# --- how it is asked ---------------------------------------------------------------------------


def test_the_schema_is_sent_as_response_format_in_words_or_both():
    sent, told, both = (
        request_of(Prompt("a", question="Q?", schema=SCHEMA, schema_as=way, sampling={"top_k": 1}))
        for way in ("format", "prompt", "both")
    )
    inner = {"name": "caption", "schema": SCHEMA, "strict": False}
    assert sent.sampling["response_format"] == {"type": "json_schema", "json_schema": inner}
    assert sent.turns[-1].parts == ("Q?",)
    assert told.sampling == {"top_k": 1}
    question, words = told.turns[-1].parts
    assert question == "Q?"
    assert json.loads(words.partition("\n")[2]) == SCHEMA
    assert (both.sampling, both.turns) == (sent.sampling, told.turns)


def test_a_prompt_of_a_file_names_its_schema_from_the_files_folder(tmp_path):
    (tmp_path / "s.json").write_text(json.dumps(SCHEMA))
    path = tmp_path / "prompts.toml"
    path.write_text('[a]\nschema = "s.json"\nspread = true\nschema_as = "both"\n[b]\n')
    structured, other = read_prompts(path)
    assert structured.structure.schema == SCHEMA
    assert (structured.flatten, structured.schema_as, other.structure) == (True, "both", None)
    path.write_text("[a]\nspread = 1\n")
    with pytest.raises(UsageError, match="flatten must be true or false, not 1"):
        read_prompts(path)
    path.write_text("[a]\nschema_as = 'tool'\n")
    with pytest.raises(UsageError, match="schema_as must be one of"):
        read_prompts(path)


class Theirs(LLMServingABC):
    def generate_from_input(self, user_inputs, system_prompt=""):
        return [ANSWER for _ in user_inputs]

    def cleanup(self):
        pass


def test_a_serving_of_somebody_else_is_told_in_words():
    memory = Memory([{"id": 1}])
    with pytest.raises(UsageError, match='schema_as="prompt"'):
        PromptedVQAGenerator(Theirs(), schema=SCHEMA).run(memory)
    PromptedVQAGenerator(Theirs(), schema=SCHEMA, schema_as="prompt").run(memory)
    assert memory.data == [{"id": 1, "answer": {"count": 1.1, "colour": "red"}}]


# --- how it is checked -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        ANSWER,
        f"\n{ANSWER}\n",
        f"```json\n{ANSWER}\n```",
        "```\n1\n```",
        f"\ufeff{ANSWER}",
        f"<think>A cube? Yes.</think>\n{ANSWER}",
        f"Here it is: {ANSWER}",
        f"Sure!\n```json\n{ANSWER}\n```\nLet me know!",
    ],
)
def test_json_passes_also_with_talk_thoughts_and_fences_around_it(text):
    assert verdict(text, SCHEMA if "count" in text else {}) is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("A red cube.", "it is no JSON"),
        ("", "no text"),
        (f"Here it is: {ANSWER[:-1]}", "it is no JSON"),
        ('{"colour": "green"}', "at $.colour: 'green' is not one of"),
        ('{"colour": "red", "size": 1}', "'size' was unexpected"),
        ('{"colour": "red", "count": 9223372036854775808}', "64 bits cannot hold"),
        ('{"colour": "red", "count": 1e400}', "64 bits cannot hold"),
        ('{"colour": "red", "count": NaN}', "NaN is no JSON"),
    ],
)
def test_anything_else_is_an_error_of_the_row_with_its_reason(text, reason):
    found = verdict(text)
    assert found.kind == ("schema" if text else "empty")
    assert reason in found.reason or not text


def test_a_schema_without_end_is_refused_before_the_run():
    with pytest.raises(UsageError, match="circle"):
        verdict("1", {"$ref": "#"})


# --- what is stored ----------------------------------------------------------------------------


@pytest.fixture
def rows(tmp_path):
    lines = []
    for number in range(3):
        Image.new("RGB", (40 + number, 40)).save(tmp_path / f"{number}.png")
        lines.append({"image": f"{number}.png"})
    (tmp_path / "data.json").write_text(json.dumps(lines))
    return lines


def storage(tmp_path, cache_type="jsonl"):
    return FileStorage(
        str(tmp_path / "data.json"), cache_path=str(tmp_path), cache_type=cache_type
    ).step()


def told(request, pictures):
    return [ANSWER, '{"colour": "blue"}', "no JSON"][pictures[0].width - 40]


def test_the_column_is_the_answer_to_the_byte_and_null_where_it_does_not_fit(tmp_path, rows):
    ImageCaptionGenerator(FakeServing(told), "", schema=SCHEMA).run(storage(tmp_path))
    lines = (tmp_path / "dataflow_cache_step1.jsonl").read_text().splitlines()
    assert lines[0] == f'{{"image": "0.png", "output": {ANSWER}}}'
    assert [json.loads(line)["output"] for line in lines[1:]] == [{"colour": "blue"}, None]
    errors = (tmp_path / "dataflow_cache_step1.jsonl.errors.jsonl").read_text()
    assert json.loads(errors)["kind"] == "schema"


def test_nothing_is_asked_again_for_another_layout(tmp_path, rows):
    serving = FakeServing(told)
    ImageCaptionGenerator(serving, "", schema=SCHEMA).run(storage(tmp_path))
    assert serving.asked == 5, "one row is asked three times"
    for flat in (True, False):
        captioner = ImageCaptionGenerator(serving, "", schema=SCHEMA, flatten=flat)
        captioner.run(storage(tmp_path))
    assert serving.asked == 5


def test_flatten_makes_a_column_of_each_property(tmp_path, rows):
    captioner = ImageCaptionGenerator(FakeServing(told), "", schema=Model, flatten=True)
    assert captioner.run(storage(tmp_path), meta=True) == ["colour", "count"]
    lines = (tmp_path / "dataflow_cache_step1.jsonl").read_text().splitlines()
    assert lines[0].startswith('{"image": "0.png", "colour": "red", "count": 1.10, "output_meta":')
    made = storage(tmp_path).step().read("dict")
    assert [(row["colour"], row["count"]) for row in made] == [
        ("red", 1.1),
        ("blue", None),
        (None, None),
    ]


def test_flatten_in_parquet_has_types_and_in_lists_too(tmp_path, rows):
    captioner = ImageCaptionGenerator(FakeServing(told), "", schema=SCHEMA, flatten=True, n=2)
    captioner.run(storage(tmp_path, "parquet"))
    table = pyarrow.parquet.read_table(tmp_path / "dataflow_cache_step1.parquet")
    types = {field.name: str(field.type) for field in table.schema}
    assert types["colour"].startswith("list<")
    assert types["colour"].endswith("string>")
    assert types["count"].endswith("double>")
    assert table.column("count").to_pylist() == [[1.1, 1.1], [None, None], [None, None]]


def test_a_property_called_like_a_column_is_refused_before_anything_is_asked(tmp_path, rows):
    serving = FakeServing(told)
    schema = {"type": "object", "properties": {"image": {}}, "additionalProperties": False}
    with pytest.raises(UsageError, match=r"'image' already.*leave --flatten out"):
        ImageCaptionGenerator(serving, "", schema=schema, flatten=True).run(storage(tmp_path))
    prompts = [Prompt("a", schema=SCHEMA, flatten=True), Prompt("colour")]
    with pytest.raises(UsageError, match="would be called 'colour'"):
        ImageCaptionGenerator(serving, "", prompts=prompts).run(storage(tmp_path))
    with pytest.raises(UsageError, match="its own n, preset and schema"):
        ImageCaptionGenerator(serving, "", prompts=prompts, schema=SCHEMA)
    assert serving.asked == 0


def test_prose_and_json_beside_each_other_are_checked_each_by_its_own(tmp_path, rows):
    def both(request, pictures):
        return "A red cube." if request.turns[-1].parts[-1] == "Prose?" else ANSWER

    prompts = [Prompt("a", question="Prose?"), Prompt("b", question="JSON?", schema=SCHEMA)]
    ImageCaptionGenerator(FakeServing(both), "", prompts=prompts).run(storage(tmp_path))
    made = storage(tmp_path).step().read("dict")
    assert [(row["a"], row["b"]["colour"]) for row in made] == [("A red cube.", "red")] * 3
