"""Links planted under the names of unfinished files: whatever is behind them stays as it is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from PIL import Image

from dataflow.core.errors import DataflowError
from dataflow.core.side_files import open_append
from dataflow.formats.base.writing import AtomicFile
from dataflow.formats.folder.sidecar import _replace
from dataflow.formats.known_formats import known_endings
from dataflow.operators.core_vision import ImageCaptionGenerator
from dataflow.serving.fake import FakeServing
from dataflow.utils.storage import FileStorage

ENDINGS = ["jsonl", "json", "csv", "tsv", "parquet", "arrow", "jsonl.gz", "csv.gz", "pickle"]


@pytest.fixture
def precious(tmp_path):
    """Somebody's file."""
    path = tmp_path / "precious"
    path.write_text("mine")
    yield path
    assert path.read_text() == "mine"


def test_the_endings_are_known():
    assert all(f".{ending.partition('.')[0]}" in known_endings() for ending in ENDINGS[:-1])


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("name", [".{}.part", "{}.part", "{}.dataflow/output.part"])
def test_a_storage_writes_through_none(tmp_path, precious, ending, name):
    storage = FileStorage("none.jsonl", str(tmp_path / "cache"), cache_type=ending).step()
    output = f"dataflow_cache_step1.{ending}"
    link = tmp_path / "cache" / name.format(output)
    link.parent.mkdir(parents=True)
    link.symlink_to(precious)
    storage.write([{"a": "x"}])
    assert storage.step().read("dict") == [{"a": "x"}]


@pytest.mark.parametrize("ending", ["jsonl", "parquet", "csv"])
@pytest.mark.parametrize("name", ["output.part", "errors.part"])
def test_a_step_of_a_pipeline_writes_through_none(tmp_path, precious, ending, name, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (9, 9)).save("a.png")
    Path("in.jsonl").write_text('{"image": "a.png"}\n{"image": "none.png"}\n')
    folder = Path(f"cache/dataflow_cache_step1.{ending}.dataflow")
    folder.mkdir(parents=True)
    (folder / name).symlink_to(precious)
    storage = FileStorage("in.jsonl", "cache", cache_type=ending).step()
    ImageCaptionGenerator(FakeServing("A boat."), "").run(storage, output_key="caption")
    assert storage.step().read("dict")[0]["caption"] == "A boat."


@pytest.mark.parametrize("hard", [False, True], ids=["symbolic", "hard"])
def test_a_new_file_takes_the_place_of_a_link(tmp_path, precious, hard):
    (os.link if hard else os.symlink)(precious, tmp_path / "new")
    file = AtomicFile(tmp_path / "new")
    file.write(b"ours")
    file.close()
    assert (tmp_path / "new").read_bytes() == b"ours"


def test_a_link_to_nothing_makes_no_file_elsewhere(tmp_path):
    (tmp_path / "new").symlink_to(tmp_path / "elsewhere")
    AtomicFile(tmp_path / "new").close()
    assert not (tmp_path / "elsewhere").exists()


def test_a_fifo_in_the_way_is_an_error_and_no_wait(tmp_path):
    os.mkfifo(tmp_path / "new")
    with pytest.raises(DataflowError, match="cannot be written"):
        AtomicFile(tmp_path / "new")


def test_a_sidecar_is_written_through_none(tmp_path, precious):
    _replace(str(tmp_path / "a.txt"), b"x", may_replace=True)
    # the name of the unfinished file is made of the sidecar's
    seen = []
    real = os.replace
    os.replace = lambda old, new: (seen.append(old), real(old, new))[1]
    try:
        _replace(str(tmp_path / "a.txt"), b"y", may_replace=True)
        os.symlink(precious, seen[0])
        _replace(str(tmp_path / "a.txt"), b"z", may_replace=True)
    finally:
        os.replace = real
    assert (tmp_path / "a.txt").read_bytes() == b"z"


def test_nothing_is_appended_to_what_is_behind_one(tmp_path, precious):
    (tmp_path / "notes").symlink_to(precious)
    with pytest.raises(OSError, match="symbolic"):
        open_append(tmp_path / "notes")
