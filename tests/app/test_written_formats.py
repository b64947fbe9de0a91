"""An output that nobody changed is no edit, in any format, whatever blanks its captions hold."""

from __future__ import annotations

import os
from pathlib import Path
from unittest import mock

import pytest
from PIL import Image

from dataflow.app.caption import caption
from dataflow.app.edits import edits
from dataflow.app.options.commands.caption import CaptionOptions
from dataflow.app.options.commands.edits import EditsOptions
from dataflow.app.planning.written_rows import rows_written
from dataflow.core.errors import StopRunError
from dataflow.remote.path import to_path
from dataflow.serving.fake import FakeServing

TEXT = 'One  "line".\n\n  Another,\tone\u2028 here; \u00a0end.'
NAMES = (
    "o.jsonl",
    "o.json",
    "o.csv",
    "o.tsv",
    "o.parquet",
    "o.arrow",
    "o.jsonl.gz",
    "wds",
    "llava",
)


def options_of(name: str, **more) -> CaptionOptions:
    output_format = {"wds": "webdataset", "llava": "llava"}.get(name)
    output = {"wds": "o.tar", "llava": "o.json"}.get(name, name)
    pictures = {"with_pictures": True} if name == "wds" else {}
    return CaptionOptions(
        source="photos", output=output, output_format=output_format, no_checks=True, model="m",
        **pictures, **more,
    )  # fmt: skip


def run(options: CaptionOptions, answer) -> None:
    serving = FakeServing(answer, model="m", max_workers=1)
    with mock.patch("dataflow.app.planning.plan.serving_of", return_value=serving):
        caption(options)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    for number in range(5):
        Image.new("RGB", (16, 16), (50 * number, 9, 9)).save(f"photos/{number}.png")
    return tmp_path


def touch(name: str) -> None:
    """Let every file of the output look changed."""
    for path in Path().rglob("*"):
        if path.is_file() and "photos" not in path.parts and ".dataflow" not in str(path):
            os.utime(path, ns=(1, 1))


@pytest.mark.parametrize("name", NAMES)
def test_an_output_that_nobody_changed_is_no_edit(folder, name):
    options = options_of(name)
    run(options, lambda *_: TEXT)
    touch(name)
    run(options, lambda *_: "never asked")
    assert edits(EditsOptions(output=options.output)) == []


@pytest.mark.parametrize("name", NAMES)
def test_a_run_that_stopped_goes_on_to_the_end_of_an_unbroken_one(folder, name):
    """Show what a stop leaves, in each format: what is answered, and then all of it."""
    answers = [f"{TEXT} {number}" for number in range(5)]
    whole = options_of(name)
    run(whole, answers)
    expected = sorted(read(whole), key=str)
    for path in sorted(Path().glob("*")):
        if path.name != "photos":
            path.rename(folder.parent / f"{folder.name}-{path.name}")
    with pytest.raises(StopRunError):
        run(whole, [*answers[:3], StopRunError("no more")])
    assert sum(text is not None for text in read(whole)) == 3
    run(whole, answers[3:])
    assert sorted(read(whole), key=str) == expected
    assert edits(EditsOptions(output=whole.output)) == []


def read(options: CaptionOptions) -> list[str | None]:
    rows = rows_written(options, to_path(options.output))
    return [row.fields.get("caption") or None for row in rows]
