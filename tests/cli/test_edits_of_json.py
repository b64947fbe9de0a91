"""What a person changes in captions that are JSON stays, in every format, flattened or not."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pyarrow.feather
import pyarrow.parquet
import pytest

from tests.servers.chat_server import ChatServer

SCHEMA = {
    "type": "object",
    "properties": {
        "subject": {"type": "string"},
        "count": {"type": "integer"},
        "share": {"type": "number"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "place": {"type": ["string", "null"]},
    },
    "required": ["subject", "count", "share", "tags"],
    "additionalProperties": False,
}
FORMATS = ["jsonl", "json", "csv", "parquet", "arrow"]


def answer(number: int) -> str:
    value = {"subject": f"cat {number}", "count": number, "share": 1.0, "tags": ["a, b", "c"]}
    if number % 2:
        value["place"] = "at home"
    return json.dumps(value, indent=1)


@pytest.fixture
def caption(dataflow, pictures):
    """Captions three pictures; also how many requests were sent."""
    pictures(3)
    (dataflow.folder / "schema.json").write_text(json.dumps(SCHEMA))

    def run(ending: str, *more: str):
        numbers = iter(range(100))
        with ChatServer(lambda *_: answer(next(numbers)), models=("m",)) as server:
            done = dataflow(
                "caption", "photos", "--api-url", server.url, "--model", "m", "--schema",
                "schema.json", "-o", f"out.{ending}", "--concurrency", 1, *more,
            )  # fmt: skip
            assert done.returncode in (0, 3), done.stderr
            return done, len(server.bodies)

    return run


def spaced(name: str, cell: str) -> str:
    """A cell of JSON with blanks as Python writes them."""
    return json.dumps(json.loads(cell)) if name == "tags" and cell else cell


def read(path: Path) -> list[dict]:
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text().splitlines()]
    if path.suffix == ".json":
        return json.loads(path.read_text())
    if path.suffix == ".csv":
        rows = list(csv.DictReader(io.StringIO(path.read_text())))
        return [{name: spaced(name, cell) for name, cell in row.items()} for row in rows]
    table = pyarrow.parquet if path.suffix == ".parquet" else pyarrow.feather
    return table.read_table(path).to_pylist()


def write(path: Path, rows: list[dict]) -> None:
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif path.suffix == ".json":
        path.write_text(json.dumps(rows, indent=3))
    elif path.suffix == ".csv":
        text = io.StringIO()
        table = csv.DictWriter(text, [*rows[0]], quoting=csv.QUOTE_ALL)
        table.writeheader()
        table.writerows(rows)
        path.write_text(text.getvalue())
    elif path.suffix == ".parquet":
        schema = pyarrow.parquet.read_schema(path)
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows, schema), path)
    else:
        schema = pyarrow.feather.read_table(path).schema
        pyarrow.feather.write_feather(pyarrow.Table.from_pylist(rows, schema), str(path))


@pytest.mark.parametrize("ending", FORMATS)
def test_a_flattened_value_that_was_edited_stays(dataflow, caption, ending):
    caption(ending, "--flatten")
    path = dataflow.folder / f"out.{ending}"
    before = read(path)
    edited = [dict(row) for row in before]
    edited[1]["subject"] = "my own words"
    write(path, edited)
    done, requests = caption(ending, "--flatten")
    assert "1 captions" in done.stderr
    assert (requests, read(path)) == (0, edited)
    done, requests = caption(ending, "--flatten", "--prompt", "Another question.")
    assert (requests, read(path)[1]["subject"]) == (3, "my own words")


@pytest.mark.parametrize("ending", FORMATS)
def test_a_value_in_a_json_caption_that_was_edited_stays(dataflow, caption, ending):
    caption(ending)
    path = dataflow.folder / f"out.{ending}"
    rows = read(path)
    value = rows[1]["caption"]
    own = json.loads(value) if isinstance(value, str) else dict(value)
    own["tags"] = ["mine"]
    rows[1]["caption"] = json.dumps(own) if isinstance(value, str) else own
    write(path, rows)
    _, requests = caption(ending)
    found = read(path)[1]["caption"]
    found = json.loads(found) if isinstance(found, str) else found
    assert (requests, found) == (0, own)


@pytest.mark.parametrize("flatten", [[], ["--flatten"]])
@pytest.mark.parametrize("ending", FORMATS)
def test_a_file_that_was_only_saved_anew_holds_no_edit(dataflow, caption, ending, flatten):
    caption(ending, *flatten)
    path = dataflow.folder / f"out.{ending}"
    rows = read(path)
    write(path, rows)
    done, _ = caption(ending, *flatten)
    assert "edited" not in done.stderr
    assert read(path) == rows


@pytest.mark.parametrize("ending", ["jsonl", "csv"])
def test_words_in_place_of_a_json_caption_stay(dataflow, caption, ending):
    caption(ending)
    path = dataflow.folder / f"out.{ending}"
    rows = read(path)
    rows[2]["caption"] = "A cat, as I see it."
    write(path, rows)
    for _ in range(2):
        caption(ending, "--prompt", "Another question.")
        assert read(path)[2]["caption"].strip('"') == "A cat, as I see it."


@pytest.mark.parametrize("flatten", [[], ["--flatten"]])
def test_a_json_caption_that_was_emptied_stays_empty(dataflow, caption, flatten):
    caption("jsonl", *flatten)
    path = dataflow.folder / "out.jsonl"
    rows = read(path)
    rows[0] = {name: value if name == "image" else None for name, value in rows[0].items()}
    write(path, rows)
    done, _ = caption("jsonl", *flatten)
    assert done.returncode == 3
    assert read(path) == rows


def test_each_of_several_json_captions_is_compared_by_itself(dataflow, caption):
    caption("jsonl", "--n", "2", "--flatten")
    path = dataflow.folder / "out.jsonl"
    rows = read(path)
    rows[1]["subject"][1] = "mine"
    write(path, rows)
    done, requests = caption("jsonl", "--n", "2", "--flatten")
    assert "1 captions" in done.stderr
    assert (requests, read(path)) == (0, rows)
