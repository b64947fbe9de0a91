"""`--schema`, as the command asks it of real engines and of a server that does not heed it."""

from __future__ import annotations

import csv
import json

import jsonschema
import pyarrow.parquet
import pytest

from tests.servers.hostile_server import MODEL, HostileServer
from tests.serving.scenes import drawer

COLOURS, SHAPES = [*drawer.COLOURS], [*drawer.SHAPES]
SCHEMA = {
    "type": "object",
    "properties": {
        "background": {"enum": [*drawer.GROUNDS]},
        "shapes": {
            "type": "array",
            "minItems": 1,
            "maxItems": 3,
            "items": {
                "type": "object",
                "properties": {"shape": {"enum": SHAPES}, "colour": {"enum": COLOURS}},
                "required": ["shape", "colour"],
                "additionalProperties": False,
            },
        },
    },
    "required": ["background", "shapes"],
    "additionalProperties": False,
}


@pytest.fixture
def schema(dataflow):
    (dataflow.folder / "schema.json").write_text(json.dumps(SCHEMA))
    return ["--schema", "schema.json"]


@pytest.fixture
def scenes(dataflow):
    folder = dataflow.folder / "scenes"
    folder.mkdir()
    for number in range(3):
        drawer.draw(drawer.scene(drawer.HELD_OUT + number)).save(folder / f"{number}.png")
    return "scenes"


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_llama_cpp_is_held_to_the_schema_and_every_format_holds_what_it_says(
    dataflow, scenes, schema
):
    pytest.importorskip("xllamacpp")
    for name in ("a.jsonl", "b.parquet", "c.csv"):
        engine = ["--model", "demo", "--max-tokens", 1500, "-o", name]
        done = dataflow("caption", scenes, *schema, *engine)
        assert done.returncode == 0, done.stderr
    captions = [row["caption"] for row in lines(dataflow.folder / "a.jsonl")]
    for caption in captions:
        jsonschema.validate(caption, SCHEMA)
    table = pyarrow.parquet.read_table(dataflow.folder / "b.parquet")
    assert str(table.schema.field("caption").type).startswith("struct<background: string")
    assert table.column("caption").to_pylist() == captions
    cells = csv.DictReader((dataflow.folder / "c.csv").read_text().splitlines())
    assert [json.loads(cell["caption"]) for cell in cells] == captions
    done = dataflow("check", "a.jsonl", *schema, "--no-near", "--most-alike", 3)
    assert done.returncode == 0, done.stdout
    done = dataflow(
        "caption", scenes, *schema, "--spread", "--model", "demo", "--max-tokens", 1500,
        "-o", "a.jsonl", "--show",
    )  # fmt: skip
    assert "not asked again" in done.stderr
    assert [*lines(dataflow.folder / "a.jsonl")[0]] == ["image", "background", "shapes"]
    assert len(done.stdout.splitlines()) == 6
    assert "\tbackground\t" in done.stdout


def test_the_schema_goes_with_each_request_and_prose_is_asked_again_with_what_is_wrong(
    dataflow, pictures, schema
):
    pictures(2)
    with HostileServer() as server:
        engine = ["--api-url", server.url, "--model", MODEL]
        done = dataflow("caption", "photos", *engine, *schema)
        assert done.returncode == 3, done.stderr
        sent = [body["response_format"]["json_schema"] for body in server.bodies]
        assert sent == [{"name": "caption", "schema": SCHEMA, "strict": True}] * 6
        last = server.bodies[-1]["messages"][-1]["content"][-1]["text"]
        assert "did not fit the schema: it is no JSON" in last
        told = dataflow("estimate", "photos", *engine, *schema, "--json", "-o", "new.jsonl")
        assert json.loads(told.stdout)["requests"]["likely"] == 2
    errors = lines(dataflow.folder / "photos.captions.jsonl.errors.jsonl")
    assert [error["kind"] for error in errors] == ["schema"] * 2
    assert "no JSON" in errors[0]["message"]
    assert [row["caption"] for row in lines(dataflow.folder / "photos.captions.jsonl")] == [
        None
    ] * 2


def test_the_schema_can_be_told_in_words(dataflow, pictures, schema):
    pictures(1)
    with HostileServer() as server:
        engine = ["--api-url", server.url, "--model", MODEL, "--schema-as", "prompt"]
        dataflow("caption", "photos", *engine, *schema, "--on-reject", "flag", "--no-checks")
        [body] = server.bodies
    assert "response_format" not in body
    words = body["messages"][-1]["content"][-1]["text"]
    assert json.loads(words.partition("\n")[2]) == SCHEMA
    [error] = lines(dataflow.folder / "photos.captions.jsonl.errors.jsonl")
    assert error["kind"] == "schema", "the schema is checked in any case"


def test_a_prompt_file_has_a_schema_for_one_of_its_columns(dataflow, pictures, schema):
    pictures(1)
    text = '[prose]\nquestion = "Prose?"\n[json]\nquestion = "JSON?"\nschema = "schema.json"\n'
    (dataflow.folder / "p.toml").write_text(text)
    with HostileServer() as server:
        engine = ["--api-url", server.url, "--model", MODEL, "--prompt-file", "p.toml"]
        dataflow("caption", "photos", *engine, "--on-reject", "fail")
        assert sorted("response_format" in body for body in server.bodies) == [False, True]
    [row] = lines(dataflow.folder / "photos.captions.jsonl")
    assert row["prose"].startswith("A picture with the mark")
    assert row["json"] is None


WRONG = {
    "no file": (["--schema", "none.json"], "none.json cannot be read"),
    "nothing to spread": (["--spread"], "give --schema"),
    "nothing to tell": (["--schema-as", "prompt"], "give --schema"),
    "a sidecar": (["--schema", "schema.json", "--sidecar", ".txt"], "a sidecar holds a text"),
    "a prompt file": (
        ["--schema", "schema.json", "--prompt-file", "p.toml"],
        'write schema = "schema.json" in p.toml',
    ),
    "llava": (
        ["--schema", "schema.json", "-o", "o.json", "--output-format", "llava"],
        "holds a text as its answer",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_is_refused_with_its_reason(dataflow, pictures, schema, name):
    pictures(1)
    arguments, reason = WRONG[name]
    engine = ["--api-url", "http://127.0.0.1:9/v1", "--model", "m"]
    done = dataflow("caption", "photos", *engine, *arguments)
    assert done.returncode in (1, 2), done.stderr
    assert reason in " ".join(done.stderr.split())


def test_captions_that_do_not_fit_are_asked_for_again_and_stay_values(dataflow, scenes, schema):
    pytest.importorskip("xllamacpp")
    sound = {"background": SCHEMA["properties"]["background"]["enum"][0]}
    sound["shapes"] = [{"shape": SHAPES[0], "colour": COLOURS[0]}]
    rows = [
        {"image": f"scenes/{n}.png", "caption": told}
        for n, told in enumerate([sound, {**sound, "shapes": []}, "Sorry, I can't."])
    ]
    (dataflow.folder / "out.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert dataflow("check", "out.jsonl", *schema).returncode == 3
    engine = ["--fix", "--model", "demo", "--max-tokens", 1500]
    done = dataflow("check", "out.jsonl", *schema, *engine)
    assert done.returncode == 0, done.stderr
    fixed = lines(dataflow.folder / "out.fixed.jsonl")
    assert fixed[0] == rows[0]
    for row in fixed:
        jsonschema.validate(row["caption"], SCHEMA)
