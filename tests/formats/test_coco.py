"""COCO: images are rows, captions are annotations."""

from __future__ import annotations

import json
import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow.core.errors import InputError, OutputError, UsageError
from dataflow.core.row import Row
from dataflow.formats.coco.annotations import WITHOUT_ANNOTATION, CocoCaptions
from dataflow.formats.columns.field_filter import FieldFilter
from dataflow.formats.columns.seen_ids import SeenIds
from dataflow.formats.output_spec import writer_for
from dataflow.formats.registry import open_reader
from tests.formats.promises import promise

WHOLE = """{"info": {"year": 2014, "version": 1.10},
 "licenses": [{"id": 1}],
 "images": [
  {"id": 9, "file_name": "a.jpg", "height": 1e400, "coco_url": "http://x/\\u00e9"},
  {"license": 1, "id": 4, "file_name": "b.jpg", "big": 123456789012345678901234567890}
 ],
 "annotations": [{"image_id": 9, "id": 70, "caption": "by hand"},
   {"image_id": 4, "id": 12, "caption": "also"}],
 "type": "captions"}"""


def dropped(*names):
    return FieldFilter(drop=frozenset(names))


def captioned(path, output, captions, columns=("caption",), **options):
    reader = open_reader(path)
    writer = writer_for(output, reader, columns, format_name="coco", **options)(output)
    try:
        for row in reader.rows():
            writer.write(row, dict.fromkeys(columns, captions[row.index]))
    except OutputError:
        writer.discard()
        raise
    writer.close()
    return json.loads(output.read_bytes())


@pytest.fixture
def coco(tmp_path):
    path = tmp_path / "captions_val2017.json"
    path.write_text(WHOLE)
    return path


def test_a_json_file_that_is_an_object_with_images_is_coco(coco):
    first, second = open_reader(coco).rows()
    assert first.fields["image"] == first.fields["file_name"] == "a.jpg"
    assert list(first.fields) == ["id", "file_name", "height", "coco_url"]
    assert second.source == f"{coco}, image 1"


@promise("round trip", "coco")
def test_every_other_byte_of_images_and_annotations_stays(coco, tmp_path):
    output = tmp_path / "out.json"
    captioned(coco, output, ["one", None])
    text = output.read_text()
    for line in WHOLE.splitlines()[3:5]:
        assert line.strip().rstrip(",") in text
    assert '"info": {"year": 2014, "version": 1.10}' in text
    whole = json.loads(text)
    assert list(whole) == ["info", "licenses", "images", "annotations", "type"]
    assert whole["annotations"] == [
        *json.loads(WHOLE)["annotations"], {"id": 71, "image_id": 9, "caption": "one"}
    ]  # fmt: skip


def test_a_picture_may_have_several_captions(coco, tmp_path):
    captioned(coco, tmp_path / "once.json", ["1", "2"])
    whole = captioned(tmp_path / "once.json", tmp_path / "twice.json", ["3", "4"])
    told = [(a["id"], a["image_id"], a["caption"]) for a in whole["annotations"]]
    assert told[2:] == [(71, 9, "1"), (72, 4, "2"), (73, 9, "3"), (74, 4, "4")]


def test_a_list_of_captions_makes_an_annotation_each(coco, tmp_path):
    whole = captioned(coco, tmp_path / "out.json", [["1", None, "3"], [None, None, None]])
    told = [(a["id"], a["image_id"], a["caption"]) for a in whole["annotations"]]
    assert told[2:] == [(71, 9, "1"), (72, 9, "3")]


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
images = st.lists(st.dictionaries(st.text().filter(lambda n: n != "id"), values, max_size=4))
others = st.dictionaries(st.text().filter(lambda n: n not in ("images", "annotations")), values)


@promise("round trip", "coco")
@settings(max_examples=200, deadline=None)
@given(images, others, st.lists(st.integers(0, 2**70)), st.data())
def test_any_coco_file_comes_out_with_captions_added(tmp_path_factory, images, others, ids, data):
    folder = tmp_path_factory.mktemp("coco")
    parts = {
        "images": [{"id": number, **image} for number, image in enumerate(images)],
        "annotations": [{"id": number, "caption": "x"} for number in ids],
        **others,
    }
    names = data.draw(st.permutations(list(parts)))
    (folder / "in.json").write_text(json.dumps({name: parts[name] for name in names}))
    reader = open_reader(folder / "in.json", format_name="coco")
    writer = writer_for(folder / "out.json", reader, ["caption"], format_name="coco")
    writer = writer(folder / "out.json")
    for row in reader.rows():
        writer.write(row, {"caption": f"c{row.index}"})
    writer.close()
    written = json.loads((folder / "out.json").read_text())
    new = written["annotations"][len(ids) :]
    assert written == {**parts, "annotations": parts["annotations"] + new}
    assert list(written) == names
    assert [(a["image_id"], a["caption"]) for a in new] == [
        (n, f"c{n}") for n in range(len(images))
    ]
    assert len({a["id"] for a in new} | {*ids}) == len(new) + len({*ids})


def test_objects_stand_in_the_annotation(coco, tmp_path):
    whole = captioned(coco, tmp_path / "out.json", ["one", {"n": 1}])
    assert whole["annotations"][-1] == {"id": 72, "image_id": 4, "caption": {"n": 1}}


@promise("fields", "coco")
def test_fields_can_be_left_out_but_not_the_id(coco, tmp_path):
    choice = FieldFilter(drop=frozenset({"coco_url", "big", "height"}))
    whole = captioned(coco, tmp_path / "out.json", ["1", "2"], choice=choice)
    assert whole["images"] == [
        {"id": 9, "file_name": "a.jpg"},
        {"license": 1, "id": 4, "file_name": "b.jpg"},
    ]
    with pytest.raises(UsageError, match="coco needs the column 'id'; leave out --drop id"):
        writer_for("o.json", open_reader(coco), [], format_name="coco", choice=dropped("id"))
    kept = FieldFilter(frozenset({"file_name"}))
    with pytest.raises(UsageError, match="coco needs the column 'id'; add --keep id"):
        writer_for("o.json", open_reader(coco), [], format_name="coco", choice=kept)
    with pytest.raises(UsageError, match="coco needs the column 'file_name'"):
        writer_for("o.json", open_reader(coco), [], format_name="coco", choice=dropped("file_name"))


@pytest.mark.parametrize("name", ["a.jpg", "b.jpg"])
@pytest.mark.parametrize("place", ["", "images", "../images", "../val2017", "../images/val2017"])
def test_the_pictures_are_found_where_one_of_them_is_at_the_usual_places(
    coco, tmp_path, place, name
):
    annotations = tmp_path / "annotations"
    annotations.mkdir()
    coco = coco.rename(annotations / coco.name)
    (annotations / place).mkdir(parents=True, exist_ok=True)
    (annotations / place / name).touch()
    (tmp_path / "elsewhere").mkdir()
    assert os.path.samefile(open_reader(coco).folder(), annotations / place)


@promise("clear errors", "coco")
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"images": [{"id": 1}', r"line 1, column 22: invalid JSON \(the file ends inside"),
        ('{"images": [{"file_name": "a"}]}', r"image 0: it has no 'id'"),
        (
            '{"images": [{"id": 7}, {"id": 7}]}',
            "image 1: its id 7 is another image.s too; renumber one",
        ),
        ('{"images": [1]}', r"column 13: each element of 'images' must be an object"),
        ('{"images": {}}', r"'images' must be an array"),
        ('{"images": []} x', "more text after the end"),
        ('{"images": [], "annotations": [{"id": 1},]}', "invalid JSON"),
        ('{"images": [] "annotations": []}', "expected , or }"),
        ('{"annotations": [], "x": "images"}', "has no 'images'"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path, text, message):
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        list(open_reader(path, format_name="coco").rows())


def test_an_image_without_an_id_of_its_own_can_be_left_out(tmp_path):
    path = tmp_path / "a.json"
    path.write_text('{"images": [{"id": 1}, {}, {"id": 3}, {"id": 1}]}')
    reader = open_reader(path, skip_bad_rows=True)
    assert [row.fields["id"] for row in reader.rows()] == [1, 3]
    assert [bad.source for bad in reader.skipped.listed] == [f"{path}, image 1", f"{path}, image 3"]


def test_rows_from_elsewhere_make_images(tmp_path):
    writer = writer_for(tmp_path / "o.json", None, ["caption"], format_name="coco")
    writer = writer(tmp_path / "o.json")
    rows = [{"image": "x/a.jpg", "tag": "t"}, {"image": {"bytes": b"..", "path": "b.jpg"}, "id": 5}]
    for index, row in enumerate(rows):
        writer.write(Row(index, row, f"row {index}"), {"caption": f"c{index}"})
    writer.close()
    assert json.loads((tmp_path / "o.json").read_bytes()) == {
        "images": [
            {"id": 1, "file_name": "x/a.jpg", "image": "x/a.jpg", "tag": "t"},
            {"id": 2, "file_name": "b.jpg", "source_id": 5},
        ],
        "annotations": [
            {"id": 1, "image_id": 1, "caption": "c0"}, {"id": 2, "image_id": 2, "caption": "c1"}
        ],
    }  # fmt: skip


def from_lines(tmp_path, *lines, **options):
    source, output = tmp_path / "in.jsonl", tmp_path / "out.json"
    source.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return captioned(source, output, [f"c{n}" for n in range(len(lines))], **options)


@pytest.mark.parametrize(
    "picture",
    [
        "./a.png",
        ["./a.png"],
        ["./a.png", "./b.png"],
        {"path": "./a.png", "bytes": None},
        [{"path": "./a.png"}],
        '["./a.png"]',
    ],
)
def test_the_file_name_is_that_of_the_first_picture_of_the_column_asked_for(tmp_path, picture):
    row = {"foto": picture, "image": "other.png"}
    [image] = from_lines(tmp_path, row, picture_key="foto")["images"]
    assert image["file_name"] == "./a.png"
    assert image["image"] == "other.png"
    if isinstance(picture, list):
        assert image["foto"] == picture


def test_what_tells_the_file_name_cannot_be_left_out(tmp_path):
    row = {"foto": "a.jpg", "file_name": "b.jpg"}
    neither = dropped("foto", "file_name")
    with pytest.raises(UsageError, match="coco needs the column 'foto'; leave out --drop foto"):
        from_lines(tmp_path, row, picture_key="foto", choice=neither)
    [image] = from_lines(tmp_path, row, picture_key="foto", choice=dropped("foto"))["images"]
    assert image == {"id": 1, "file_name": "b.jpg"}
    [image] = from_lines(tmp_path, row, picture_key="foto", choice=dropped("file_name"))["images"]
    assert image == {"id": 1, "file_name": "a.jpg", "foto": "a.jpg"}


def test_a_picture_that_no_column_shows_gives_the_file_name(tmp_path):
    (tmp_path / "in" / "00000").mkdir(parents=True)
    (tmp_path / "in" / "00000" / "000.jpg").write_bytes(b"x")
    rows = [{"key": "000", "status": "success", "url": "u"}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "in" / "00000.parquet")
    keep = FieldFilter(frozenset({"url"}))
    whole = captioned(tmp_path / "in", tmp_path / "o.json", ["c"], choice=keep)
    assert whole["images"] == [{"id": 1, "file_name": "00000/000.jpg", "url": "u"}]


def test_ids_that_are_whole_numbers_of_one_row_each_are_kept(tmp_path):
    images = from_lines(tmp_path, {"id": 9}, {"id": -4}, {"id": 2**70})["images"]
    assert images == [{"id": 9}, {"id": -4}, {"id": 2**70}]


@pytest.mark.parametrize("second", [7, "7", 7.0, None, True, [7]])
def test_ids_that_are_not_are_numbers_from_1_and_the_own_stand_beside(tmp_path, second):
    whole = from_lines(tmp_path, {"id": 7}, {"id": second, "source_id": "x"})
    own = {} if second is None else {"source_source_id": second}
    assert whole["images"] == [{"id": 1, "source_id": 7}, {"id": 2, **own, "source_id": "x"}]
    assert [one["image_id"] for one in whole["annotations"]] == [1, 2]


def test_ids_too_far_apart_to_compare_are_not_taken_for_unique():
    seen = SeenIds()
    assert [seen.has_before(number << 40) for number in range(4096)] == [False] * 4096
    assert seen.has_before(4096 << 40) is None
    assert (seen.has_before(1), seen.has_before(1)) == (False, True)


@pytest.mark.parametrize(("known", "first"), [("5.0", 6), ("5.5", 6), ("1e400", 1), ("7e1", 71)])
def test_a_former_annotations_id_counts_whatever_number_it_is(tmp_path, known, first):
    source = tmp_path / "in.json"
    source.write_text('{"images": [{"id": 1}], "annotations": [{"id": ' + known + "}]}")
    captioned(source, tmp_path / "out.json", ["c"])
    written = (tmp_path / "out.json").read_text()
    assert f'{{"id": {first}, "image_id": 1, "caption": "c"}}' in written


def test_pictures_without_an_annotation_are_counted(tmp_path):
    images = [{"id": n, "file_name": f"{n}.jpg"} for n in range(5)]
    annotations = [{"id": 1, "image_id": 0, "caption": "x"}, {"id": 2, "image_id": 3}]
    path = tmp_path / "captions.json"
    for data in (
        {"images": images, "annotations": annotations},
        {"annotations": annotations, "images": images},
    ):
        path.write_text(json.dumps(data))
        reader = CocoCaptions(path)
        assert len(list(reader.rows())) == 2
        assert reader.skipped.passed_over == {WITHOUT_ANNOTATION: 3}
