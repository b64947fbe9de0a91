"""Datasets, pictures and outputs in Google Cloud Storage, through the whole command."""

from __future__ import annotations

import json
import signal

import pytest

from dataflow.core.errors import InputError
from dataflow.formats.registry import open_reader
from dataflow.remote import filesystem
from dataflow.remote.path import RemotePath
from tests.cli.conftest import Command
from tests.formats.promises import promise
from tests.formats.shards import jpeg, write_shards
from tests.remote.test_command import asked, captioned, check_shard, put_rows, until
from tests.servers.hostile_server import HostileServer, caption_of
from tests.servers.web_server import WebServer


@pytest.fixture
def api():
    with HostileServer() as running:
        yield running


@pytest.fixture
def dataflow(tmp_path, gs):
    command = Command(tmp_path)
    state = {"XDG_STATE_HOME": str(tmp_path / "state"), "HOME": str(tmp_path)}
    command.environment |= {**gs.environment, **state}
    return command


@promise("round trip", "gs://")
def test_a_dataset_with_its_pictures_is_captioned_into_the_store(dataflow, gs, api, tmp_path):
    source = put_rows(gs, 12)
    done = dataflow("caption", source, "-o", "gs://bucket/out/rows.jsonl", *asked(api))
    assert done.returncode == 0, done.stderr
    assert gs.get("out/rows.jsonl") == captioned(12)
    assert [key for key in gs.listed() if key.startswith("out/")] == ["out/rows.jsonl"]
    assert (tmp_path / "state/dataflow/gs/bucket/out/rows.jsonl.dataflow/journal.sqlite").exists()
    status = dataflow("status", "gs://bucket/out/rows.jsonl", "--json")
    assert json.loads(status.stdout)["captioned"] == 12


def test_who_has_no_credentials_reads_public_files_and_hears_nothing_of_it(dataflow, gs, api):
    done = dataflow("caption", put_rows(gs, 1), *asked(api))
    assert done.returncode == 0, done.stderr
    assert "credentials" not in done.stderr
    assert "bucket type" not in done.stderr


def test_pictures_have_their_own_urls_and_a_missing_one_fails_its_own_row(dataflow, gs, api):
    urls = [gs.put(f"pics/ü {n} #?.jpg", jpeg(n)) for n in range(4)]
    gs.remove("pics/ü 2 #?.jpg")
    lines = "".join(json.dumps({"image": url}) + "\n" for url in urls)
    done = dataflow("caption", gs.put("rows.jsonl", lines.encode()), *asked(api))
    assert done.returncode == 3, done.stderr
    rows = map(json.loads, (dataflow.folder / "rows.captions.jsonl").read_text().splitlines())
    assert [row["caption"] for row in rows] == [
        None if n == 2 else caption_of(jpeg(n)) for n in range(4)
    ]
    errors = (dataflow.folder / "rows.captions.jsonl.errors.jsonl").read_text()
    assert json.loads(errors)["kind"] == "picture_missing"


def test_a_folder_of_pictures_is_captioned(dataflow, gs, api):
    for name in ("b/2.jpg", "a.jpg", "b/1.jpg", ".hidden.jpg"):
        gs.put(f"pics/{name}", jpeg(len(name)))
    done = dataflow("caption", "gs://bucket/pics/", "-o", "gs://bucket/pics.jsonl", *asked(api))
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in gs.get("pics.jsonl").splitlines()]
    names = ["a.jpg", "b/1.jpg", "b/2.jpg"]
    assert [row["image"] for row in rows] == [f"gs://bucket/pics/{name}" for name in names]
    assert [row["caption"] for row in rows] == [caption_of(jpeg(len(name))) for name in names]


@promise("resume", "gs://")
def test_shards_captioned_back_into_the_store_survive_a_kill(dataflow, gs, api, tmp_path):
    """Every picture rightly, all else to the byte; asked twice only what was in flight."""
    made = write_shards(tmp_path / "made", 3, 20)
    for shard in made.iterdir():
        gs.put(f"shards/{shard.name}", shard.read_bytes())
    command = ("caption", "gs://bucket/shards/*.tar", "-o", "gs://bucket/captioned")
    command = (*command, *asked(api, "--concurrency", 4))
    api.delay = 0.05
    first = dataflow.start(*command)
    until(lambda: api.asked >= 20)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    assert not [key for key in gs.listed() if key.startswith("captioned/")]
    done = dataflow(*command)
    assert done.returncode == 0, done.stderr
    keys = [key for key in gs.listed() if key.startswith("captioned/")]
    assert keys == [f"captioned/{shard:05}.tar" for shard in range(3)]
    for key in keys:
        check_shard(made / key.partition("/")[2], gs.get(key), tmp_path / "there.tar")
    assert 60 <= api.asked <= 60 + 4


@promise("clear errors", "gs://")
def test_a_missing_bucket_is_told_before_anything_is_spent(dataflow, gs, api):
    done = dataflow("caption", "gs://nobody/rows.jsonl", *asked(api))
    assert done.returncode == 2
    assert "gs://nobody/rows.jsonl: no such file or folder" in done.stderr
    done = dataflow("caption", put_rows(gs, 1), "-o", "gs://nobody/out.jsonl", *asked(api))
    assert done.returncode == 1
    assert "cannot write gs://nobody/out.jsonl: no such file or folder" in done.stderr
    assert "check the bucket and the credentials" in done.stderr
    assert api.asked == 0


@promise("clear errors", "gs://")
def test_what_is_refused_is_told_with_its_cure(monkeypatch):
    with WebServer({}) as server:
        server.answer = lambda _: 403
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
        with pytest.raises(InputError, match=r"the access is denied \(403\)") as raised:
            open_reader("gs://bucket/a.jsonl")
        assert len(server.asked) < 5, "what will not pass is not asked again and again"
    assert "check the bucket and the credentials" in raised.value.message


@promise("clear errors", "gs://")
def test_a_file_that_changes_while_it_is_read_is_an_error(gs):
    gs.put("a.jsonl", b'{"n": 1}\n' * 800_000)
    rows = open_reader("gs://bucket/a.jsonl").rows()
    next(rows)
    gs.put("a.jsonl", b'{"n": 2}\n' * 800_000)
    with pytest.raises(InputError, match="changed while it was read; run the same command again"):
        list(rows)


def test_a_large_file_is_put_in_one_piece_and_kept_under_another_name(gs, tmp_path):
    data = bytes(range(256)) * 50_000
    (tmp_path / "large").write_bytes(data)
    filesystem.put(tmp_path / "large", RemotePath("gs://bucket/large"))
    filesystem.copy(RemotePath("gs://bucket/large"), RemotePath("gs://bucket/a b/ü"))
    filesystem.remove(RemotePath("gs://bucket/large"))
    assert gs.listed() == ["a b/ü"]
    assert gs.get("a b/ü") == data
