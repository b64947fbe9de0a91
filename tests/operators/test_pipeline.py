"""Three operators in a row over a file storage, in every kind of cache."""

from __future__ import annotations

import json
import shutil
import tarfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataflow.core.errors import WrongKeyError
from dataflow.formats.registry import open_reader
from dataflow.operators.core_vision import ImageCaptionGenerator, PromptedVQAGenerator
from dataflow.serving.fake import FakeServing
from dataflow.serving.local_model_vlm_serving import LocalModelVLMServing_llamacpp
from dataflow.utils.storage import FileStorage
from tests.paths import ROOT

SCENES = ROOT / "examples" / "scenes"
PICTURES = ["001.png", "002.png", "003.jpg", "004.png"]
CACHES = ["json", "jsonl", "parquet", "csv", "arrow", "jsonl.zst"]


def answer(kind, request, pictures):
    """Tells apart what was asked about which picture with which words."""
    width, height = pictures[0].width, pictures[0].height
    asked = request.turns[-1].parts[-1]
    return f"{kind} of {len(pictures[0].data)} bytes, {width} by {height}: {asked}"


def script(folder, cache_type, servings):
    """What a user's script does; returns the last step's file."""
    short, detailed, asking = servings
    storage = FileStorage(str(folder / "data.jsonl"), str(folder / "cache"), "task", cache_type)
    ImageCaptionGenerator(short, "One sentence.").run(storage.step(), output_key="short")
    ImageCaptionGenerator(detailed, "Every detail.").run(storage.step(), output_key="detailed")
    question = PromptedVQAGenerator(asking, prompt_template="{short} What is missing in that?")
    question.run(storage.step(), input_image_key="image", output_answer_key="missing")
    return storage.step()


@pytest.fixture
def folder(tmp_path):
    rows = [{"id": f"{n:03}", "image": str(SCENES / name)} for n, name in enumerate(PICTURES)]
    (tmp_path / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def fakes():
    kinds = ("short", "detailed", "missing")
    return [FakeServing(lambda r, p, k=kind: answer(k, r, p), model=kind) for kind in kinds]


@pytest.mark.parametrize("cache_type", CACHES)
def test_each_operator_reads_what_the_one_before_wrote(folder, cache_type):
    servings = fakes()
    rows = script(folder, cache_type, servings).read("dict")
    assert [serving.asked for serving in servings] == [4, 4, 4]
    assert [row["id"] for row in rows] == ["000", "001", "002", "003"]
    for row, name in zip(rows, PICTURES, strict=True):
        assert list(row) == ["id", "image", "short", "detailed", "missing"]
        assert Path(row["image"]).name == name
        assert row["short"].startswith("short of")
        assert row["missing"].endswith(f": {row['short']} What is missing in that?")
        assert row["missing"].split(":")[0][7:] == row["detailed"].split(":")[0][8:]
    steps = sorted(p.name for p in (folder / "cache").iterdir() if p.is_file())
    assert steps == [f"task_step{n}.{cache_type}" for n in (1, 2, 3)]
    again = fakes()
    assert script(folder, cache_type, again).read("dict") == rows
    assert [serving.asked for serving in again] == [0, 0, 0]


@pytest.mark.parametrize("cache_type", CACHES)
def test_a_pipeline_that_stopped_in_its_second_step_goes_on_there(folder, cache_type):
    short, _, asking = fakes()
    stopping = FakeServing(
        lambda r, p: answer("detailed", r, p) if stopping.asked < 3 else WrongKeyError("no key"),
        model="detailed",
        max_workers=1,
    )
    with pytest.raises(WrongKeyError):
        script(folder, cache_type, [short, stopping, asking])
    so_far = open_reader(folder / "cache" / f"task_step2.{cache_type}").rows()
    found = [row.fields["detailed"] or None for row in so_far]
    servings = fakes()
    rows = script(folder, cache_type, servings).read("dict")
    assert [serving.asked for serving in servings] == [0, 2, 4]
    assert found.count(None) == 2
    for row, text in zip(rows, found, strict=True):
        assert text in (None, row["detailed"])
    (folder / "unbroken").mkdir()
    shutil.copy(folder / "data.jsonl", folder / "unbroken")
    assert rows == script(folder / "unbroken", cache_type, fakes()).read("dict")


@pytest.mark.parametrize("cache_type", ["json", "jsonl", "parquet"])
def test_the_demo_model_does_all_three_steps(folder, cache_type):
    serving = LocalModelVLMServing_llamacpp("demo", threads=1)
    try:
        rows = script(folder, cache_type, [serving] * 3).read("dict")
    finally:
        serving.cleanup()
    assert all(row["short"] and row["detailed"] and row["missing"] for row in rows)
    assert len({row["short"] for row in rows}) == 4


def coco(folder):
    """A COCO file that its pictures do not lie beside."""
    images = [{"id": number, "file_name": name} for number, name in enumerate(PICTURES)]
    (folder / "images").mkdir()
    for name in PICTURES:
        shutil.copy(SCENES / name, folder / "images")
    (folder / "data.json").write_text(json.dumps({"images": images, "annotations": []}))
    return folder / "data.json"


def downloaded(folder):
    """What img2dataset leaves: a Parquet file for each of its folders of pictures."""
    for part, names in (("00000", PICTURES[:2]), ("00001", PICTURES[2:])):
        (folder / "data" / part).mkdir(parents=True)
        for name in names:
            key = Path(name).stem
            shutil.copy(SCENES / name, folder / "data" / part / f"{key}{Path(name).suffix}")
        rows = [{"key": Path(name).stem, "status": "success"} for name in names]
        pq.write_table(pa.Table.from_pylist(rows), folder / "data" / f"{part}.parquet")
    return folder / "data"


def downloaded_inside(folder):
    """The same where the pictures lie in the Parquet file."""
    rows = [
        {"key": Path(name).stem, "status": "success", "jpg": (SCENES / name).read_bytes()}
        for name in PICTURES
    ]
    (folder / "data").mkdir()
    pq.write_table(pa.Table.from_pylist(rows), folder / "data" / "00000.parquet")
    return folder / "data"


def shards(folder):
    """A WebDataset of one shard."""
    with tarfile.open(folder / "data.tar", "w") as tar:
        for name in PICTURES:
            tar.add(SCENES / name, name)
    return folder / "data.tar"


def pictures(folder):
    """A folder of pictures."""
    (folder / "data").mkdir()
    for name in PICTURES:
        shutil.copy(SCENES / name, folder / "data")
    return folder / "data"


@pytest.mark.parametrize("cache_type", ["json", "jsonl", "parquet", "csv"])
@pytest.mark.parametrize("entry", [coco, downloaded, downloaded_inside, shards, pictures])
def test_the_pictures_of_any_first_entry_are_there_in_every_step(tmp_path, entry, cache_type):
    servings = fakes()
    short, detailed, asking = servings
    storage = FileStorage(str(entry(tmp_path)), str(tmp_path / "cache"), "task", cache_type)
    ImageCaptionGenerator(short, "One sentence.").run(storage.step(), output_key="short")
    ImageCaptionGenerator(detailed, "Every detail.").run(storage.step(), output_key="detailed")
    question = PromptedVQAGenerator(asking, prompt_template="{short} What is missing in that?")
    question.run(storage.step(), input_image_key="image", output_answer_key="missing")
    rows = storage.step().read("dict")
    assert [serving.asked for serving in servings] == [4, 4, 4]
    for row in rows:
        seen = row["short"].removeprefix("short").split(":")[0]
        assert row["detailed"].startswith(f"detailed{seen}: ")
        assert row["missing"].startswith(f"missing{seen}: ")
