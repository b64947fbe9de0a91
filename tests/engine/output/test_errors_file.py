"""The errors file is UTF-8, so that a search finds the words of its rows in any language."""

from __future__ import annotations

import json
import os

import pytest

from dataflow.engine.runner import run
from dataflow.serving.fake import FakeServing


@pytest.mark.parametrize("name", ["坏的.jpg", "fotografía.jpg", "фото.jpg", "📷.jpg"])
def test_names_stand_in_it_as_they_are(dataset, name):
    dataset.names.append(name)
    (dataset.folder / name).write_text("no picture")
    run(dataset.add(2).plan(FakeServing("a boat")))
    data = (dataset.folder / "out.jsonl.errors.jsonl").read_bytes()
    assert name.encode() in data
    assert name in dataset.errors()[0]["message"]


def test_a_name_that_is_no_utf_8_is_written_out(dataset):
    name = os.fsdecode(b"\xff.jpg")
    dataset.names.append(name)
    dataset.add(2)
    (dataset.folder / name).write_text("no picture")
    run(dataset.plan(FakeServing("a boat")))
    text = (dataset.folder / "out.jsonl.errors.jsonl").read_bytes().decode("utf-8")
    assert json.loads(text.splitlines()[0])["kind"] == "picture"
