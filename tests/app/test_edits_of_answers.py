"""Answers that are JSON, edited in the output by hand: what a person wrote is never lost."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any
from unittest import mock

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from dataflow.app.caption import caption
from dataflow.app.edits import edits
from dataflow.app.options.commands.caption import CaptionOptions
from dataflow.app.options.commands.edits import EditsOptions
from dataflow.serving.fake import FakeServing

SCHEMA = {
    "type": "object",
    "properties": {
        "text": {"type": "string"},
        "score": {"type": "number"},
        "is_sharp": {"type": "boolean"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "size": {
            "type": "object",
            "properties": {"wide": {"type": "integer"}, "note": {"type": "string"}},
            "additionalProperties": False,
        },
        "any": {},
    },
    "additionalProperties": False,
}
ANSWER = (
    '```json\n{"score": 1.10, "text": "A \\"red\\" car.\\nTwo lines. ", "tags": ["a", "b"],\n'
    '"is_sharp": true, "size": {"wide": 7}, "any": {"z": 1, "a": [1.50]}}\n```'
)
FORMS = ("jsonl", "json", "csv", "parquet", "arrow")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    for number in range(3):
        Image.new("RGB", (16, 16), (80 * number, 9, 9)).save(f"photos/{number}.png")
    Path("schema.json").write_text(json.dumps(SCHEMA))
    return tmp_path


def run(form: str, answer: str = ANSWER, **more: Any) -> int:
    """The same command; returns its requests."""
    serving = FakeServing(lambda *_: answer, model="m", max_workers=2)
    given = {"source": "photos", "output": f"o.{form}", "schema": "schema.json", "prompt": "What?"}
    options = CaptionOptions(**{**given, "model": "m", "yes": True, **more})
    with mock.patch("dataflow.app.planning.plan.serving_of", return_value=serving):
        caption(options)
    return serving.asked


def cells(form: str) -> list[dict[str, Any]]:
    """The rows as a person's program reads them."""
    path = Path(f"o.{form}")
    if form == "parquet":
        return pq.read_table(path).to_pylist()
    if form == "arrow":
        return pa.ipc.open_file(path).read_all().to_pylist()
    if form == "csv":
        with path.open(newline="") as file:
            return list(csv.DictReader(file))
    text = path.read_text()
    return json.loads(text) if form == "json" else [json.loads(one) for one in text.splitlines()]


def edit(form: str, row: int, **changes: Any) -> None:
    rows, path = cells(form), Path(f"o.{form}")
    rows[row].update(changes)
    if form in ("parquet", "arrow"):
        kept = pq.read_schema(path) if form == "parquet" else pa.ipc.open_file(path).schema
        table = pa.Table.from_pylist(rows, schema=kept)
        if form == "parquet":
            pq.write_table(table, path)
        else:
            with pa.ipc.new_file(path, kept) as file:
                file.write_table(table)
    elif form == "csv":
        with path.open("w", newline="") as file:
            table = csv.DictWriter(file, rows[0])
            table.writeheader()
            table.writerows(rows)
    elif form == "json":
        path.write_text(json.dumps(rows, indent=1))
    else:
        path.write_text("".join(json.dumps(one) + "\n" for one in rows))


def edits_listed(form: str) -> list[Any]:
    return edits(EditsOptions(output=f"o.{form}"))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "change",
    [
        {"text": "by hand"},
        {"score": 2.5},
        {"is_sharp": False},
        {"tags": ["by", "hand"]},
        {"size": {"wide": 8, "note": "by hand"}},
        {"any": "by hand"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_property_edited_in_its_own_column_is_kept(form, change):
    run(form, flatten=True)
    [(name, value)] = change.items()
    is_text = form == "csv" or (name == "any" and form in ("parquet", "arrow"))
    given = json.dumps(value) if is_text and name != "text" else value
    before = cells(form)
    edit(form, 1, **{name: given})
    edited = cells(form)
    assert run(form, flatten=True) == 0
    assert cells(form) == edited
    assert cells(form) != before
    assert run(form, flatten=True, prompt="What else?") == 3
    assert cells(form)[1][name] == edited[1][name]
    assert len(edits_listed(form)) == 1


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("flatten", [True, False], ids=["flat", "whole"])
@pytest.mark.parametrize("n", [1, 2])
def test_an_output_that_nobody_edited_but_only_saved_again_has_no_edits(form, flatten, n):
    run(form, flatten=flatten, n=n)
    edit(form, 0)
    run(form, flatten=flatten, n=n)
    assert edits_listed(form) == []


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("flatten", [True, False], ids=["flat", "whole"])
def test_one_of_several_answers_that_was_edited_is_kept(form, flatten):
    run(form, flatten=flatten, n=2)
    name = "text" if flatten else "caption"
    value = cells(form)[1][name]
    value = json.loads(value) if isinstance(value, str) else value
    if flatten:
        value[1] = "by hand"
    elif isinstance(value[1], str):  # a column with types holds the JSON text
        value[1] = json.dumps({**json.loads(value[1]), "text": "by hand"})
    else:
        value[1]["text"] = "by hand"
    edit(form, 1, **{name: json.dumps(value) if form == "csv" else value})
    edited = cells(form)
    assert run(form, flatten=flatten, n=2) == 0
    assert [str(row[name]).count("by hand") for row in cells(form)] == [0, 1, 0]
    if form in ("jsonl", "json"):
        assert cells(form) == edited


@pytest.mark.parametrize("form", FORMS)
def test_a_whole_answer_edited_in_its_column_is_kept(form):
    run(form)
    value = cells(form)[1]["caption"]
    is_text = isinstance(value, str)
    value = {**(json.loads(value) if is_text else value), "text": "by hand"}
    edit(form, 1, caption=json.dumps(value) if is_text else value)
    run(form)
    run(form, prompt="What else?")
    found = cells(form)[1]["caption"]
    assert (json.loads(found) if is_text else found) == value
    assert len(edits_listed(form)) == 1


@pytest.mark.parametrize("form", ["jsonl", "csv"])
@pytest.mark.parametrize("name", ["caption", "score"])
def test_words_that_do_not_fit_the_schema_are_kept_too(form, name):
    flatten = name == "score"
    run(form, flatten=flatten)
    edit(form, 1, **{name: "my own words"})
    run(form, flatten=flatten)
    run(form, flatten=flatten)
    assert cells(form)[1][name].strip('"') == "my own words"


@pytest.mark.parametrize("form", FORMS)
def test_an_answer_that_was_emptied_stays_empty(form):
    run(form, flatten=True)
    empty = "" if form == "csv" else None
    edit(form, 1, **dict.fromkeys(SCHEMA["properties"], empty))
    assert run(form, flatten=True) == 0
    assert [row["text"] in ("", None) for row in cells(form)] == [False, True, False]


def test_an_edit_of_an_answer_that_is_taken_back_by_hand_is_taken_back():
    run("jsonl", flatten=True)
    before = cells("jsonl")
    edit("jsonl", 1, text="by hand")
    run("jsonl", flatten=True)
    edit("jsonl", 1, text=before[1]["text"])
    run("jsonl", flatten=True)
    assert cells("jsonl") == before


def test_a_row_that_failed_takes_a_persons_answer():
    run("jsonl", answer="no JSON", flatten=True)
    edit("jsonl", 1, text="by hand")
    run("jsonl", flatten=True)
    assert cells("jsonl")[1]["text"] == "by hand"


def test_what_nobody_edited_of_an_answer_keeps_its_digits():
    run("jsonl", flatten=True)
    edit("jsonl", 1, text="by hand")
    run("jsonl", flatten=True)
    line = Path("o.jsonl").read_text().splitlines()[1]
    assert "1.10" in line
    assert "1.50" in line


@pytest.mark.parametrize("form", FORMS)
def test_one_of_several_plain_captions_that_was_edited_is_kept(form):
    run(form, answer="A picture.", schema=None, n=2)
    value = ["A picture.", "by hand"]
    edit(form, 1, caption=json.dumps(value) if form == "csv" else value)
    run(form, answer="A picture.", schema=None, n=2)
    found = cells(form)[1]["caption"]
    assert (json.loads(found) if form == "csv" else found) == value
