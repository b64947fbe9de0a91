"""Objects whose names have an empty part (``a//b.jpg``): read like any others."""

from __future__ import annotations

import json

import pytest

from dataflow.formats.registry import open_reader
from dataflow.operators.core_vision import ImageCaptionGenerator
from dataflow.serving.fake import FakeServing
from dataflow.utils.storage import FileStorage
from tests.formats.shards import jpeg
from tests.remote.test_pictures import load

KEYS = ["data/a.jpg", "data//b.jpg", "data///c.jpg", "data/d//e.jpg", "data/d//f/g.jpg"]


@pytest.fixture(params=["s3", "gs"])
def store(request):
    return request.param, request.getfixturevalue(request.param)


def test_a_folder_of_pictures_holds_them_too(store):
    scheme, server = store
    for number, name in enumerate(KEYS):
        server.put(name, jpeg(number))
    reader = open_reader(f"{scheme}://bucket/data")
    paths = [row.fields["image"] for row in reader.rows()]
    assert len(set(paths)) == len(KEYS)
    found = [load(path, [reader.folder()])[0] for path in paths]
    assert sorted(found) == sorted(jpeg(number) for number in range(len(KEYS)))
    assert load(f"{scheme}://bucket/data//b.jpg") == [jpeg(1)]


def test_each_caption_stands_beside_the_object_that_was_asked_about(s3, tmp_path):
    for number, name in enumerate(KEYS):
        s3.put(name, jpeg(number))
    storage = FileStorage("s3://bucket/data", str(tmp_path / "cache")).step()
    serving = FakeServing(lambda request, pictures: f"{len(pictures[0].data)} bytes")
    ImageCaptionGenerator(serving, "").run(storage, output_key="caption")
    for row in storage.step().read("dict"):
        number = KEYS.index(row["image"].removeprefix("s3://bucket/"))
        assert row["caption"] == f"{len(jpeg(number))} bytes"


@pytest.mark.parametrize("path", ["images//1.jpg", ".//images/1.jpg", "images///1.jpg"])
def test_a_path_put_together_with_one_slash_too_many_still_finds_its_picture(s3, path):
    s3.put("data/images/1.jpg", jpeg(1))
    assert load(path, ["s3://bucket/data"]) == [jpeg(1)]


def test_where_both_are_there_the_name_is_taken_as_it_stands(s3):
    s3.put("data/images/1.jpg", jpeg(1))
    s3.put("data/images//1.jpg", jpeg(2))
    s3.put("data/rows.jsonl", json.dumps({"image": "images//1.jpg"}).encode())
    reader = open_reader("s3://bucket/data/rows.jsonl")
    (row,) = reader.rows()
    assert load(row.fields["image"], [reader.folder()]) == [jpeg(2)]
