"""The record of a run, and a run repeated from it."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing

import pytest

from tests.servers.hostile_server import KEY, MODEL, HostileServer


@pytest.fixture
def server():
    with HostileServer() as running:
        yield running


def keys_of(output):
    with closing(sqlite3.connect(f"{output}.dataflow/journal.sqlite")) as db:
        return {key for (key,) in db.execute("SELECT key FROM results")}


def test_a_run_leaves_a_record_of_how_its_captions_were_made(dataflow, pictures, server):
    pictures(3)
    secret = "sk-a-secret-that-no-file-may-hold-0123456789"
    done = dataflow(
        "caption", "photos", "-o", "out.jsonl", "--api-url", server.url, "--model", MODEL,
        "--prompt", "What is this?", "--temperature", 0.5, "--header", f"X-Token: {secret}",
        DF_API_KEY=KEY,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    text = (dataflow.folder / "out.jsonl.run.json").read_text()
    assert KEY not in text
    assert secret not in text
    record = json.loads(text)
    assert record["options"]["temperature"] == 0.5
    assert record["prompts"]["caption"]["text"] == "What is this?"
    assert record["models"] == [{"model": MODEL, "captions": 3}]
    assert record["counts"]["captioned"] == record["counts"]["rows"] == 3
    assert record["latest run"]["requests"] == 3
    assert record["started"] <= record["ended"]


def test_a_run_from_a_record_makes_the_same_requests(dataflow, pictures, server):
    pictures(3)
    first = ["--api-url", server.url, "--model", MODEL, "--prompt", "What?", "--max-side", 512]
    assert dataflow("caption", "photos", "-o", "out.jsonl", *first).returncode == 0
    new = dataflow.folder / "new"
    new.mkdir()
    shutil.copytree(dataflow.folder / "photos", new / "photos")
    done = dataflow("caption", "new/photos", "-o", "new/o.jsonl", "--from", "out.jsonl.run.json")
    assert done.returncode == 0, done.stderr
    assert keys_of(new / "o.jsonl") == keys_of(dataflow.folder / "out.jsonl")


def test_the_command_line_wins_over_the_record(dataflow, pictures, server):
    pictures(1)
    first = ["--api-url", server.url, "--model", MODEL, "--prompt", "What?"]
    assert dataflow("caption", "photos", "-o", "out.jsonl", *first).returncode == 0
    arguments = ["photos", "-o", "o.jsonl", "--from", "out.jsonl.run.json", "--prompt", "Who?"]
    assert dataflow("caption", *arguments).returncode == 0
    record = json.loads((dataflow.folder / "o.jsonl.run.json").read_text())
    assert record["options"]["prompt"] == "Who?"


@pytest.mark.parametrize("text", [None, "{", "[]", '{"format": 99, "options": {}}', "{}"])
def test_what_is_no_record_is_wrong_usage(dataflow, pictures, text):
    pictures(1)
    if text is not None:
        (dataflow.folder / "r.json").write_text(text)
    done = dataflow("caption", "photos", "--from", "r.json")
    assert done.returncode == 2
    assert "--from r.json" in done.stderr
