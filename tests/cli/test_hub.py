"""Datasets of a hub in and out, through the whole command; the hub is a server on loopback."""

from __future__ import annotations

import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.formats.promises import promise
from tests.formats.shards import jpeg
from tests.servers.dataset_hub import TOKEN, DatasetHub
from tests.servers.hostile_server import MODEL, HostileServer, caption_of

FEATURES = {"image": {"_type": "Image"}, "label": {"names": ["a", "b"], "_type": "ClassLabel"}}


@pytest.fixture
def server():
    with HostileServer() as running:
        yield running


@pytest.fixture
def hub():
    with DatasetHub() as running:
        yield running


@pytest.fixture
def caption(dataflow, server, hub):
    def run(*arguments, **environment):
        variables = {
            "HF_ENDPOINT": hub.url,
            "HF_HOME": str(dataflow.folder / "hf"),
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "MODELSCOPE_ENDPOINT": hub.url,
            "MODELSCOPE_CACHE": str(dataflow.folder / "ms"),
            "MODELSCOPE_HOME": str(dataflow.folder / "ms-home"),
            "HOME": str(dataflow.folder),
            **environment,
        }
        # the hub's library reads its settings once, as it is imported
        return dataflow.own_process(
            "caption", *arguments, "--api-url", server.url, "--model", MODEL, **variables
        )

    return run


def parquet(numbers):
    table = pa.Table.from_pylist(
        [{"image": {"bytes": jpeg(n), "path": f"{n}.jpg"}, "label": n % 2} for n in numbers]
    ).replace_schema_metadata({"huggingface": json.dumps({"info": {"features": FEATURES}})})
    file = io.BytesIO()
    pq.write_table(table, file)
    return file.getvalue()


def check_rows(path, numbers):
    """Each row has the caption of its own picture, and its types and features."""
    table = pq.read_table(path)
    expected = [
        {"image": {"bytes": jpeg(n), "path": f"{n}.jpg"}, "label": n % 2,
         "caption": caption_of(jpeg(n))} for n in numbers
    ]  # fmt: skip
    assert table.to_pylist() == expected
    features = json.loads(table.schema.metadata[b"huggingface"])["info"]["features"]
    assert features == FEATURES


@promise("round trip", "hf:")
def test_a_dataset_of_the_hub_is_captioned_as_a_stream(caption, hub, dataflow, server):
    hub.repos["someone/eyes"] = {
        "data/train-00000-of-00002.parquet": parquet(range(3)),
        "data/train-00001-of-00002.parquet": parquet(range(3, 5)),
    }
    done = caption("hf:someone/eyes")
    assert done.returncode == 0, done.stderr
    check_rows(dataflow.folder / "eyes.captions.parquet", range(5))
    assert caption("hf:someone/eyes").returncode == 0
    assert server.asked == 5
    assert not list((dataflow.folder / "hf").rglob("*.parquet"))


def test_a_split_and_a_config_can_be_chosen(caption, hub, dataflow):
    card = "---\nconfigs:\n" + "".join(
        f"- config_name: {name}\n  data_files:\n  - split: train\n    path: {name}/a.parquet\n"
        f"  - split: test\n    path: {name}/b.parquet\n"
        for name in ("one", "two")
    )
    hub.repos["someone/eyes"] = {"README.md": f"{card}---\n".encode()}
    for number, name in enumerate(["one/a", "one/b", "two/a", "two/b"]):
        hub.repos["someone/eyes"][f"{name}.parquet"] = parquet([number])
    done = caption("hf:someone/eyes:two:test", "-o", "out.parquet")
    assert done.returncode == 0, done.stderr
    check_rows(dataflow.folder / "out.parquet", [3])


def test_of_several_splits_train_is_read_and_that_is_said(caption, hub, dataflow):
    hub.repos["someone/eyes"] = {
        "data/test-00000-of-00001.parquet": parquet([0]),
        "data/train-00000-of-00001.parquet": parquet([1, 2]),
    }
    done = caption("hf:someone/eyes", "-o", "out.parquet")
    assert done.returncode == 0, done.stderr
    check_rows(dataflow.folder / "out.parquet", [1, 2])
    assert "the split 'train' is read; name another as :SPLIT (test)" in done.stderr


def test_several_splits_without_train_are_listed(caption, hub, server):
    hub.repos["someone/eyes"] = {
        f"data/{split}-00000-of-00001.parquet": parquet([0]) for split in ("validation", "test")
    }
    done = caption("hf:someone/eyes", "-o", "out.parquet")
    assert (done.returncode, server.asked) == (2, 0)
    assert "several splits (validation, test); add one" in done.stderr


def test_pictures_in_files_of_their_own_come_as_bytes(caption, hub, dataflow):
    hub.repos["someone/eyes"] = {f"{n}.jpg": jpeg(n) for n in range(2)}
    done = caption("hf:someone/eyes:train", "-o", "out.parquet")
    assert done.returncode == 0, done.stderr
    rows = pq.read_table(dataflow.folder / "out.parquet").to_pylist()
    assert [row["image"]["bytes"] for row in rows] == [jpeg(n) for n in range(2)]
    assert [row["caption"] for row in rows] == [caption_of(jpeg(n)) for n in range(2)]


@promise("clear errors", "hf:")
def test_what_is_not_on_the_hub_is_told_before_anything_is_asked(caption, server):
    done = caption("hf:someone/nothing", "-o", "out.parquet")
    assert (done.returncode, server.asked) == (2, 0)
    assert "hf:someone/nothing: cannot be had from the hub" in done.stderr


@pytest.mark.parametrize("parts", [(), ("--rows-per-file", "2")])
def test_captions_are_pushed_in_one_commit(caption, hub, dataflow, parts):
    (dataflow.folder / "in.parquet").write_bytes(parquet(range(5)))
    former = {"data/train-00007-of-00009.parquet": b"old", "README.md": b"card"}
    hub.repos["someone/eyes"] = dict(former)
    arguments = ["in.parquet", "-o", "out.parquet", *parts, "--push-to-hub", "someone/eyes"]
    done = caption(*arguments, HF_TOKEN=TOKEN)
    assert done.returncode == 0, done.stderr
    files = hub.repos["someone/eyes"]
    count = 3 if parts else 1
    names = [f"data/train-{n:05}-of-{count:05}.parquet" for n in range(count)]
    assert sorted(files) == ["README.md", *names]
    (dataflow.folder / "pushed").mkdir()
    for name in names:
        (dataflow.folder / "pushed" / name[5:]).write_bytes(files[name])
    check_rows(dataflow.folder / "pushed", range(5))
    assert f"pushed to {hub.url}/datasets/someone/eyes" in done.stderr
    assert sum("/commit/" in line for line in hub.asked) == 1
    assert TOKEN not in done.stderr + done.stdout


def test_splits_are_pushed_one_by_one_and_leave_each_other_alone(caption, hub, dataflow):
    hub.repos["someone/eyes"] = {"data/test-00003-of-00004.parquet": b"old"}
    for split, numbers in (("", range(3)), (":test", range(3, 5))):
        (dataflow.folder / "in.parquet").write_bytes(parquet(numbers))
        push = ["--push-to-hub", f"someone/eyes{split}", "--fresh"]
        done = caption("in.parquet", "-o", "out.parquet", *push, HF_TOKEN=TOKEN)
        assert done.returncode == 0, done.stderr
    assert sorted(hub.repos["someone/eyes"]) == [
        "data/test-00000-of-00001.parquet",
        "data/train-00000-of-00001.parquet",
    ]
    for split, count in (("train", 3), ("test", 2)):
        done = caption(f"hf:someone/eyes:{split}", "-o", f"{split}.csv", "--output-key", "more")
        assert done.returncode == 0, done.stderr
        assert len((dataflow.folder / f"{split}.csv").read_text().splitlines()) == 1 + count


def test_a_split_that_has_no_name_is_refused_before_anything_is_asked(caption, server, dataflow):
    (dataflow.folder / "in.parquet").write_bytes(parquet(range(3)))
    for wrong in ("someone/eyes:", "someone/eyes:a-b"):
        done = caption("in.parquet", "-o", "out.parquet", "--push-to-hub", wrong, HF_TOKEN=TOKEN)
        assert (done.returncode, server.asked) == (2, 0)
        assert "no name of a split" in done.stderr


def test_what_was_pushed_can_be_captioned_again_as_a_dataset_of_the_hub(caption, hub, dataflow):
    (dataflow.folder / "in.parquet").write_bytes(parquet(range(3)))
    done = caption(
        "in.parquet", "-o", "out.parquet", "--push-to-hub", "someone/new", HF_TOKEN=TOKEN
    )
    assert done.returncode == 0, done.stderr
    assert hub.created == [("someone/new", True)], "a new one is private"
    done = caption("hf:someone/new", "-o", "again.parquet", "--output-key", "more", HF_TOKEN=TOKEN)
    assert done.returncode == 0, done.stderr
    rows = pq.read_table(dataflow.folder / "again.parquet").to_pylist()
    assert [row["more"] for row in rows] == [row["caption"] for row in rows]


def test_who_is_not_known_to_the_hub_is_told_before_anything_is_asked(caption, server, dataflow):
    (dataflow.folder / "in.parquet").write_bytes(parquet(range(3)))
    done = caption("in.parquet", "-o", "out.parquet", "--push-to-hub", "someone/eyes")
    assert (done.returncode, server.asked) == (2, 0)
    assert "the hub does not know you" in done.stderr
    done = caption("in.parquet", "--push-to-hub", "someone/eyes")
    assert (done.returncode, server.asked) == (2, 0)
    assert "takes a .parquet output" in done.stderr


def test_a_push_that_fails_costs_no_answer(caption, hub, server, dataflow):
    (dataflow.folder / "in.parquet").write_bytes(parquet(range(3)))
    hub.repos["someone/eyes"] = {"data/train-00000-of-00001.parquet": b"old"}
    hub.refuse = "_commit"
    arguments = ["in.parquet", "-o", "out.parquet", "--push-to-hub", "someone/eyes"]
    done = caption(*arguments, HF_TOKEN=TOKEN)
    assert done.returncode not in (0, 3)
    assert "run the same command again, and nothing is asked twice" in done.stderr
    assert hub.repos["someone/eyes"] == {"data/train-00000-of-00001.parquet": b"old"}
    check_rows(dataflow.folder / "out.parquet", range(3))
    hub.refuse = None
    assert caption(*arguments, HF_TOKEN=TOKEN).returncode == 0
    assert server.asked == 3


@promise("round trip", "ms:")
def test_a_dataset_of_modelscope_is_captioned(caption, hub, dataflow):
    hub.repos["someone/eyes"] = {
        "data/train-00000-of-00001.parquet": parquet(range(3)),
        "data/test-00000-of-00001.parquet": parquet(range(3, 5)),
    }
    done = caption("ms:someone/eyes:test")
    assert done.returncode == 0, done.stderr
    check_rows(dataflow.folder / "eyes.captions.parquet", [3, 4])


@promise("clear errors", "ms:")
def test_what_is_not_on_modelscope_is_told_before_anything_is_asked(caption, server):
    done = caption("ms:someone/nothing")
    assert (done.returncode, server.asked) == (2, 0)
    assert "ms:someone/nothing: cannot be had from the hub" in done.stderr
