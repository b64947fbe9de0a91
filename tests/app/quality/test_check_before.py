"""`dataflow check --before`: what changed since a former state of a dataset."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from dataflow.app.options.commands.check import CheckOptions
from dataflow.app.quality.check import check
from dataflow.core.errors import UsageError
from dataflow.display.report import as_json

REFUSAL = "I'm sorry, but I can't help with that."


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def dataset(name: str, captions: dict[str, str | None]) -> str:
    rows = [{"image": image, "caption": text} for image, text in captions.items()]
    Path(name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return name


def changes_of(after: str, before: str, **more) -> dict:
    options = CheckOptions(output=after, before=before, near=False, processes=1, **more)
    return json.loads(as_json(check(options).quality))["changes"]


def counts(changes: dict) -> tuple[int, int, int, int]:
    return tuple(changes[name] for name in ("same", "changed", "added", "removed"))


def test_captions_are_matched_by_picture_whatever_their_order():
    was = {"a.png": REFUSAL, "b.png": "A dog.", "c.png": None, "d.png": "A cat."}
    now = {"d.png": "A cat. ", "c.png": "A bird.", "a.png": "A red wall."}
    changes = changes_of(dataset("new.jsonl", now), dataset("old.jsonl", was))
    assert counts(changes) == (1, 1, 1, 1)
    assert changes["examples"] == [
        {"row": 2, "picture": "a.png", "before": REFUSAL, "after": "A red wall."}
    ]


def test_a_picture_in_several_rows_is_matched_row_by_row():
    rows = [{"image": "a.png", "caption": text} for text in ("One.", "Two.", "Three.")]
    Path("old.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    rows[1]["caption"] = "Two, changed."
    Path("new.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert counts(changes_of("new.jsonl", "old.jsonl")) == (2, 1, 0, 0)


def test_two_folders_of_caption_files_are_matched_by_names_in_them():
    for name, text in (("old", "A dog."), ("new", "A brown dog.")):
        Path(name).mkdir()
        for number in range(2):
            Image.new("RGB", (8, 8)).save(f"{name}/{number}.png")
        Path(name, "0.txt").write_text(text)
        Path(name, "1.txt").write_text("The same.")
    assert counts(changes_of("new", "old")) == (1, 1, 0, 0)


def test_formats_may_differ():
    was = dataset("old.jsonl", {"a.png": "A dog.", "b.png": "A cat."})
    Path("new.csv").write_text("image,caption\na.png,A dog.\nb.png,A black cat.\n")
    assert counts(changes_of("new.csv", was)) == (1, 1, 0, 0)


def test_the_page_tells_the_faults_before_and_now(capsys):
    from rich.console import Console

    from dataflow.display.report import show_report

    was = dataset("old.jsonl", {"a.png": REFUSAL, "b.png": "A dog on a mat."})
    now = dataset("new.jsonl", {"a.png": "A wall.\x1b[2J", "b.png": "A dog on a mat."})
    quality = check(CheckOptions(output=now, before=was, near=False, processes=1)).quality
    console = Console(width=80)
    show_report(quality, console)
    page = capsys.readouterr().out
    assert "since old.jsonl: 1 captions the same, 1 changed, 0 new, 0 gone" in page
    (line,) = (line for line in page.splitlines() if line.strip().startswith("refusal"))
    assert line.split()[1:] == ["1", "0"]
    assert "\x1b" not in page


@pytest.mark.parametrize(
    "more", [{"before": "d.jsonl"}, {"before": "missing.jsonl"}, {"before": "e.jsonl", "fix": True}]
)
def test_what_cannot_be_compared_is_wrong_usage(more):
    from dataflow.app.quality.fix import fix

    dataset("d.jsonl", {"a.png": "A dog."})
    dataset("e.jsonl", {"a.png": "A dog."})
    with pytest.raises(UsageError):
        (fix if more.get("fix") else check)(CheckOptions(output="d.jsonl", **more))
