"""Programs of other people read what was written; each in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pyarrow as pa
import pytest

from dataflow.formats.output_spec import writer_for
from dataflow.formats.registry import open_reader
from tests.formats.shards import jpeg, write_shards

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def tell(tmp_path):
    """What a script of the consumer prints as JSON, away from the hub and from our own code."""

    def run(script):
        environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "hf")}
        environment |= {"HF_DATASETS_DISABLE_PROGRESS_BARS": "1"}
        done = subprocess.run(
            [sys.executable, "-c", f"import json\n{script}"],
            cwd=tmp_path, env=environment, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return run


def captioned(reader, output, **options):
    writer = writer_for(output, reader, ["caption"], **options)
    writer = writer(output.with_name(f"{output.name}.part"))
    for row in reader.rows():
        writer.write(row, {"caption": f"é{row.index}"})
    writer.close()
    writer.commit(output)


@pytest.fixture
def shards(tmp_path):
    reader = open_reader(write_shards(tmp_path / "in", 2, 3))
    captioned(reader, tmp_path / "out", format_name="webdataset")


CAPTIONS = [f"é{number}" for number in range(6)]


def test_webdataset_reads_shards(shards, tell):
    found = tell("""
import webdataset
shards = webdataset.WebDataset("out/{00000..00001}.tar", shardshuffle=False).decode("pil")
print(json.dumps([(s["txt"], s["json"]["key"], s["jpg"].size) for s in shards]))
""")
    keys = [f"{shard:05}{number:04}" for shard in range(2) for number in range(3)]
    assert found == [[f"é{n}", key, [64, 48]] for n, key in enumerate(keys)]


def test_datasets_reads_shards(shards, tell):
    found = tell("""
import datasets
rows = datasets.load_dataset("webdataset", data_files="out/*.tar", split="train")
print(json.dumps([(row["txt"], row["jpg"].size) for row in rows]))
""")
    assert found == [[caption, [64, 48]] for caption in CAPTIONS]


SAVE = """
import io
import datasets
from PIL import Image

def picture(number):
    file = io.BytesIO()
    Image.new("RGB", (64, 48), (number * 40, 0, 0)).save(file, "PNG")
    return {"bytes": file.getvalue(), "path": None}

features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(2)})
rows = {"image": [picture(n) for n in range(6)], "label": [0, 1] * 3}
rows = datasets.Dataset.from_dict(rows, features=features)
"""

SHOW = """
print(json.dumps([
    [row["caption"], row["image"].getpixel((0, 0))[0], row["label"], str(rows.features["label"])]
    for row in rows
]))
"""


def test_datasets_loads_from_disk_what_it_saved_with_captions_added(tmp_path, tell):
    given = tell(SAVE + "rows.save_to_disk('saved', num_shards=2); print(1)")
    captioned(open_reader(tmp_path / "saved"), tmp_path / "out", format_name="saved")
    found = tell("import datasets\nrows = datasets.load_from_disk('out')" + SHOW)
    assert given == 1
    assert [row[:3] for row in found] == [[f"é{n}", n * 40, n % 2] for n in range(6)]
    assert "ClassLabel" in found[0][3]


def test_datasets_reads_parquet_with_its_pictures(tmp_path, tell):
    tell(SAVE + "rows.to_parquet('in.parquet'); print(1)")
    for parts in (None, 4):
        reader = open_reader(tmp_path / "in.parquet")
        captioned(reader, tmp_path / "out.parquet", rows_per_file=parts)
        files = "out.parquet" if parts is None else "out-*.parquet"
        found = tell(
            f"import datasets\nrows = datasets.load_dataset('parquet', data_files='{files}', "
            f"split='train')\n{SHOW}"
        )
        assert [row[:3] for row in found] == [[f"é{n}", n * 40, n % 2] for n in range(6)]
        assert "ClassLabel" in found[0][3]


def test_datasets_reads_a_folder_of_pictures_by_our_metadata(tmp_path, tell):
    (tmp_path / "photos").mkdir()
    for number in range(3):
        (tmp_path / "photos" / f"{number}.jpg").write_bytes(jpeg(number))
    lines = tmp_path / "photos" / "given.jsonl"
    lines.write_text("".join(f'{{"file_name": "{n}.jpg"}}\n' for n in range(3)))
    captioned(open_reader(lines), tmp_path / "photos" / "metadata.jsonl")
    lines.unlink()
    found = tell("""
import datasets
rows = datasets.load_dataset("imagefolder", data_dir="photos", split="train")
print(json.dumps([(row["caption"], row["image"].size) for row in rows]))
""")
    assert found == [[f"é{n}", [64, 48]] for n in range(3)]


def test_pycocotools_reads_captions(tmp_path, tell):
    images = [{"id": 10 + n, "file_name": f"{n}.jpg"} for n in range(3)]
    whole = {"images": images, "annotations": [{"id": 5, "image_id": 11, "caption": "old"}]}
    (tmp_path / "captions.json").write_text(json.dumps(whole))
    captioned(open_reader(tmp_path / "captions.json"), tmp_path / "out.json", format_name="coco")
    found = tell("""
import contextlib, io
from pycocotools.coco import COCO
with contextlib.redirect_stdout(io.StringIO()):
    coco = COCO("out.json")
told = [coco.loadAnns(coco.getAnnIds(image)) for image in coco.getImgIds()]
print(json.dumps([[one["caption"] for one in some] for some in told]))
""")
    assert found == [["é0"], ["old", "é1"], ["é2"]]


def test_datasets_reads_conversations(tmp_path, tell):
    table = pa.Table.from_pylist([{"image": f"{n}.jpg"} for n in range(2)])
    with pa.ipc.new_file(tmp_path / "in.arrow", table.schema) as file:
        file.write_table(table)
    captioned(open_reader(tmp_path / "in.arrow"), tmp_path / "out.json", format_name="llava")
    found = tell("""
import datasets
rows = datasets.load_dataset("json", data_files="out.json", split="train")
print(json.dumps([row["conversations"][1]["value"] for row in rows]))
""")
    assert found == ["é0", "é1"]


@pytest.fixture
def pictures_in_shards(tmp_path, monkeypatch):
    """Shards with pictures, made by a run over a folder; name → the picture's bytes."""
    from dataflow.functions import caption
    from tests.servers.hostile_server import MODEL, HostileServer

    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(9):
        (photos / f"p{number}.jpg").write_bytes(jpeg(number))
    monkeypatch.setenv("DF_API_KEY", "sk-test")
    with HostileServer() as server:
        caption(
            photos, output=tmp_path / "train.tar", output_format="wds", with_pictures=True,
            shard_size="8KB", api_url=[server.url], model=MODEL,
        )  # fmt: skip
    return {path.stem: path.read_bytes() for path in photos.iterdir()}


HASH = "import hashlib\nmark = lambda data: hashlib.sha256(data).hexdigest()\n"


def of_pictures(pictures):
    """What the consumer is to find: each picture's bytes, and the caption that its bytes make."""
    from hashlib import sha256

    from tests.servers.hostile_faults import caption_of

    return sorted([sha256(data).hexdigest(), caption_of(data)] for data in pictures.values())


def test_webdataset_trains_on_shards_with_pictures(pictures_in_shards, tmp_path, tell):
    """Pictures byte for byte, captions beside their own, in several shards."""
    shards = sorted(tmp_path.glob("train*.tar"))
    assert len(shards) > 1
    found = tell(
        HASH
        + f"import webdataset\nnames = {[str(path) for path in shards]}\n"
        + "shards = webdataset.WebDataset(names, shardshuffle=False)\n"
        + "print(json.dumps(sorted([mark(s['jpg']), s['txt'].decode()] for s in shards)))"
    )
    assert found == of_pictures(pictures_in_shards)


def test_datasets_trains_on_shards_with_pictures(pictures_in_shards, tell):
    found = tell(
        HASH
        + "import datasets\n"
        + "rows = datasets.load_dataset('webdataset', data_files='train*.tar', split='train')\n"
        + "rows = rows.cast_column('jpg', datasets.Image(decode=False))\n"
        + "print(json.dumps(sorted([mark(r['jpg']['bytes']), r['txt']] for r in rows)))"
    )
    assert found == of_pictures(pictures_in_shards)
