"""The whole command with datasets and outputs in a store; the store and the API are on loopback."""

from __future__ import annotations

import io
import json
import signal
import tarfile
import time

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataflow.cli.main import _code_of
from dataflow.remote.errors import RemoteError
from dataflow.remote.path import RemotePath
from tests.cli.conftest import Command
from tests.formats.promises import promise
from tests.formats.shards import jpeg, members_in, write_shards
from tests.servers.dataset_hub import DatasetHub
from tests.servers.hostile_server import MODEL, HostileServer, caption_of
from tests.servers.s3_server import SECRET
from tests.servers.web_server import WebServer

JOURNAL = "state/dataflow/s3/bucket"


@pytest.fixture
def api():
    with HostileServer() as running:
        yield running


@pytest.fixture
def dataflow(tmp_path, s3):
    command = Command(tmp_path)
    command.environment |= {**s3.environment, "XDG_STATE_HOME": str(tmp_path / "state")}
    return command


def asked(api, *more):
    return ("--api-url", api.url, "--model", MODEL, *more)


def put_rows(s3, rows, name="data/rows.jsonl"):
    """A dataset of pictures beside it, with a number that must keep its digits."""
    for n in range(rows):
        s3.put(f"data/images/{n}.jpg", jpeg(n))
    lines = (b'{"image": "images/%d.jpg", "price": 1.10}\n' % n for n in range(rows))
    return s3.put(name, b"".join(lines))


def captioned(rows):
    return b"".join(
        b'{"image": "images/%d.jpg", "price": 1.10, "caption": %s}\n'
        % (n, json.dumps(caption_of(jpeg(n))).encode())
        for n in range(rows)
    )


@promise("round trip", "s3://")
def test_a_dataset_of_a_store_is_captioned_into_the_store(dataflow, s3, api, tmp_path):
    source = put_rows(s3, 12)
    done = dataflow("caption", source, "-o", "s3://bucket/out/rows.jsonl", *asked(api))
    assert done.returncode == 0, done.stderr
    assert s3.get("out/rows.jsonl") == captioned(12)
    journal = tmp_path / JOURNAL / "out/rows.jsonl.dataflow/journal.sqlite"
    assert journal.exists()
    assert str(journal) in done.stderr
    assert "s3://bucket/out/rows.jsonl" in done.stderr
    assert [key for key in s3.listed() if key.startswith("out/")] == ["out/rows.jsonl"]
    assert [path.name for path in journal.parent.iterdir()] == ["journal.sqlite"]
    assert sorted(path.name for path in journal.parent.parent.iterdir()) == [
        "rows.jsonl.dataflow", "rows.jsonl.run.json"
    ]  # fmt: skip


@promise("resume", "s3://")
def test_the_same_command_again_asks_nothing_and_extends_what_is_there(dataflow, s3, api):
    command = ("caption", put_rows(s3, 3), "-o", "s3://bucket/out.jsonl", *asked(api))
    assert dataflow(*command).returncode == 0
    put_rows(s3, 5)
    done = dataflow(*command)
    assert done.returncode == 0, done.stderr
    assert s3.get("out.jsonl") == captioned(5)
    assert api.asked == 5


def test_an_output_of_somebody_else_is_not_overwritten(dataflow, s3, api):
    source = put_rows(s3, 1)
    s3.put("out.jsonl", b"precious")
    done = dataflow("caption", source, "-o", "s3://bucket/out.jsonl", *asked(api))
    assert done.returncode == 2
    assert "s3://bucket/out.jsonl exists and no former run made it" in done.stderr
    assert s3.get("out.jsonl") == b"precious"
    assert api.asked == 0


def test_an_output_with_fewer_rows_leaves_the_former_one_beside_it(dataflow, s3, api):
    command = ("caption", put_rows(s3, 4), "-o", "s3://bucket/out/out.jsonl", *asked(api))
    assert dataflow(*command).returncode == 0
    assert dataflow(*command, "--limit", 2).returncode == 0
    assert s3.get("out/out.jsonl") == captioned(2)
    [kept] = [key for key in s3.listed() if key.startswith("out/out.jsonl.")]
    assert s3.get(kept) == captioned(4)


@promise("parts", "s3://")
def test_an_output_in_parts_replaces_the_parts_of_a_former_run(dataflow, s3, api):
    command = ("caption", put_rows(s3, 5), "-o", "s3://bucket/out/p.parquet", *asked(api))
    assert dataflow(*command, "--rows-per-file", 2).returncode == 0
    done = dataflow(*command, "--rows-per-file", 3)
    assert done.returncode == 0, done.stderr
    keys = [key for key in s3.listed() if key.startswith("out/")]
    assert keys == ["out/p-00000-of-00002.parquet", "out/p-00001-of-00002.parquet"]
    rows = [row for key in keys for row in pq.read_table(io.BytesIO(s3.get(key))).to_pylist()]
    assert [row["caption"] for row in rows] == [caption_of(jpeg(n)) for n in range(5)]


def test_a_picture_that_is_missing_fails_its_own_row(dataflow, s3, api, tmp_path):
    source = put_rows(s3, 4)
    s3.client.delete_object(Bucket="bucket", Key="data/images/2.jpg")
    done = dataflow("caption", source, "-o", "s3://bucket/out.jsonl", *asked(api))
    assert done.returncode == 3
    rows = [json.loads(line) for line in s3.get("out.jsonl").splitlines()]
    assert [row["caption"] is None for row in rows] == [False, False, True, False]
    [error] = (tmp_path / JOURNAL / "out.jsonl.errors.jsonl").read_text().splitlines()
    assert json.loads(error)["kind"] == "picture_missing"
    s3.put("data/images/2.jpg", jpeg(2))
    done = dataflow("caption", source, "-o", "s3://bucket/out.jsonl", *asked(api))
    assert done.returncode == 0, done.stderr
    assert s3.get("out.jsonl") == captioned(4)


def test_a_picture_that_may_not_be_read_or_never_comes_fails_its_own_row(dataflow, api, tmp_path):
    """The store is a server that refuses one picture and is down for another."""
    lines = b"".join(b'{"image": "%d.jpg"}\n' % n for n in range(4))
    files = {"/b/rows.jsonl": lines, **{f"/b/{n}.jpg": jpeg(n) for n in range(4)}}
    with WebServer(files) as store:
        store.answer = lambda asked: {"/b/1.jpg": 403, "/b/2.jpg": 503}.get(asked.path)
        variables = {"AWS_ENDPOINT_URL": store.url}  # a store that another process has not met
        done = dataflow.own_process("caption", "s3://b/rows.jsonl", *asked(api), **variables)
    assert done.returncode == 3, done.stderr
    rows = map(json.loads, (tmp_path / "rows.captions.jsonl").read_text().splitlines())
    assert [row["caption"] is None for row in rows] == [False, True, True, False]
    errors = (tmp_path / "rows.captions.jsonl.errors.jsonl").read_text().splitlines()
    refused, down = map(json.loads, errors)
    assert (refused["kind"], down["kind"]) == ("picture", "picture")
    assert "s3://b/1.jpg: the access is denied (403)" in refused["message"]
    assert "s3://b/2.jpg: " in down["message"]


def test_without_credentials_public_buckets_are_read(dataflow, s3, api, tmp_path):
    source = put_rows(s3, 2)
    for key in s3.listed():
        s3.client.put_object_acl(Bucket=s3.bucket, Key=key, ACL="public-read")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        del dataflow.environment[name]
    nobody = {"AWS_EC2_METADATA_DISABLED": "true", "HOME": str(tmp_path)}
    done = dataflow("caption", source, *asked(api), **nobody)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "rows.captions.jsonl").read_bytes() == captioned(2)


@promise("clear errors", "s3://")
def test_an_output_that_may_not_be_written_is_told_before_anything_is_spent(dataflow, s3, api):
    source = put_rows(s3, 2)
    done = dataflow("caption", source, "-o", "s3://nobody/out.jsonl", *asked(api))
    assert done.returncode == 1
    assert "cannot write s3://nobody/out.jsonl: no such file or folder" in done.stderr
    assert "check the bucket" in done.stderr
    assert api.asked == 0


@promise("clear errors", "s3://")
def test_a_store_that_refuses_the_output_at_the_end_loses_nothing(dataflow, s3, api):
    source = put_rows(s3, 3)
    for n in range(3):  # a picture by a URL of the web
        s3.client.delete_object(Bucket="bucket", Key=f"data/images/{n}.jpg")
    with WebServer({f"/{n}.jpg": jpeg(n) for n in range(3)}) as web:
        lines = "".join(json.dumps({"image": f"{web.url}/{n}.jpg"}) + "\n" for n in range(3))
        s3.put("data/rows.jsonl", lines.encode())
        command = ("caption", source, "-o", "s3://gone/out.jsonl", "--allow-private-urls")
        command = (*command, *asked(api))
        s3.client.create_bucket(Bucket="gone")
        api.delay = 2.0
        process = dataflow.start(*command)
        until(lambda: api.asked == 3)
        s3.client.delete_object(Bucket="gone", Key=".out.jsonl.lock")
        s3.client.delete_bucket(Bucket="gone")
        _, err = process.communicate(timeout=60)
        assert process.returncode == 1
        assert "s3://gone/out.jsonl: cannot be written" in err
        s3.client.create_bucket(Bucket="gone")
        assert dataflow(*command).returncode == 0
    found = s3.client.get_object(Bucket="gone", Key="out.jsonl")["Body"].read()
    assert [json.loads(line)["caption"] for line in found.splitlines()] == [
        caption_of(jpeg(n)) for n in range(3)
    ]
    assert api.asked == 3


def test_no_secret_is_in_what_is_said_or_kept(dataflow, s3, api, tmp_path):
    source = put_rows(s3, 2)
    with WebServer({"/rows.jsonl": s3.get("data/rows.jsonl")}, token="hidden-signature") as web:
        url = f"{web.url}/rows.jsonl?signature=hidden-signature"
        web.files |= {f"/images/{n}.jpg": jpeg(n) for n in range(2)}
        said = [
            dataflow("caption", source, "-o", "s3://bucket/out.jsonl", *asked(api)),
            dataflow("caption", source, "-o", "s3://nobody/out.jsonl", *asked(api)),
            dataflow("caption", url, "-o", "signed.jsonl", *asked(api)),
            dataflow("caption", url + "x", "-o", "wrong.jsonl", *asked(api)),
        ]
    assert "denied (403)" in said[3].stderr
    for done in said:
        assert SECRET not in done.stdout + done.stderr
        assert "hidden-signature" not in done.stdout + done.stderr
    for path in tmp_path.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert SECRET.encode() not in data
            assert b"hidden-signature" not in data, path


def test_the_journal_may_lie_in_a_folder_of_ones_own(dataflow, s3, api, tmp_path):
    command = ("caption", put_rows(s3, 2), "-o", "s3://bucket/out.jsonl", *asked(api))
    assert dataflow(*command, "--journal", "mine").returncode == 0
    assert (tmp_path / "mine/s3/bucket/out.jsonl.dataflow/journal.sqlite").exists()
    assert not (tmp_path / "state").exists()


def test_the_other_commands_know_urls_too(dataflow, s3, api):
    source = put_rows(s3, 3)
    output = "s3://bucket/out.jsonl"
    told = dataflow("estimate", source, "-o", output, *asked(api), "--max-tokens", 100, "--json")
    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout)["rows"] == 3
    done = dataflow("caption", source, "-o", output, "--show", *asked(api))
    assert caption_of(jpeg(2)) in done.stdout
    status = dataflow("status", output, "--json")
    assert json.loads(status.stdout)["captioned"] == 3
    checked = dataflow("check", output, "--json")
    assert json.loads(checked.stdout)["rows"] == 3, checked.stdout


@pytest.mark.parametrize("output", ["s3://bucket/out.jsonl", "gs://bucket/a/out.jsonl"])
def test_an_output_without_a_run_is_named_by_its_url(dataflow, tmp_path, output):
    done = dataflow("status", output)
    assert done.returncode == 2
    here = tmp_path / "state/dataflow" / output.replace("://", "/")
    assert (
        f"no run has begun for {output}: there is no {here}.dataflow/journal.sqlite" in done.stderr
    )
    assert "--journal FOLDER" in done.stderr


def test_a_folder_of_pictures_is_captioned_into_a_file_here(dataflow, s3, api, tmp_path):
    for n in range(3):
        s3.put(f"pics/{n}.jpg", jpeg(n))
    done = dataflow("caption", "s3://bucket/pics/", *asked(api))
    assert done.returncode == 0, done.stderr
    rows = [
        json.loads(line) for line in (tmp_path / "pics.captions.jsonl").read_text().splitlines()
    ]
    assert rows == [
        {"image": f"s3://bucket/pics/{n}.jpg", "caption": caption_of(jpeg(n))} for n in range(3)
    ]
    assert dataflow("caption", "s3://bucket/pics/", "--sidecar", ".txt").returncode == 2


def test_a_dataset_of_the_web_and_the_pictures_beside_it(dataflow, api, tmp_path):
    lines = b"".join(b'{"image": "images/%d.jpg", "price": 1.10}\n' % n for n in range(3))
    files = {"/d/rows.jsonl": lines, **{f"/d/images/{n}.jpg": jpeg(n) for n in range(3)}}
    with WebServer(files) as web:
        done = dataflow("caption", f"{web.url}/d/rows.jsonl", *asked(api))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "rows.captions.jsonl").read_bytes() == captioned(3)


def test_a_store_that_is_gone_in_between_is_told_without_a_traceback(capsys):
    error = RemoteError(RemotePath("s3://b/rows.jsonl"), "the server answers 503", status=503)
    assert _code_of(error) == 1
    told = " ".join(capsys.readouterr().err.split())
    assert "error: s3://b/rows.jsonl: the server answers 503; check the bucket" in told


def test_an_output_at_a_web_server_is_refused(dataflow, s3, api):
    done = dataflow("caption", put_rows(s3, 1), "-o", "https://host/out.jsonl", *asked(api))
    assert done.returncode == 2
    assert "only s3:// and gs:// can be written" in done.stderr


@pytest.mark.parametrize(
    "output", ["az://box/out.jsonl", "file:///tmp/out.jsonl", "s3:///out.jsonl"]
)
def test_an_output_at_another_url_is_no_file_of_that_name_here(dataflow, s3, api, output, tmp_path):
    done = dataflow("caption", put_rows(s3, 1), "-o", output, *asked(api))
    assert done.returncode == 2
    assert "can be written" in done.stderr
    assert api.asked == 0
    assert not [*tmp_path.glob("*:")]


def test_a_saved_folder_at_a_url_is_refused_before_anything_is_asked(dataflow, s3, api, tmp_path):
    (tmp_path / "saved").mkdir()
    table = pa.table({"image": ["a.jpg"]})
    with pa.ipc.new_stream(tmp_path / "saved/data.arrow", table.schema) as out:
        out.write_table(table)
    state = '{"_data_files": [{"filename": "data.arrow"}]}'
    (tmp_path / "saved/state.json").write_text(state)
    done = dataflow("caption", "saved", "-o", "s3://bucket/out", *asked(api))
    assert done.returncode == 2
    assert "on this machine only" in done.stderr
    assert api.asked == 0


def test_a_file_of_a_repository_of_the_hub_is_a_dataset(dataflow, api, tmp_path):
    files = {"data/rows.jsonl": b'{"image": "images/1.jpg", "price": 1.10}\n'}
    with DatasetHub({"someone/eyes": {**files, "data/images/1.jpg": jpeg(1)}}) as hub:
        done = dataflow.own_process(
            "caption", "hf://datasets/someone/eyes/data/rows.jsonl", *asked(api),
            HF_ENDPOINT=hub.url, HF_HOME=str(tmp_path / "hf"), HF_HUB_DISABLE_XET="1",
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    [row] = [
        json.loads(line) for line in (tmp_path / "rows.captions.jsonl").read_text().splitlines()
    ]
    assert row["caption"] == caption_of(jpeg(1))


def until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


SHARDS, SAMPLES = 5, 40


@promise("resume", "s3://")
def test_shards_of_a_store_captioned_back_into_it_survive_two_kills(dataflow, s3, api, tmp_path):
    """Every picture rightly, all else to the byte; asked twice only what was in flight."""
    made = write_shards(tmp_path / "made", SHARDS, SAMPLES)
    for shard in made.iterdir():
        s3.put(f"shards/{shard.name}", shard.read_bytes())
    concurrency = 8
    command = ("caption", "s3://bucket/shards/{00000..00004}.tar", "-o", "s3://bucket/captioned")
    command = (*command, *asked(api, "--concurrency", concurrency))
    api.delay = 0.05

    first = dataflow.start(*command)
    until(lambda: api.asked >= 60)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    assert not [key for key in s3.listed() if key.startswith("captioned/")]

    second = dataflow.start(*command)
    until(lambda: "captioned/00001.tar" in s3.listed())
    second.send_signal(signal.SIGKILL)
    second.communicate()
    written = {key: s3.get(key) for key in s3.listed() if key.startswith("captioned/")}
    assert 2 <= len(written) < SHARDS

    done = dataflow(*command)
    assert done.returncode == 0, done.stderr
    assert f"{SHARDS * SAMPLES}" in done.stderr
    keys = [key for key in s3.listed() if key.startswith("captioned/")]
    assert keys == [f"captioned/{shard:05}.tar" for shard in range(SHARDS)]
    for key in keys:
        check_shard(made / key.partition("/")[2], s3.get(key), tmp_path / "there.tar")
    assert all(s3.get(key) == data for key, data in written.items())
    assert SHARDS * SAMPLES <= api.asked <= SHARDS * SAMPLES + 2 * concurrency


def check_shard(origin, data, place):
    """The members of `origin` to the byte and in order, each sample with its caption behind it."""
    place.write_bytes(data)
    expected = []
    for name, content in members_in(origin):
        expected.append((name, content))
        if name.endswith(".json"):
            picture = dict(members_in(origin))[name.replace(".json", ".jpg")]
            expected.append((name.replace(".json", ".txt"), caption_of(picture).encode()))
    assert members_in(place) == expected
    with tarfile.open(place) as new, tarfile.open(origin) as old:
        untouched = [info.tobuf() for info in new if not info.name.endswith(".txt")]
        assert untouched == [info.tobuf() for info in old]
