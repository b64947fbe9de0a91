"""What people decided about a dataset of any origin is written: into a copy, or in place."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from dataflow.app.options.commands.edits import EditsOptions
from dataflow.app.quality.write_edits import write_edits
from dataflow.core.errors import UsageError
from dataflow.review.changes import Change
from dataflow.review.session import ReviewSession, ReviewSpec

TEXTS = ("A red car.", "A blue van.", "A bus.")


def written(folder: Path, form: str) -> Path:
    """A dataset that another program made."""
    rows = [{"image": f"{n}.png", "caption": text, "kept": n} for n, text in enumerate(TEXTS)]
    path = folder / f"others.{form}"
    if form == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif form == "csv":
        with path.open("w", newline="") as file:
            table = csv.DictWriter(file, rows[0])
            table.writeheader()
            table.writerows(rows)
    else:
        pq.write_table(pa.Table.from_pylist(rows), path)
    return path


def read(path: Path) -> list[str]:
    if path.suffix == ".parquet":
        return pq.read_table(path).column("caption").to_pylist()
    lines = path.read_text().splitlines()
    if path.suffix == ".csv":
        return [row["caption"] for row in csv.DictReader(lines)]
    return [json.loads(line)["caption"] for line in lines]


def decide(path: Path) -> None:
    """The second is edited, the third rejected, the first accepted."""
    with ReviewSession(ReviewSpec(path=str(path), author="ada")) as session:
        session.decisions.apply(
            [Change(1, "accept"), Change(2, "edit", "A small van."), Change(3, "reject")]
        )


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
def test_a_copy_has_the_edits_and_the_dataset_stays(tmp_path, form):
    path = written(tmp_path, form)
    before = path.read_bytes()
    decide(path)
    copy = tmp_path / f"copy.{form}"
    assert write_edits(EditsOptions(output=str(path), write=str(copy))).count == 2
    assert read(copy) == ["A red car.", "A small van.", ""]
    assert path.read_bytes() == before


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
def test_in_place_is_the_same_when_done_twice(tmp_path, form):
    path = written(tmp_path, form)
    decide(path)
    write_edits(EditsOptions(output=str(path), in_place=True))
    assert read(path) == ["A red car.", "A small van.", ""]
    assert write_edits(EditsOptions(output=str(path), in_place=True)).count == 0
    assert read(path) == ["A red car.", "A small van.", ""]


def test_caption_files_beside_pictures_are_edited_in_place_only(tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    for number, text in enumerate(TEXTS):
        Image.new("RGB", (8, 8)).save(photos / f"{number}.png")
        (photos / f"{number}.txt").write_text(text)
    decide(photos)
    with pytest.raises(UsageError, match="--in-place"):
        write_edits(EditsOptions(output=str(photos), write="copy.jsonl"))
    write_edits(EditsOptions(output=str(photos), in_place=True))
    assert [(photos / f"{n}.txt").read_text().strip() for n in range(3)] == [
        "A red car.",
        "A small van.",
        "",
    ]


def test_a_dataset_that_nobody_decided_on_is_said_so(tmp_path):
    with pytest.raises(UsageError, match="nobody decided"):
        write_edits(EditsOptions(output=str(written(tmp_path, "jsonl")), in_place=True))
