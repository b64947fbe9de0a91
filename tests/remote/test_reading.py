"""Datasets at a URL give the rows that they give as files."""

from __future__ import annotations

import gzip
import io
import json
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataflow.core.errors import InputError, MissingPackageError, UsageError
from dataflow.formats.detect import detect_format
from dataflow.formats.output_spec import writer_for
from dataflow.formats.registry import open_reader
from dataflow.remote import errors, filesystem, stream
from dataflow.remote.path import RemotePath
from tests.formats.promises import promise
from tests.formats.shards import jpeg, write_shards
from tests.servers.web_server import WebServer

ROWS = [{"image": f"images/{n}.jpg", "n": n, "text": "ü" * (n % 7)} for n in range(500)]
LINES = b"".join(json.dumps(row).encode() + b"\n" for row in ROWS)


def fields_of(path):
    return [dict(row.fields) for row in open_reader(path).rows()]


@promise("round trip", "s3://")
@pytest.mark.parametrize(
    "name",
    ["a.json", "a.jsonl", "a.jsonl.gz", "a.csv", "a.tsv.zst", "a.parquet", "a.arrow", "a.arrows",
     "a.feather", "a.tar", "a.tar.gz"],
)  # fmt: skip
def test_each_format_gives_the_rows_of_the_same_file_here(name, s3, tmp_path):
    (tmp_path / "in.jsonl").write_bytes(LINES)
    reader = open_reader(tmp_path / "in.jsonl")
    writer = writer_for(name, reader, [])(tmp_path / name)
    for row in reader.rows():
        writer.write(row, {})
    writer.close()
    s3.put(f"data/{name}", (tmp_path / name).read_bytes())
    here, there = open_reader(tmp_path / name), open_reader(f"s3://bucket/data/{name}")
    assert [dict(row.fields) for row in there.rows()] == fields_of(tmp_path / name)
    assert len(fields_of(tmp_path / name)) == len(ROWS)
    assert there.count() == here.count()
    assert there.column_names() == here.column_names()
    assert there.folder() == "s3://bucket/data"


def test_coco_is_recognised_and_finds_its_pictures(s3):
    coco = {"images": [{"id": 1, "file_name": "1.jpg"}], "annotations": []}
    s3.put("data/annotations/captions_val2017.json", json.dumps(coco).encode())
    s3.put("data/val2017/1.jpg", jpeg(1))
    reader = open_reader("s3://bucket/data/annotations/captions_val2017.json")
    assert [row.fields["image"] for row in reader.rows()] == ["1.jpg"]
    assert reader.folder() == "s3://bucket/data/val2017"


def test_a_folder_of_pictures_is_listed_sorted_and_picked(s3):
    for name in ("b/2.jpg", "a.jpg", "b/1.png", ".hidden.jpg", "notes.txt", "b.jpg", ""):
        s3.put(f"pics/{name}", b"x")
    found = [row["image"] for row in fields_of("s3://bucket/pics/")]
    assert found == [
        f"s3://bucket/pics/{name}" for name in ("a.jpg", "b.jpg", "b/1.png", "b/2.jpg")
    ]
    found = [row["image"] for row in fields_of("s3://bucket/pics/**/*.png")]
    assert found == ["s3://bucket/pics/b/1.png"]


@promise("several files", "s3://")
@pytest.mark.parametrize("name", ["shards", "shards/{00000..00001}.tar", "shards/*.tar"])
def test_shards_are_read_from_a_folder_and_by_patterns(name, s3, tmp_path):
    for shard in write_shards(tmp_path / "shards", 2, 3).iterdir():
        s3.put(f"shards/{shard.name}", shard.read_bytes())
    assert fields_of(f"s3://bucket/{name}") == fields_of(tmp_path / "shards")


@promise("several files", "s3://")
@pytest.mark.parametrize(
    "name", ["parts", "parts/rows-*-of-*.jsonl", "parts/rows-0000{0..1}-of-00002.jsonl"]
)
def test_several_files_of_one_format_are_one_dataset(name, s3):
    half = len(ROWS) // 2
    lines = LINES.splitlines(keepends=True)
    s3.put("parts/rows-00000-of-00002.jsonl", b"".join(lines[:half]))
    s3.put("parts/rows-00001-of-00002.jsonl", b"".join(lines[half:]))
    reader = open_reader(f"s3://bucket/{name}")
    assert [dict(row.fields) for row in reader.rows()] == ROWS
    assert reader.folder() == "s3://bucket/parts"


def test_a_missing_shard_is_told_before_anything_is_read(s3, tmp_path):
    shard = next(write_shards(tmp_path / "shards", 1, 1).iterdir())
    s3.put("shards/00000.tar", shard.read_bytes())
    with pytest.raises(UsageError, match=r"s3://bucket/shards/00001\.tar: no such file"):
        open_reader("s3://bucket/shards/{00000..00001}.tar")


def test_folders_of_parquet_and_saved_datasets_are_recognised(s3, tmp_path):
    file = io.BytesIO()
    pq.write_table(pa.table({"image": ["1.jpg"]}), file)
    s3.put("parquets/0.parquet", file.getvalue())
    s3.put("parquets/1.parquet", file.getvalue())
    assert fields_of("s3://bucket/parquets") == [{"image": "1.jpg"}] * 2
    with pa.ipc.new_stream(tmp_path / "data.arrow", pa.schema([("n", pa.int64())])) as new:
        new.write_table(pa.table({"n": [1, 2]}))
    s3.put("saved/data.arrow", (tmp_path / "data.arrow").read_bytes())
    s3.put("saved/state.json", b'{"_data_files": [{"filename": "data.arrow"}]}')
    assert fields_of("s3://bucket/saved") == [{"n": 1}, {"n": 2}]


@promise("constant memory", "s3://", "gs://", "https://")
@pytest.mark.parametrize("store", ["s3", "gs", "web"])
def test_no_more_than_a_buffer_is_fetched_at_once(store, request, monkeypatch):
    line = b'{"text": "%s"}\n' % (b"x" * 100_000)
    server = request.getfixturevalue(store)
    url = server.put("data/rows.jsonl", line * 100)
    sizes = []
    fetch = stream._Ranges._range

    def noted(file, start, end):
        sizes.append(end - start)
        return fetch(file, start, end)

    monkeypatch.setattr(stream._Ranges, "_range", noted)
    assert sum(len(row.fields["text"]) for row in open_reader(url).rows()) == 10_000_000
    assert sum(sizes) >= len(line) * 100
    assert max(sizes) <= stream.BUFFER


def test_a_large_file_is_read_by_parts_and_never_whole(monkeypatch):
    monkeypatch.setattr(stream, "BUFFER", 4096)
    with WebServer({"/rows.jsonl": LINES}) as server:
        monkeypatch.setattr("dataflow.formats.base.reading.BUFFER", 4096)
        file = stream.open_stream(RemotePath(f"{server.url}/rows.jsonl"), 4096)
        with file:
            assert file.read() == LINES
        spans = [span for method, _, span in server.asked if method == "GET" and span]
    sizes = [int(b) - int(a) + 1 for a, b in (s.removeprefix("bytes=").split("-") for s in spans)]
    assert len(sizes) > 3
    assert sum(sizes) >= len(LINES)


def test_of_parquet_only_the_parts_that_are_wanted_are_fetched():
    table = pa.table(
        {"image": ["x"] * 1000, "large": [bytes([n % 256]) * 9000 for n in range(1000)]}
    )
    file = io.BytesIO()
    pq.write_table(table, file, compression="none", use_dictionary=False)
    data = file.getvalue()
    with WebServer({"/a.parquet": data}) as server:
        reader = open_reader(f"{server.url}/a.parquet")
        reader.columns = ("image",)
        assert [row.fields["image"] for row in reader.rows()] == ["x"] * 1000
        spans = [span for _, _, span in server.asked if span]
    parts = (span.removeprefix("bytes=").split("-") for span in spans)
    assert sum(int(b) - int(a) + 1 for a, b in parts) < len(data) / 2


def test_a_server_without_ranges_gives_the_file_whole(tmp_path):
    (tmp_path / "a.parquet").touch()
    file = io.BytesIO()
    pq.write_table(pa.table({"n": [1, 2, 3]}), file)
    with WebServer({"/a.parquet": file.getvalue(), "/b.jsonl": LINES}, ranges=False) as server:
        assert fields_of(f"{server.url}/a.parquet") == [{"n": 1}, {"n": 2}, {"n": 3}]
        assert fields_of(f"{server.url}/b.jsonl") == ROWS


def test_what_passes_is_tried_again(monkeypatch):
    monkeypatch.setattr(errors, "PAUSE", 0.01)
    with WebServer({"/a.jsonl": LINES}) as server:
        seen = []

        def answer(request):
            seen.append(request)
            return 503 if len(seen) % 3 else None

        server.answer = answer
        assert fields_of(f"{server.url}/a.jsonl") == ROWS


@promise("clear errors", "s3://")
def test_a_file_that_changes_while_it_is_read_is_an_error(s3):
    s3.put("a.jsonl", LINES * 300)
    rows = open_reader("s3://bucket/a.jsonl").rows()
    next(rows)
    s3.put("a.jsonl", LINES[::-1] * 300)
    with pytest.raises(InputError, match="changed while it was read; run the same command again"):
        list(rows)


@promise("clear errors", "https://")
def test_a_file_of_the_web_that_changes_while_it_is_read_is_an_error():
    with WebServer({"/a.jsonl": LINES * 300}) as server:
        rows = open_reader(f"{server.url}/a.jsonl").rows()
        next(rows)
        server.files["/a.jsonl"] = LINES.replace(b"images/0.jpg", b"images/9.jpg") * 300
        with pytest.raises(InputError, match="changed while it was read"):
            list(rows)


@promise("clear errors", "https://")
@pytest.mark.parametrize(
    ("status", "told"),
    [(403, r"the access is denied \(403\)"), (401, "denied"), (500, "the server answers 500")],
)
def test_what_a_server_refuses_is_told_with_its_cure_and_no_signature(status, told, monkeypatch):
    monkeypatch.setattr(errors, "PAUSE", 0.01)
    with WebServer({"/a.jsonl": LINES}) as server:
        server.answer = lambda _: status
        with pytest.raises(InputError, match=told) as raised:
            open_reader(f"{server.url}/a.jsonl?signature=secret")
    assert "secret" not in raised.value.message
    assert "check the URL" in raised.value.message


@promise("clear errors", "https://")
def test_a_signed_url_is_read_and_never_shown(capsys):
    bad = gzip.compress(b'{"n": 1}\n{"n": \n')
    with WebServer({"/a.jsonl.gz": bad}, token="secret") as server:
        with pytest.raises(InputError) as raised:
            fields_of(f"{server.url}/a.jsonl.gz?signature=secret&x=.csv")
        assert raised.value.message.startswith(f"{server.url}/a.jsonl.gz, line 2")
        assert "secret" not in raised.value.message


@promise("several files", "https://")
def test_a_signature_is_that_of_each_file_that_braces_stand_for():
    files = {f"/{n}.jsonl": b'{"n": %d}\n' % n for n in range(2)}
    with WebServer(files, token="secret") as server:
        assert fields_of(server.url + "/{0..1}.jsonl?signature=secret") == [{"n": 0}, {"n": 1}]


def test_a_server_that_is_not_there_is_told(monkeypatch):
    monkeypatch.setattr(errors, "PAUSE", 0.01)
    with pytest.raises(InputError, match="cannot be reached"):
        open_reader("http://127.0.0.1:9/a.jsonl")


def test_a_missing_package_is_told_with_its_cure(monkeypatch):
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    filesystem.filesystem.cache_clear()
    with pytest.raises(MissingPackageError, match=r"pip install 'dataflow-caption\[gs\]'"):
        open_reader("gs://bucket/a.jsonl")


@promise("clear errors", "s3://")
def test_a_missing_bucket_is_told(s3):
    with pytest.raises(InputError, match=r"s3://nobody/a\.jsonl: no such file or folder"):
        open_reader("s3://nobody/a.jsonl")


@pytest.mark.parametrize("name", ["a", "a/*.jsonl"])
def test_a_store_that_is_not_there_is_told_where_the_kind_of_a_dataset_is_asked(name, monkeypatch):
    def ask(place, *_, **__):
        raise errors.RemoteError(place, "it cannot be reached")

    monkeypatch.setattr(filesystem, "ask", ask)
    with pytest.raises(InputError, match="cannot be reached"):
        detect_format(f"s3://bucket/{name}")
