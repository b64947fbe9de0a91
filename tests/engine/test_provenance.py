"""The provenance of each caption."""

from __future__ import annotations

import json
import re

import pytest
from PIL import Image

import dataflow
from dataflow.engine.provenance import digest_of, model_name
from tests.decisions import decide
from tests.servers.hostile_server import KEY, MODEL, HostileServer


@pytest.fixture
def picture_folder(tmp_path):
    """Makes a folder of so many pictures."""

    def make(count):
        folder = tmp_path / "photos"
        folder.mkdir()
        for number in range(count):
            Image.new("RGB", (8, 8), (number, 0, 0)).save(folder / f"{number}.png")
        return folder

    return make


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("DF_API_KEY", KEY)
    with HostileServer() as running:
        yield running


def caption(server, folder, output, **options):
    dataflow.caption(
        folder, output=str(output), api_url=server.url, model=MODEL, quiet=True,
        **{"provenance": True, "prompt": "What?", **options},
    )  # fmt: skip
    return [json.loads(line) for line in output.read_text().splitlines()]


def test_a_machines_caption_bears_model_prompt_date_and_machine(server, picture_folder, tmp_path):
    rows = caption(server, picture_folder(2), tmp_path / "o.jsonl")
    for row in rows:
        found = row["caption_provenance"]
        assert found.pop("date").endswith("Z")
        assert found == {"model": MODEL, "prompt_sha256": digest_of("What?"), "author": "machine"}


def test_an_edited_caption_bears_the_persons_name(server, picture_folder, tmp_path):
    folder, output = picture_folder(2), tmp_path / "o.jsonl"
    caption(server, folder, output)
    decide(output, 1, "edit", "Mine.", author="Ada")
    decide(output, 0, "accept", author="Ada")
    rows = caption(server, folder, output)
    assert [row["caption_provenance"]["author"] for row in rows] == ["machine", "Ada"]
    assert rows[1]["caption"] == "Mine."


def test_a_row_without_a_caption_has_no_provenance(server, picture_folder, tmp_path):
    folder = picture_folder(2)
    (folder / "broken.png").write_bytes(b"no picture")
    rows = caption(server, folder, tmp_path / "o.jsonl")
    [failed] = [row for row in rows if row["caption"] is None]
    assert set(failed["caption_provenance"].values()) == {None}


def test_a_row_that_keeps_another_prompts_caption_names_no_prompt(server, picture_folder, tmp_path):
    folder, output = picture_folder(2), tmp_path / "o.jsonl"
    caption(server, folder, output)
    rows = caption(server, folder, output, prompt="Who?", only=["0"])
    assert [row["caption_provenance"]["prompt_sha256"] for row in rows] == [
        digest_of("Who?"),
        None,
    ]


def test_rows_in_memory_get_it_too(server, picture_folder):
    pictures = sorted(map(str, picture_folder(1).glob("*.png")))
    [row] = dataflow.caption(
        [{"image": one} for one in pictures], api_url=server.url, model=MODEL, prompt="What?",
        provenance=True, quiet=True,
    )  # fmt: skip
    assert row["caption_provenance"]["author"] == "machine"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", row["caption_provenance"]["date"])


@pytest.mark.parametrize(
    ("model", "shown"),
    [
        ("Qwen/Qwen2.5-VL-7B-Instruct", "Qwen/Qwen2.5-VL-7B-Instruct"),
        ("gpt-4o", "gpt-4o"),
        ("/home/ada/models/x.gguf", "x.gguf"),
        ("C:\\Users\\ada\\x.gguf", "x.gguf"),
        ("", ""),
    ],
)
def test_a_models_folder_on_this_machine_is_not_published(model, shown):
    assert model_name(model) == shown


def operator_provenance(folder, pictures, system):
    rows = [{"image": str(one)} for one in pictures]
    folder.mkdir()
    (folder / "in.json").write_text(json.dumps(rows))
    storage = dataflow.FileStorage(str(folder / "in.json"), cache_path=str(folder / "cache"))
    operator = dataflow.ImageCaptionGenerator(dataflow.FakeServing("A square."), system)
    operator.run(storage.step(), output_key="caption", provenance=True)
    [row] = storage.step().read("dict")
    return row["caption_provenance"]


def test_an_operator_notes_it_too(tmp_path, picture_folder):
    pictures = list(picture_folder(1).glob("*.png"))
    short = operator_provenance(tmp_path / "a", pictures, "Be short.")
    long = operator_provenance(tmp_path / "b", pictures, "Be long.")
    assert (short["author"], len(short["prompt_sha256"])) == ("machine", 64)
    assert short["prompt_sha256"] != long["prompt_sha256"]
