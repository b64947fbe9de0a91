"""LLaVA's conversations out; in, they are JSON."""

from __future__ import annotations

import json

import pytest

from dataflow.core.column_types import ListType
from dataflow.core.errors import OutputError, UsageError
from dataflow.core.row import Row
from dataflow.formats.columns.field_filter import FieldFilter
from dataflow.formats.output_spec import writer_for
from dataflow.formats.registry import open_reader
from tests.formats.promises import promise


def written(tmp_path, rows, captions, reader=None, **options):
    path = tmp_path / "out.json"
    options = {"format_name": "llava", "question": "What is it?", **options}
    writer = writer_for(path, reader, ["caption"], **options)(path)
    try:
        for row, caption in zip(rows, captions, strict=True):
            writer.write(row, {"caption": caption})
    except OutputError:
        writer.discard()
        raise
    writer.close()
    return json.loads(path.read_bytes())


def rows_of(*fields):
    return [Row(index, one, f"row {index}") for index, one in enumerate(fields)]


@promise("round trip", "LLaVA")
def test_a_caption_is_the_answer_to_what_was_asked(tmp_path):
    [one, two] = written(tmp_path, rows_of({"image": "a.jpg", "n": 1}, {"id": "x"}), ["A.", "é"])
    assert one == {
        "id": "000000000",
        "image": "a.jpg",
        "n": 1,
        "conversations": [
            {"from": "human", "value": "<image>\nWhat is it?"},
            {"from": "gpt", "value": "A."},
        ],
    }
    assert two["conversations"][0] == {"from": "human", "value": "What is it?"}


def test_a_list_of_answers_has_no_place_and_is_refused(tmp_path):
    with pytest.raises(UsageError, match="not a list"):
        writer_for(tmp_path / "x", None, {"caption": ListType()}, format_name="llava")(
            tmp_path / "x"
        )


@promise("round trip", "LLaVA")
def test_a_conversation_of_its_own_goes_on(tmp_path):
    source = tmp_path / "in.json"
    asked = {"from": "human", "value": "Why?\n<image>"}
    done = [{"from": "human", "value": "Hm?"}, {"from": "gpt", "value": "Yes."}]
    source.write_text(json.dumps([
        {"id": "1", "image": "a.jpg", "conversations": [asked]},
        {"id": "2", "image": "b.jpg", "conversations": done},
    ]))  # fmt: skip
    reader = open_reader(source)
    one, two = written(tmp_path, reader.rows(), ["Because.", "New."], reader)
    assert one["conversations"] == [asked, {"from": "gpt", "value": "Because."}]
    assert two["conversations"] == [
        {"from": "human", "value": "<image>\nHm?"}, done[1],
        {"from": "human", "value": "What is it?"}, {"from": "gpt", "value": "New."},
    ]  # fmt: skip
    assert [dict(row.fields) for row in open_reader(tmp_path / "out.json").rows()] == [one, two]


def test_a_row_without_a_caption_is_left_out(tmp_path):
    assert [row["id"] for row in written(tmp_path, rows_of({"id": 1}, {"id": 2}), [None, "x"])] == [
        2
    ]


@promise("fields", "LLaVA")
@pytest.mark.parametrize(
    ("choice", "left"),
    [
        (FieldFilter(drop=frozenset({"note"})), '"id": "7", "image": "1.jpg", "price": 1.10'),
        (FieldFilter(frozenset({"image", "id"})), '"id": "7", "image": "1.jpg"'),
        (
            FieldFilter(drop=frozenset({"id", "note"})),
            '"id": "000000000", "image": "1.jpg", "price": 1.10',
        ),
    ],
)
def test_left_out_fields_are_gone_and_the_others_keep_their_digits(tmp_path, choice, left):
    """A row always has an id, its picture, and a conversation that ends with the caption."""
    source, output = tmp_path / "in.json", tmp_path / "out.json"
    source.write_text('[{"id": "7", "image": "1.jpg", "price": 1.10, "note": "ü"}]')
    reader = open_reader(source)
    options = {"format_name": "llava", "question": "What is it?", "choice": choice}
    writer = writer_for(output, reader, ["caption"], **options)(output)
    for row in reader.rows():
        writer.write(row, {"caption": "A."})
    writer.close()
    assert f'{{{left}, "conversations": [' in output.read_text()
    assert json.loads(output.read_text())[0]["conversations"][-1]["value"] == "A."


@promise("clear errors", "LLaVA")
@pytest.mark.parametrize(
    "fields",
    [
        {"image": b"x"},
        {"image": {"bytes": b"x", "path": None}},
        {"image": [b"x", b"y"]},
        {"conversations": "Hi"},
    ],
)
def test_what_has_no_place_is_told_with_its_row(tmp_path, fields):
    with pytest.raises(OutputError, match="row 0: "):
        written(tmp_path, rows_of(fields), ["c"])


@promise("empty", "LLaVA")
def test_no_rows_make_an_empty_array(tmp_path):
    assert written(tmp_path, [], []) == []


def test_the_picture_of_another_column_is_named_under_image(tmp_path):
    rows = rows_of({"foto": {"path": "a.jpg", "bytes": b"x"}}, {"foto": ["b.jpg"], "image": "n"})
    one, two = written(tmp_path, rows, ["A", "B"], picture_key="foto")
    assert (one["image"], one["foto"], two["image"]) == ("a.jpg", "a.jpg", "b.jpg")
    assert one["conversations"][0]["value"] == "<image>\nWhat is it?"


def test_each_of_several_pictures_has_its_place_in_the_question(tmp_path):
    told = [{"from": "human", "value": "<image> Which?"}]
    rows = rows_of({"image": ["a", "b"]}, {"image": ["a", "b"], "conversations": told})
    one, two = written(tmp_path, rows, ["A", "B"])
    assert one["image"] == ["a", "b"]
    assert one["conversations"][0]["value"] == "<image>\n<image>\nWhat is it?"
    assert two["conversations"][0]["value"] == "<image>\n<image> Which?"


def test_a_picture_by_its_url_and_those_inside_the_turns_are_named(tmp_path):
    parts = [{"type": "image_url", "image_url": {"url": "http://x/b"}}, {"text": "Why?"}]
    rows = rows_of({"image": {"url": "http://x/a"}}, {"m": 1, "messages": [{"role": "user"}]})
    rows[1].fields["messages"][0]["content"] = parts
    [one] = written(tmp_path, rows[:1], ["A"])
    assert (one["image"], one["conversations"][0]["value"]) == (
        "http://x/a",
        "<image>\nWhat is it?",
    )
    [two] = written(tmp_path, rows[1:], ["B"], picture_key="messages")
    assert (two["image"], two["conversations"][0]["value"]) == ("http://x/b", "<image>Why?")


def test_cocos_picture_is_named_under_image_though_fields_are_left_out(tmp_path):
    source = tmp_path / "in.json"
    source.write_text('{"images": [{"id": 3, "file_name": "a.jpg", "n": 1}]}')
    reader = open_reader(source)
    choice = FieldFilter(drop=frozenset({"n", "file_name"}))
    [one] = written(tmp_path, reader.rows(), ["A"], reader, choice=choice)
    assert (one["id"], one["image"], sorted(one)) == (3, "a.jpg", ["conversations", "id", "image"])
    assert one["conversations"][0]["value"] == "<image>\nWhat is it?"


def test_the_picture_cannot_be_left_out(tmp_path):
    source = tmp_path / "in.jsonl"
    source.write_text('{"id": 1, "foto": "a.jpg"}\n')
    choice = FieldFilter(frozenset({"id"}))
    with pytest.raises(UsageError, match="llava needs the column 'foto'; add --keep foto"):
        written(tmp_path, [], [], open_reader(source), choice=choice, picture_key="foto")
