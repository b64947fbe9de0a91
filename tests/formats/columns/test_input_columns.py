"""Which column holds the pictures and which the questions, where nobody says so."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataflow.core.errors import UsageError
from dataflow.formats.columns.input_columns import InputColumns, input_columns
from dataflow.formats.registry import open_reader

TURNS = [{"from": "human", "value": "<image>\nWhich colour?"}, {"from": "gpt", "value": "Red"}]


def lines(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return open_reader(path)


@pytest.mark.parametrize(
    "row",
    [
        {"image_path": "a.png", "id": 1},
        {"file_name": "a.png"},
        {"images": ["a.png", "b.png"], "text": "x"},
        {"img": "no-ending"},
        {"path": "x/a.jpg", "url_of_page": "https://x.org/"},
        {"url": "https://x.org/picture?id=1"},
        {"Filename": "a.JPG"},
        {"Image": "a.png", "id": 1},
        {" image": "a.png"},
        {"picture": {"bytes": "aGk=", "path": None}},
        {"data": {"bytes": "aGk=", "path": "a.png"}, "url": "https://x.org/a.png"},
    ],
)
def test_the_one_clear_picture_column_is_taken(tmp_path, row):
    found = input_columns(lines(tmp_path / "in.jsonl", row))
    assert found == InputColumns(next(iter(row)), None, is_guessed=True)


def test_the_only_column_of_bytes_is_taken(tmp_path):
    pq.write_table(pa.table({"n": [1], "raw": [b"\xff\xd8"], "t": ["x"]}), tmp_path / "x.parquet")
    assert input_columns(open_reader(tmp_path / "x.parquet")).picture == "raw"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"target": "a.png", "id": 1}, "--image-key target"),
        ({"left": "a.png", "right": "b.png"}, "'left', 'right'.*--image-key left"),
        ({"img": "a.png", "photo": "b.png"}, "'img', 'photo'.*--image-key img"),
        ({"path": "readme", "text": "x"}, "'path', 'text'.*--image-key NAME"),
    ],
)
def test_what_is_not_clear_is_an_error_that_names_the_option(tmp_path, row, message):
    with pytest.raises(UsageError, match=message):
        input_columns(lines(tmp_path / "in.jsonl", row))


def test_a_column_that_is_there_or_was_named_is_not_guessed(tmp_path):
    reader = lines(tmp_path / "in.jsonl", {"images": "b.png"}, {"image": "a.png"})
    assert input_columns(reader) == InputColumns("image")
    assert input_columns(reader, "pic") == InputColumns("pic")
    assert input_columns(lines(tmp_path / "none.jsonl")) == InputColumns("image")


@pytest.mark.parametrize("name", ["conversation", "conversations", "messages"])
@pytest.mark.parametrize("is_text", [False, True])
def test_a_column_of_turns_is_a_conversation(tmp_path, name, is_text):
    value = json.dumps(TURNS) if is_text else TURNS
    found = input_columns(lines(tmp_path / "in.jsonl", {"image": "a.png", name: value}))
    assert found == InputColumns("image", name)


@pytest.mark.parametrize("value", ["a talk", ["a", "b"], [], None, [{"text": "x"}], "[1]"])
def test_a_column_of_that_name_that_holds_no_turns_is_none(tmp_path, value):
    reader = lines(tmp_path / "in.jsonl", {"image": "a.png", "messages": value})
    assert input_columns(reader).conversation is None


@pytest.mark.parametrize("name", ["question", "query", "Prompt", "instruction"])
def test_a_column_that_looks_like_each_rows_question_is_noted(tmp_path, name):
    found = input_columns(lines(tmp_path / "in.jsonl", {"image": "a.png", name: "Which colour?"}))
    assert found == InputColumns("image", unasked=(name,))
    pq.write_table(pa.table({"image": ["a.png"], name: ["Which?"]}), tmp_path / "x.parquet")
    assert input_columns(open_reader(tmp_path / "x.parquet")).unasked == (name,)


@pytest.mark.parametrize("name", ["dialog", "chat", "qa"])
def test_turns_under_another_name_are_noted(tmp_path, name):
    found = input_columns(lines(tmp_path / "in.jsonl", {"image": "a.png", name: TURNS}))
    assert found == InputColumns("image", unasked=(name,))


def test_beside_a_conversation_nothing_is_noted(tmp_path):
    row = {"image": "a.png", "messages": TURNS, "prompt": "x"}
    assert input_columns(lines(tmp_path / "in.jsonl", row)) == InputColumns("image", "messages")


def asked(*parts, role="user"):
    return {"messages": [{"role": role, "content": list(parts)}]}


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image", "image": "a.png"},
        {"type": "image_url", "image_url": {"url": "https://x.org/a.png"}},
        {"type": "input_image", "image_url": "https://x.org/a.png"},
        {"type": "image", "path": "a.png", "text": None},
    ],
)
def test_pictures_inside_the_turns_are_the_pictures(tmp_path, part):
    reader = lines(tmp_path / "in.jsonl", asked({"type": "text", "text": "Why?"}, part))
    assert input_columns(reader) == InputColumns("messages", "messages", is_guessed=True)


@pytest.mark.parametrize(
    "row",
    [
        asked({"type": "image"}, {"type": "text", "text": "Why?"}),
        asked({"type": "image", "image": "a.png"}, role="assistant"),
        asked({"type": "text", "text": "a.png"}),
    ],
)
def test_turns_without_a_persons_pictures_are_no_picture_column(tmp_path, row):
    with pytest.raises(UsageError, match="--image-key NAME"):
        input_columns(lines(tmp_path / "in.jsonl", row))


def test_a_picture_column_goes_before_the_pictures_of_the_turns(tmp_path):
    row = {**asked({"type": "image", "image": "b.png"}), "images": ["a.png"]}
    assert input_columns(lines(tmp_path / "in.jsonl", row)).picture == "images"
