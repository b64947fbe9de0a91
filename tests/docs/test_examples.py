"""Every example does what it says, with the demo model."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sysconfig

import pytest

from tests.paths import ROOT

EXAMPLES = ROOT / "examples"


@pytest.fixture
def run(tmp_path):
    """Runs an example in a folder that holds the drawn scenes."""
    pytest.importorskip("xllamacpp")
    shutil.copytree(EXAMPLES / "scenes", tmp_path / "scenes")
    path = os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]])

    def run(name, *arguments):
        return subprocess.run(
            ["sh", EXAMPLES / name, *arguments, "--model", "demo", "--quiet"],
            cwd=tmp_path, env={**os.environ, "PATH": path}, check=True, timeout=100,
            capture_output=True, text=True,
        )  # fmt: skip

    return run


def test_the_example_for_lora_trainers_writes_a_text_beside_each_picture(run, tmp_path):
    run("lora.sh", "scenes", "ohwx style")
    texts = [file.read_text() for file in (tmp_path / "scenes").rglob("*.txt")]
    assert len(texts) == 12
    assert all(text.startswith("ohwx style") for text in texts)


def test_the_example_for_teams_writes_provenance_and_a_card(run, tmp_path):
    run("dataset_team.sh", "scenes", "o.jsonl", "cc0-1.0")
    row = json.loads((tmp_path / "o.jsonl").read_text().splitlines()[0])
    assert row["caption_provenance"]["author"] == "machine"
    assert 'license: "cc0-1.0"' in (tmp_path / "published" / "README.md").read_text()


def test_the_example_for_archives_writes_a_table_and_a_page(run, tmp_path):
    run("archive.sh", "scenes", "table.csv")
    assert len((tmp_path / "table.csv").read_text().splitlines()) == 13
    assert "<html" in (tmp_path / "table.html").read_text()


def test_every_example_is_listed_and_what_is_listed_is_there():
    listed = (EXAMPLES / "README.md").read_text()
    for file in EXAMPLES.iterdir():
        if file.suffix in (".py", ".sh", ".ipynb"):
            assert f"({file.name})" in listed


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_notebook_runs_from_start_to_end(tmp_path):
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("xllamacpp")
    shutil.copytree(EXAMPLES / "scenes", tmp_path / "scenes")
    notebook = nbformat.read(EXAMPLES / "quickstart.ipynb", as_version=4)
    client = nbclient.NotebookClient(
        notebook, timeout=100, kernel_name="python3", resources={"metadata": {"path": tmp_path}}
    )
    client.execute()
    shown = [
        output["data"]
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if "data" in output
    ]
    assert "<img" in shown[0]["text/html"]
    assert (tmp_path / "captions.jsonl").exists()
