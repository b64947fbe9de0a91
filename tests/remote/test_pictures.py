"""Pictures in stores and beside a remote dataset: their bytes, or the row's own error."""

from __future__ import annotations

import asyncio
import io

import pytest
from PIL import Image

from dataflow.core.errors import (
    BadRowError,
    PictureError,
    PictureForbiddenError,
    PictureMissingError,
    PictureTooLargeError,
)
from dataflow.images.base.limits import Limits
from dataflow.images.base.open_file import SMALL
from dataflow.images.loader import Loader
from dataflow.images.reference import parse_reference
from dataflow.remote import filesystem
from dataflow.remote.path import server_of
from tests.formats.shards import jpeg
from tests.servers.web_server import WebServer


def load(value, folders=(), **limits):
    """The pictures that `value` stands for, as bytes that are sent."""

    async def loaded():
        async with Loader(Limits(**limits)) as loader:
            return [(await loader.load(ref)).data for ref in parse_reference(value, folders)]

    return asyncio.run(loaded())


def test_a_picture_is_had_by_its_url_and_by_its_path_beside_the_dataset(s3):
    s3.put("data/images/1 #2?.jpg", jpeg(1))
    s3.put("other/2.jpg", jpeg(2))
    folders = ["s3://bucket/data", "."]
    assert load("images/1 #2?.jpg", folders) == [jpeg(1)]
    assert load("s3://bucket/data/images/1 #2?.jpg") == [jpeg(1)]
    assert load(["../other/2.jpg", "images/1 #2?.jpg"], folders) == [jpeg(2), jpeg(1)]


def test_a_path_that_is_on_this_machine_too_is_that_of_the_store(s3, tmp_path, monkeypatch):
    """Nothing that happens to lie in the working folder is taken for a picture of the dataset."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "1.jpg").write_bytes(jpeg(9))
    s3.put("data/1.jpg", jpeg(1))
    assert load("1.jpg", ["s3://bucket/data", "."]) == [jpeg(1)]


def test_a_step_of_a_pipeline_looks_here_first_and_then_beside_the_first_entry(s3, tmp_path):
    (tmp_path / "1.jpg").write_bytes(jpeg(9))
    s3.put("data/2.jpg", jpeg(2))
    folders = [str(tmp_path), "s3://bucket/data", "."]
    assert load(["1.jpg", "2.jpg"], folders) == [jpeg(9), jpeg(2)]


def test_a_large_picture_is_read_in_parts_and_is_the_same(s3):
    file = io.BytesIO()
    Image.effect_noise((2600, 2600), 90).convert("RGB").save(file, "PNG")
    assert len(file.getvalue()) > SMALL + 1
    s3.put("large.png", file.getvalue())
    s3.put("small.jpg", jpeg(1))
    [there] = load("s3://bucket/large.png")
    [here] = load(file.getvalue())
    assert there == here


def test_a_picture_of_just_one_part_is_whole(s3):
    data = jpeg(1) + b"\0" * (SMALL - len(jpeg(1)))
    s3.put("a.jpg", data)
    assert load("s3://bucket/a.jpg") == load(data)


@pytest.mark.parametrize(
    ("value", "error", "told"),
    [
        ("s3://bucket/none.jpg", PictureMissingError, "no such file"),
        ("none.jpg", PictureMissingError, "no such file"),
        ("s3://nobody/none.jpg", PictureMissingError, "no such file"),
        ("s3://bucket/empty.jpg", PictureError, "is empty"),
        ("s3://bucket/text.jpg", PictureError, "text.jpg"),
        ("../../a.jpg", PictureForbiddenError, "leads out of"),
        ("s3://bucket", BadRowError, "names no file"),
        ("ftp://host/a.jpg", PictureForbiddenError, "is not fetched"),
    ],
)
def test_what_cannot_be_had_is_the_rows_own_error(value, error, told, s3):
    s3.put("empty.jpg", b"")
    s3.put("text.jpg", b"no picture at all")
    with pytest.raises(error, match=told):
        load(value, ["s3://bucket/data"])


def test_a_picture_over_the_limit_is_refused_without_being_read_whole(s3):
    s3.put("large.jpg", jpeg(1) + b"\0" * (3 * SMALL))
    with pytest.raises(PictureTooLargeError):
        load("s3://bucket/large.jpg", max_picture_bytes=2 * SMALL)


def test_a_missing_package_fails_the_row_with_its_cure(monkeypatch):
    """One row of another store must not stop a run."""
    monkeypatch.setitem(filesystem._PACKAGES, "gs", ("gcsfs", "gs"))
    monkeypatch.setitem(__import__("sys").modules, "gcsfs", None)
    filesystem.filesystem.cache_clear()
    with pytest.raises(PictureError, match=r"pip install 'dataflow-caption\[gs\]'"):
        load("gs://bucket/a.jpg")


def test_many_pictures_come_at_once(s3):
    for number in range(40):
        s3.put(f"{number}.jpg", jpeg(number))
    found = load([f"s3://bucket/{number}.jpg" for number in range(40)])
    assert found == [jpeg(number) for number in range(40)]


def test_only_the_users_own_server_may_have_a_private_address():
    with WebServer({"/data/1.jpg": jpeg(1)}) as mine, WebServer({"/1.jpg": jpeg(2)}) as other:
        folders = [f"{mine.url}/data", "."]
        with pytest.raises(PictureForbiddenError):
            load("1.jpg", folders)
        trusted = {"trusted_server": server_of(mine.url)}
        assert load("1.jpg", folders, **trusted) == [jpeg(1)]
        with pytest.raises(PictureForbiddenError):
            load(f"{other.url}/1.jpg", folders, **trusted)
        assert other.asked == []
