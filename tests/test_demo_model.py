"""The shipped weights under llama.cpp: a mixed-up row would be a wrong sentence."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from tests.paths import ROOT

COMMAND = str(Path(sys.executable).with_name("dataflow"))
SCENES = 300


@pytest.fixture(scope="module")
def scenes(tmp_path_factory) -> Path:
    """A folder of pictures the model was not trained on, and the truth about them beside it."""
    folder = tmp_path_factory.mktemp("held out")
    draw = [sys.executable, str(ROOT / "demo" / "scenes.py"), str(folder / "scenes")]
    more = ["--count", str(SCENES), "--seed", "7000000", "--format", "mixed"]
    subprocess.run([*draw, *more], check=True, capture_output=True)
    (folder / "scenes" / "truth.jsonl").rename(folder / "truth.jsonl")
    caption(folder, "scenes", "scenes.jsonl")
    return folder


def caption(folder: Path, source: str, output: str) -> None:
    arguments = ["caption", source, "-o", output, "--model", "demo"]
    done = subprocess.run(
        [COMMAND, *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_at_least_97_of_100_held_out_scenes_are_described_exactly(scenes):
    truth = {row["image"]: row["caption"] for row in lines(scenes / "truth.jsonl")}
    rows = lines(scenes / "scenes.jsonl")
    assert len(rows) == SCENES
    right = sum(row["caption"] == truth[Path(row["image"]).name] for row in rows)
    assert right >= 0.97 * SCENES, f"{right} of {SCENES}"


ROW = {"id": "00123", "size": 1.0, "missing": None, "nested": {"b": [{"a": "ü"}], "a": 2}}


def write_jsonl(path: Path, rows: list[dict]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def write_csv(path: Path, rows: list[dict]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows({**row, "nested": json.dumps(row["nested"])} for row in rows)


def read_csv(path: Path) -> list[dict]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


FORMATS = {
    "json": (lambda p, rows: p.write_text(json.dumps(rows)), lambda p: json.loads(p.read_text())),
    "jsonl": (write_jsonl, lines),
    "csv": (write_csv, read_csv),
    "parquet": (
        lambda p, rows: pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), p),
        lambda p: pyarrow.parquet.read_table(p).to_pylist(),
    ),
}


@pytest.mark.parametrize("ending", FORMATS)
def test_every_format_gives_the_folders_captions_and_every_other_field_back(scenes, ending):
    write, read = FORMATS[ending]
    rows = lines(scenes / "scenes.jsonl")[:60]
    captions = [row["caption"] for row in rows]
    given = scenes / f"given.{ending}"
    write(given, [{"id": ROW["id"], "image": row["image"], **ROW} for row in rows])
    caption(scenes, given.name, f"out.{ending}")
    out = read(scenes / f"out.{ending}")
    assert [row.pop("caption") for row in out] == captions
    assert out == read(given)
    assert [list(row) for row in out] == [list(row) for row in read(given)]
