"""The formats that need pyarrow say so where it is not installed; the others need it not at all."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.paths import ROOT

SCENE = ROOT / "examples" / "scenes" / "001.png"


@pytest.fixture
def without(tmp_path):
    """Runs the command line in a process that has no pyarrow."""

    def run(*arguments):
        start = (
            "import sys; sys.modules['pyarrow'] = None; from dataflow.cli.main import main; main()"
        )
        return subprocess.run(
            [sys.executable, "-c", start, *map(str, arguments)],
            cwd=tmp_path, capture_output=True, text=True, timeout=100,
        )  # fmt: skip

    (tmp_path / "in.jsonl").write_text(json.dumps({"image": str(SCENE), "caption": "A."}) + "\n")
    return run


CURE = "pip install 'dataflow-caption[parquet]'"


@pytest.mark.parametrize(
    "name", ["o.parquet", "o.arrow", "o.arrows", "o.feather", "o.jsonl.zst", "o.tar.zst"]
)
def test_an_output_that_needs_it_is_refused_with_the_cure_before_anything_is_asked(without, name):
    done = without("caption", "in.jsonl", "-o", name, "--output-key", "new", "--model", "demo")
    assert done.returncode == 1
    assert CURE in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["i.parquet", "i.arrow", "i.jsonl.zst", "folder"])
def test_an_input_that_needs_it_is_refused_with_the_cure(without, tmp_path, name):
    if name == "folder":
        (tmp_path / name).mkdir()
        name = "folder/part-*.parquet"
        for number in (0, 1):
            (tmp_path / "folder" / f"part-{number}.parquet").write_bytes(b"PAR1")
    else:
        (tmp_path / name).write_bytes(b"PAR1")
    done = without("check", name)
    assert (done.returncode, CURE in done.stderr) == (1, True), done.stderr


@pytest.mark.parametrize("name", ["o.jsonl", "o.json", "o.csv", "o.tsv", "o.tar", "o.jsonl.gz"])
def test_other_formats_are_written_and_read_without_it(without, tmp_path, name):
    done = without(
        "caption", SCENE.parent, "-o", name, "--model", "demo", "--limit", 1, "--provenance"
    )
    assert done.returncode == 0, done.stderr
    assert without("check", name).returncode == 0
