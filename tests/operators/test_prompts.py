"""What is asked: prompts, the file that names them, templates, and the operators that ask them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from dataflow.core import LLMServingABC
from dataflow.core.errors import BadRowError, UsageError
from dataflow.core.row import Row
from dataflow.operators.core_vision import (
    ImageCaptionGenerator,
    Prompt,
    PromptedVQAGenerator,
    read_prompts,
)
from dataflow.operators.core_vision.request_builder import RowRequests
from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai
from dataflow.serving.fake import FakeServing
from dataflow.utils.storage import FileStorage
from tests.memory_storage import Memory

# --- the file ----------------------------------------------------------------------------------


@pytest.fixture
def file(tmp_path):
    def write(text: str):
        path = tmp_path / "prompts.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_each_table_is_a_prompt_in_the_files_order(file):
    path = file("""
        [short]
        question = "Briefly?"
        max_tokens = 40

        ["mit Umlaut: ä"]
        system = ""
        template = "Title: {title}."
        n = 3
        temperature = 1
        top_p = 0.5
        top_k = 40
        seed = 7

        [plain]
    """)
    assert read_prompts(path) == (
        Prompt("short", question="Briefly?", sampling={"max_tokens": 40}),
        Prompt(
            "mit Umlaut: ä",
            system="",
            template="Title: {title}.",
            n=3,
            sampling={"temperature": 1, "top_p": 0.5, "top_k": 40, "seed": 7},
        ),
        Prompt("plain"),
    )


KNOWN = (
    "preset, system, question, template, n, schema, flatten, schema_as, max_tokens, temperature, "
    "top_p, top_k, seed"
)
WRONG = {
    "no TOML": ("[a]\nquestion = x", r"no TOML: .*line 2"),
    "nothing in it": ("# to do\n", "names no prompt"),
    "no table": ('short = "Briefly?"', "'short' is no prompt"),
    "no name": ("['']", "empty name"),
    "an unknown key": ("[short]\nquestoin = 'x'", rf"\[short\]: unknown key 'questoin'.*{KNOWN}"),
    "a number for a text": ("[short]\nquestion = 3", r"\[short\]: question must be a text.*not 3"),
    "an empty question": ("[short]\nquestion = ' '", r"\[short\]: question must be .* not empty"),
    "two questions": ("[a]\nquestion = 'x'\ntemplate = 'y'", r"\[a\]: .*give one of them"),
    "no captions": ("[a]\nn = 0", r"\[a\]: n must be a whole number from 1, not 0"),
    "true captions": ("[a]\nn = true", r"\[a\]: n must be .*not True"),
    "hot": ("[a]\ntemperature = 2.5", r"\[a\]: temperature must be a number from 0 to 2, not 2.5"),
    "not a number": ("[a]\ntop_p = nan", r"\[a\]: top_p must be a number from 0 to 1, not nan"),
    "half a token": ("[a]\nmax_tokens = 1.5", r"\[a\]: max_tokens must be a whole number"),
    "a brace": ("[a]\ntemplate = 'x {'", r"\[a\]: the template .*\{\{"),
    "a place for nothing": ("[a]\ntemplate = 'x {} {0}'", r"\[a\]: .*\{\} names no column"),
    "a table in it": ("[a.b]\nquestion = 'x'", r"\[a\]: unknown key 'b'"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_file_is_refused_with_its_name_and_the_place(file, name):
    text, message = WRONG[name]
    path = file(text)
    with pytest.raises(UsageError, match=message) as caught:
        read_prompts(path)
    assert str(path) in caught.value.message


def test_a_file_that_is_not_there_or_no_text_is_told(tmp_path):
    with pytest.raises(UsageError, match=r"none\.toml cannot be read: No such file"):
        read_prompts(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes(b"[a]\nquestion = '\xe4'")
    with pytest.raises(UsageError, match="not UTF-8"):
        read_prompts(tmp_path / "latin.toml")


# --- templates ---------------------------------------------------------------------------------


def asked(fields: dict, template) -> str:
    make = RowRequests(image_key=None, prompts=[Prompt("a", template=template)])
    [request] = make(Row(0, fields, "data.jsonl, line 1"))
    if isinstance(request, BadRowError):
        raise request
    return str(request.turns[-1].parts[0])


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip))
def test_a_field_goes_in_as_it_is_even_with_braces_in_it(text):
    assert asked({"title": text}, "Title: {title}{{}}.") == f"Title: {text}{{}}."


@pytest.mark.parametrize(
    ("value", "shown"), [(None, ""), (float("nan"), ""), (7, "7"), (["a"], "['a']"), ("", "")]
)
def test_what_is_null_is_empty_and_all_else_as_python_shows_it(value, shown):
    assert asked({"x": value}, "({x})") == f"({shown})"


def test_formats_and_members_can_be_asked_for():
    assert asked({"x": 1.5, "y": {"z": "in"}}, "{x:.2f} {y[z]}") == "1.50 in"


def test_a_row_without_a_column_fails_alone():
    with pytest.raises(BadRowError, match=r"no column 'title'; there is: 'id'"):
        asked({"id": 1}, "{title}")


def test_what_a_row_needs_is_its_picture_and_what_its_templates_name():
    prompts = [Prompt("a", template="{x:.2f} {y[z]} {{no}}"), Prompt("b", template="{x.real}")]
    assert RowRequests(image_key="pic", prompts=prompts).needs() == ["pic", "x", "y", "x"]
    assert RowRequests(image_key=None, prompt_key="q", prompts=prompts).needs() == ["q"]


@pytest.mark.parametrize("template", ["{x:.2f}", "{x[0]}", "{x.y}", "{x!r:d}"])
def test_a_field_that_does_not_fit_its_place_fails_the_row(template):
    with pytest.raises(BadRowError, match="cannot be filled"):
        asked({"x": None}, template)


# --- what a serving can do ---------------------------------------------------------------------


@pytest.fixture
def rows(tmp_path):
    Image.new("RGB", (40, 40)).save(tmp_path / "0.png")
    Image.new("RGB", (41, 40)).save(tmp_path / "1.png")
    lines = [{"image": "0.png", "title": "Moon"}, {"image": "1.png", "title": "Sun"}]
    (tmp_path / "data.json").write_text(json.dumps(lines))
    return lines


def storage(tmp_path, cache_type="json"):
    return FileStorage(
        str(tmp_path / "data.json"), cache_path=str(tmp_path), cache_type=cache_type
    ).step()


def told(request, pictures):
    system = next((t.parts[0] for t in request.turns if t.role == "system"), "")
    return f"{pictures[0].width} {system}/{request.turns[-1].parts[-1]} {request.sample_index}"


def test_several_captions_at_temperature_0_are_refused(tmp_path, rows, monkeypatch):
    monkeypatch.setenv("DF_API_KEY", "x")
    serving = APIVLMServing_openai("http://127.0.0.1:9/v1", model_name="m", temperature=0)
    with pytest.raises(UsageError, match="temperature 0 they are all the same"):
        ImageCaptionGenerator(serving, "", n=2).run(storage(tmp_path))
    hot = Prompt("a", n=2, sampling={"temperature": 0})
    with pytest.raises(UsageError, match="temperature 0"):
        ImageCaptionGenerator(FakeServing(), "", prompts=[hot]).run(storage(tmp_path))
    with pytest.raises(UsageError, match="temperature 0"):
        PromptedVQAGenerator(serving, n=2).run(storage(tmp_path))


@pytest.mark.parametrize("sampling", [{"n": 3}, {"model": "x"}, {"stop": object()}])
def test_a_sampling_that_cannot_be_sent_is_refused_before_anything_is_asked(
    tmp_path, rows, sampling
):
    serving = FakeServing()
    with pytest.raises(UsageError, match="sampling"):
        ImageCaptionGenerator(serving, "", prompts=[Prompt("a", sampling=sampling)]).run(
            storage(tmp_path)
        )
    assert serving.asked == 0


class Theirs(LLMServingABC):
    """Lists in, lists out, as others write them."""

    def generate_from_input(self, user_inputs, system_prompt="", image_inputs=None):
        return [f"{system_prompt}/{question}" for question in user_inputs]

    def cleanup(self):
        pass


def test_a_serving_of_somebody_else_answers_several_prompts_but_takes_no_sampling(tmp_path, rows):
    prompts = [Prompt("a", question="A?"), Prompt("b", question="B?", system="You.")]
    ImageCaptionGenerator(Theirs(), "All.", prompts=prompts).run(storage(tmp_path))
    made = storage(tmp_path).step().read("dict")
    assert [(row["a"], row["b"]) for row in made] == [("All./A?", "You./B?")] * 2
    with pytest.raises(UsageError, match="cannot be told of it"):
        ImageCaptionGenerator(Theirs(), "", prompts=[Prompt("a", sampling={"max_tokens": 9})]).run(
            storage(tmp_path)
        )


# --- the operators -----------------------------------------------------------------------------


def test_the_captioner_fills_a_column_for_each_prompt_and_names_them(tmp_path, rows):
    prompts = [
        Prompt("short", question="Briefly?", system="You."),
        Prompt("titled", template="{title}?", n=2),
    ]
    captioner = ImageCaptionGenerator(FakeServing(told), "All.", prompts=prompts)
    assert captioner.run(storage(tmp_path)) == ["short", "titled"]
    assert storage(tmp_path).step().read("dict") == [
        {
            **rows[0],
            "short": "40 You./Briefly? 0",
            "titled": ["40 All./Moon? 0", "40 All./Moon? 1"],
        },
        {**rows[1], "short": "41 You./Briefly? 0", "titled": ["41 All./Sun? 0", "41 All./Sun? 1"]},
    ]


@pytest.mark.parametrize("cache_type", ["json", "jsonl", "parquet"])
def test_a_list_of_captions_stays_a_list_in_the_next_step(tmp_path, rows, cache_type):
    made = storage(tmp_path, cache_type)
    ImageCaptionGenerator(FakeServing(told), "", n=3).run(made, output_key="caption")
    right = [f"40 /Please describe the image in detail. {n}" for n in range(3)]
    assert list(made.step().read("dict")[0]["caption"]) == right


def test_a_storage_that_only_reads_and_writes_gets_all_columns_too(tmp_path, rows, monkeypatch):
    monkeypatch.chdir(tmp_path)
    memory = Memory([dict(row) for row in rows])
    prompts = [Prompt("a", question="A?", n=2), Prompt("b", template="{title}")]
    ImageCaptionGenerator(FakeServing(told), "", prompts=prompts).run(memory, meta=True)
    assert [row["a"] for row in memory.data] == [["40 /A? 0", "40 /A? 1"], ["41 /A? 0", "41 /A? 1"]]
    assert [row["b"] for row in memory.data] == ["40 /Moon 0", "41 /Sun 0"]
    assert list(memory.data[0]) == ["image", "title", "a", "a_meta", "b", "b_meta"]
    assert len(memory.data[0]["a_meta"]) == 2


def test_several_answers_to_each_rows_question(tmp_path, rows):
    asker = PromptedVQAGenerator(FakeServing(told), "S", prompt_template="{title}?", n=2)
    assert asker.run(storage(tmp_path), input_image_key="image") == "answer"
    made = storage(tmp_path).step().read("dict")
    assert [row["answer"] for row in made] == [
        ["40 S/Moon? 0", "40 S/Moon? 1"],
        ["41 S/Sun? 0", "41 S/Sun? 1"],
    ]


def test_n_beside_prompts_and_prompts_that_are_none_are_refused():
    for wrong in ({"n": 2, "prompts": [Prompt("a")]}, {"prompts": []}):
        with pytest.raises(UsageError, match="its own n"):
            ImageCaptionGenerator(FakeServing(), "", **wrong)


def test_a_prompt_called_like_a_column_that_is_there_is_refused(tmp_path, rows):
    serving = FakeServing()
    with pytest.raises(UsageError, match="'title' already"):
        ImageCaptionGenerator(serving, "", prompts=[Prompt("a"), Prompt("title")]).run(
            storage(tmp_path)
        )
    assert serving.asked == 0
