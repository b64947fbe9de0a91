"""Captions that are asked for again get their affixes, and edits of fixed datasets are kept."""

from __future__ import annotations

import json
from pathlib import Path
from unittest import mock

import pytest
from PIL import Image

from dataflow.app.caption import caption
from dataflow.app.options.commands.caption import CaptionOptions
from dataflow.app.options.commands.check import CheckOptions
from dataflow.app.quality.fix import fix
from dataflow.serving.fake import FakeServing

REFUSAL = "I'm sorry, but I can't help with that."
AFFIXES = {"trigger": "ohwx", "prefix": "photo of ", "suffix": ", best quality"}


def asked(go, *answers: str) -> int:
    """Call `go` while an engine gives the answer of each picture's number; returns the requests."""
    serving = FakeServing(lambda _, seen: answers[seen[0].width - 32], model="m", max_workers=1)
    with mock.patch("dataflow.app.planning.plan.serving_of", return_value=serving):
        go()
    return serving.asked


def fixed(dataset: str, answer: str = "", **more) -> int:
    options = CheckOptions(
        output=dataset, fix=True, near=False, yes=True, model="m", max_asks=1, **more
    )
    return asked(lambda: fix(options), answer, answer, answer)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    for number in range(3):
        Image.new("RGB", (32 + number, 32), (80 * number, 9, 9)).save(f"photos/{number}.png")
    return tmp_path


def captioned(**more) -> None:
    options = CaptionOptions(source="photos", model="m", no_checks=True, **AFFIXES, **more)
    answers = ("A red wall in the sun.", REFUSAL, "A blue door, half open.")
    asked(lambda: caption(options), *answers)


@pytest.mark.parametrize("answer", ["A grey cat on a mat.", "photo of ohwx, A grey cat on a mat."])
def test_a_new_caption_beside_its_picture_has_the_affixes_of_the_run_once(answer):
    captioned(sidecar=".txt")
    assert "sorry" in Path("photos/1.txt").read_text()
    assert fixed("photos", answer) == 1
    assert Path("photos/1.txt").read_text() == "photo of ohwx, A grey cat on a mat., best quality"
    assert Path("photos/0.txt").read_text() == "photo of ohwx, A red wall in the sun., best quality"


def test_a_new_caption_in_a_dataset_has_the_affixes_of_the_run():
    captioned(output="o.jsonl")
    assert fixed("o.jsonl", "A grey cat on a mat.") == 1
    rows = [json.loads(line) for line in Path("o.fixed.jsonl").read_text().splitlines()]
    assert rows[1]["caption"] == "photo of ohwx, A grey cat on a mat., best quality"
    assert fixed("o.fixed.jsonl") == 0, "affixes are no fault"


def test_affixes_that_the_options_name_win_over_those_of_the_run():
    captioned(output="o.jsonl")
    fixed("o.jsonl", "A grey cat on a mat.", prefix="a picture of ")
    rows = [json.loads(line) for line in Path("o.fixed.jsonl").read_text().splitlines()]
    assert rows[1]["caption"] == "a picture of A grey cat on a mat."


@pytest.fixture
def dataset(folder):
    rows = [
        {"image": f"photos/{n}.png", "caption": text}
        for n, text in enumerate(["A red wall in the sun.", REFUSAL, "A blue door, half open."])
    ]
    Path("d.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    fixed("d.jsonl", "A grey cat on a mat.")
    return Path("d.fixed.jsonl")


def test_an_edit_of_a_new_caption_survives_another_fix(dataset):
    dataset.write_text(dataset.read_text().replace("A grey cat", "A grey cat, by hand,"))
    assert fixed("d.jsonl") == 0
    assert "A grey cat, by hand, on a mat." in dataset.read_text()


def test_a_fixed_dataset_whose_other_captions_were_edited_is_kept_under_another_name(
    dataset, caplog
):
    dataset.write_text(dataset.read_text().replace("A red wall", "A wall, by hand,"))
    assert fixed("d.jsonl") == 0
    (kept,) = (path for path in Path().glob("d.fixed.jsonl.2*") if path.is_file())
    assert "A wall, by hand, in the sun." in kept.read_text()
    assert "none that the run made" in caplog.text
