"""A picture that is no column becomes one in the steps of a storage."""

from __future__ import annotations

import json

import pytest

from dataflow.core.errors import UsageError
from dataflow.core.row import Row
from dataflow.formats.coco.coco import CocoReader, ImageFields
from dataflow.utils.hidden_pictures import HiddenPicture, hidden_picture
from dataflow.utils.storage import FileStorage


def coco(folder, *images):
    path = folder / "data.json"
    path.write_text(json.dumps({"images": list(images), "annotations": []}))
    return path


@pytest.mark.parametrize(("key", "hidden"), [("image", True), ("file_name", False), ("id", False)])
def test_a_picture_is_hidden_where_its_name_is_no_column(tmp_path, key, hidden):
    reader = CocoReader(coco(tmp_path, {"id": 1, "file_name": "a.jpg"}), picture_key=key)
    assert (hidden_picture(reader, key, str(tmp_path)) is not None) is hidden


def test_nothing_is_hidden_where_there_are_no_rows(tmp_path):
    assert hidden_picture(CocoReader(coco(tmp_path)), "image", str(tmp_path)) is None


def test_a_first_row_without_a_picture_hides_nothing_of_the_others(tmp_path):
    reader = CocoReader(coco(tmp_path, {"id": 1}, {"id": 2, "file_name": "b.jpg"}))
    assert hidden_picture(reader, "image", str(tmp_path)) is not None


def test_the_picture_comes_before_the_columns_that_are_added_and_is_none_of_them():
    picture = HiddenPicture("image", ".")
    assert picture.before(["caption"]) == {"image": None, "caption": None}
    assert picture.before({"tags": "json"}) == {"image": None, "tags": "json"}
    with pytest.raises(UsageError, match="'image' is the picture's"):
        picture.before(["image"])


def test_an_image_without_a_file_has_null_for_its_picture(tmp_path):
    entry = coco(tmp_path, {"id": 1, "file_name": "a.jpg"}, {"id": 2})
    storage = FileStorage(str(entry), str(tmp_path / "cache")).step()
    step = storage.open_step(picture_key="image", columns=["caption"])
    step.output.parent.mkdir()
    writer = step.open_writer(step.output)
    for row in step.reader.rows():
        writer.write(row, {"caption": "a"})
    writer.close()
    writer.commit(step.output)
    assert [json.loads(line) for line in step.output.read_text().splitlines()] == [
        {"id": 1, "file_name": "a.jpg", "image": str(tmp_path / "a.jpg"), "caption": "a"},
        {"id": 2, "image": None, "caption": "a"},
    ]


@pytest.mark.parametrize("output_type", ["dataframe", "dict"])
def test_what_is_read_has_the_picture_so_that_what_is_written_has_it_too(tmp_path, output_type):
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.jpg").touch()
    entry = coco(tmp_path, {"id": 1, "file_name": "a.jpg"})
    storage = FileStorage(str(entry), str(tmp_path / "cache")).step()
    storage.write(storage.read(output_type))
    entry.unlink()
    [row] = storage.step().read("dict")
    assert row == {"id": 1, "file_name": "a.jpg", "image": str(tmp_path / "images" / "a.jpg")}


def test_pictures_beside_a_dataset_at_a_url_are_named_from_there():
    class Reader:
        def rows(self):
            fields = ImageFields(file_name="a.jpg")
            fields.picture_key = "image"
            yield Row(0, fields, "row 0")

        def folder(self):
            return "s3://bucket/coco/images"

    found = hidden_picture(Reader(), "image", "s3://bucket/coco")
    assert found.of(next(Reader().rows())) == "images/a.jpg"
