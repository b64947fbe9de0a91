"""A picture that is no column becomes one in the steps of a storage."""

from __future__ import annotations

import json

import pytest

from dataflow.formats.coco_file import CocoReader
from dataflow.utils.step_pictures import hides_picture, with_picture
from dataflow.utils.storage import FileStorage


def coco(folder, *images):
    path = folder / "data.json"
    path.write_text(json.dumps({"images": list(images), "annotations": []}))
    return path


@pytest.mark.parametrize(("key", "hidden"), [("image", True), ("file_name", False), ("id", False)])
def test_a_picture_is_hidden_where_its_name_is_no_column(tmp_path, key, hidden):
    reader = CocoReader(coco(tmp_path, {"id": 1, "file_name": "a.jpg"}), picture_key=key)
    assert hides_picture(reader, key) is hidden


def test_nothing_is_hidden_where_there_are_no_rows(tmp_path):
    assert not hides_picture(CocoReader(coco(tmp_path)), "image")


def test_the_picture_comes_before_the_columns_that_are_added():
    assert with_picture(["caption"], "image") == {"image": None, "caption": None}
    assert with_picture({"tags": "json"}, "image") == {"image": None, "tags": "json"}


def test_an_image_without_a_file_has_null_for_its_picture(tmp_path):
    entry = coco(tmp_path, {"id": 1, "file_name": "a.jpg"}, {"id": 2})
    storage = FileStorage(str(entry), str(tmp_path / "cache")).step()
    step = storage.open_step(picture_key="image", columns=["caption"])
    step.output.parent.mkdir()
    writer = step.open_writer(step.output)
    for row in step.reader.rows():
        writer.write(row, {"caption": "a"})
    writer.close()
    writer.move_in(step.output)
    assert [json.loads(line) for line in step.output.read_text().splitlines()] == [
        {"id": 1, "file_name": "a.jpg", "image": "a.jpg", "caption": "a"},
        {"id": 2, "image": None, "caption": "a"},
    ]


def test_a_later_step_looks_for_pictures_also_where_the_first_entry_was_when_it_is_gone(tmp_path):
    entry = coco(tmp_path, {"id": 1, "file_name": "a.jpg"})
    storage = FileStorage(str(entry), str(tmp_path / "cache")).step()
    storage.write([{"id": 1, "image": "a.jpg"}])
    entry.unlink()
    step = storage.step().open_step(picture_key="image", columns=["caption"])
    assert str(tmp_path) in step.folders
