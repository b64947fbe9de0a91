"""The captions that datasets have already, whatever the shape."""

from __future__ import annotations

import csv
import io
import json
import tarfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataflow.core.errors import InputError, UsageError
from dataflow.core.row import Row
from dataflow.formats.base.writing import AtomicFile
from dataflow.formats.coco.annotations import CocoCaptions, CocoCaptionsWriter
from dataflow.formats.existing_captions import (
    FoundCaption,
    found_in,
    messages_before,
    open_captions,
    with_caption,
)
from dataflow.formats.output_spec import writer_for

TALK = [
    {"from": "human", "value": "<image>\nWhat is it?"},
    {"from": "gpt", "value": "A dog."},
    {"from": "human", "value": "And its colour?"},
    {"from": "gpt", "value": "Brown."},
]


def texts(path: Path, **more) -> list[list[str]]:
    data = open_captions(str(path), **more)
    return [
        [found.text for column in data.columns for found in data.of(row, column)]
        for row in data.reader.rows()
    ]


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("A dog.", [("A dog.", 0)]),
        (None, [("", 0)]),
        ([], [("", 0)]),
        (["A dog.", None], [("A dog.", 0), ("", 1)]),
        ({"shape": "circle"}, [('{"shape": "circle"}', 0)]),
        ([1, 2], [("[1, 2]", 0)]),
        ([{"from": "human", "value": "What?"}], [("", 0)]),
        ([{"role": "user"}], [('[{"role": "user"}]', 0)]),
    ],
)
def test_a_value_is_a_caption_or_several(value, found):
    assert [(caption.text, caption.number) for caption in found_in(value)] == found


def test_a_list_is_one_caption_where_captions_are_json():
    assert found_in(["a", "b"], is_whole=True) == [FoundCaption('["a", "b"]')]


def test_of_a_conversation_the_models_words_are_captions_and_the_others_their_prompts():
    assert found_in(TALK) == [
        FoundCaption("A dog.", 0, ("<image>\nWhat is it?",)),
        FoundCaption("Brown.", 1, ("<image>\nWhat is it?", "And its colour?")),
    ]


def test_a_conversation_may_be_that_of_openai_with_parts():
    picture = {"type": "image_url", "image_url": {"url": "a.jpg"}}
    asked = {"role": "user", "content": [picture, {"type": "text", "text": "What is it?"}]}
    said = {"role": "assistant", "content": [{"type": "text", "text": "A dog."}]}
    assert found_in([asked, said]) == [FoundCaption("A dog.", 0, ("What is it?",))]


@pytest.mark.parametrize(
    ("value", "number", "new"),
    [
        ("old", 0, "new"),
        (None, 0, "new"),
        ([], 0, ["new"]),
        (["a", None, "c"], 1, ["a", "new", "c"]),
        (TALK, 1, [*TALK[:3], {"from": "gpt", "value": "new"}]),
        (TALK[:1], 0, [TALK[0], {"from": "gpt", "value": "new"}]),
        ({"n": 1}, 0, "new"),
    ],
)
def test_a_new_caption_stands_where_the_old_one_stood(value, number, new):
    assert with_caption(value, number, "new") == new
    assert found_in(new)[number].text == "new"


def test_the_parts_of_an_answer_stay_parts_and_a_turn_keeps_its_other_fields():
    asked = {"role": "user", "content": "What is it?"}
    said = {"role": "assistant", "content": [{"type": "text", "text": "old"}], "id": 3}
    assert with_caption([asked, said], 0, "new") == [
        asked,
        {"role": "assistant", "content": [{"type": "text", "text": "new"}], "id": 3},
    ]
    assert with_caption([asked], 0, "new") == [asked, {"role": "assistant", "content": "new"}]


def test_a_new_caption_that_is_json_stands_as_a_value_where_the_old_one_did():
    assert with_caption({"n": 1}, 0, '{"n": 2}') == {"n": 2}


def test_what_was_messages_before_an_answer_ends_where_it_comes():
    assert messages_before(TALK, 0) == TALK[:1]
    assert messages_before(TALK, 1) == TALK[:3]
    assert messages_before(TALK[:1], 0) == TALK[:1]


def test_llavas_conversations_are_read_as_they_are(tmp_path: Path):
    path = tmp_path / "llava.json"
    path.write_text(json.dumps([{"id": "1", "image": "a.jpg", "conversations": TALK}]))
    assert texts(path) == [["A dog.", "Brown."]]


def test_cocos_captions_are_its_annotations_and_tell_their_picture(tmp_path: Path):
    path = tmp_path / "captions.json"
    said = [
        {"id": number, "image_id": 7 if number < 3 else 8, "caption": f"Dog {number}."}
        for number in range(1, 4)
    ]
    path.write_text(json.dumps({"images": [{"id": 7}, {"id": 8}], "annotations": said}))
    assert texts(path) == [["Dog 1."], ["Dog 2."], ["Dog 3."]]
    rows = [*open_captions(str(path)).reader.rows()]
    assert [row.fields["image"] for row in rows] == ["7", "7", "8"]
    assert rows[2].source.endswith("captions.json, annotation 2")


@pytest.mark.parametrize("first", ["images", "annotations"])
def test_a_coco_file_is_written_anew_with_all_that_is_in_it(tmp_path: Path, first: str):
    data = {"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": [], "info": {"year": 2017}}
    said = [{"id": n, "image_id": 1, "caption": f"Dog {n}."} for n in range(3)]
    data = {first: None, **data, "annotations": said, "licenses": [1]}
    data["images"] = [{"id": 1, "file_name": "a.jpg"}]
    path, new = tmp_path / "captions.json", tmp_path / "new.json"
    path.write_text(json.dumps(data))
    reader = CocoCaptions(path, has_files=True)
    writer = CocoCaptionsWriter(AtomicFile(new), reader)
    for row in reader.rows():
        assert row.fields["image"] == "a.jpg"
        writer.write(row, {"caption": "A cat."} if row.index == 1 else {})
    writer.close()
    said[1]["caption"] = "A cat."
    assert json.loads(new.read_text()) == data


def test_a_coco_file_without_annotations_is_none_with_captions(tmp_path: Path):
    path = tmp_path / "images.json"
    path.write_text('{"images": [{"id": 1}]}')
    with pytest.raises(InputError, match="no 'annotations'"):
        texts(path)


def test_a_webdatasets_captions_are_its_txt_members_and_one_without_has_none(tmp_path: Path):
    path = tmp_path / "shard.tar"
    members = {"0.jpg": b"x", "1.jpg": b"x", "1.txt": "Ein Käfer.".encode(), "2.jpg": b"x"}
    with tarfile.open(path, "w") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    assert texts(path) == [[""], ["Ein Käfer."], [""]]


def test_a_list_in_csv_is_json_and_a_text_in_brackets_is_none(tmp_path: Path):
    path = tmp_path / "out.csv"
    with path.open("w", newline="") as file:
        rows = ["caption"], ['["A dog.", "A cat."]'], ["[Photo of a dog.]"], ["[1]"]
        csv.writer(file).writerows(rows)
    assert texts(path) == [["A dog.", "A cat."], ["[Photo of a dog.]"], ["[1]"]]


def test_of_parquet_neither_the_pictures_nor_other_columns_are_read(tmp_path: Path):
    path = tmp_path / "out.parquet"
    pictures = [{"bytes": b"\xff" * 9, "path": "a.jpg"}]
    pq.write_table(pa.table({"image": pictures, "caption": [["A dog."]], "x": [1]}), path)
    data = open_captions(str(path))
    (row,) = data.reader.rows()
    assert dict(row.fields) == {"caption": ["A dog."], "image": {"path": "a.jpg"}}


def test_a_folder_of_img2dataset_tells_the_pictures_of_its_captions(tmp_path: Path):
    table = pa.table({"key": ["0", "1"], "status": ["success"] * 2, "caption": ["A.", "B."]})
    pq.write_table(table, tmp_path / "00000.parquet")
    (tmp_path / "00000").mkdir()
    (tmp_path / "00000" / "0.jpg").write_bytes(b"x")
    rows = [*open_captions(str(tmp_path)).reader.rows()]
    assert [row.fields["image"] for row in rows] == ["00000/0.jpg", None]
    assert texts(tmp_path) == [["A."], ["B."]]


@pytest.mark.parametrize(
    ("ending", "content"), [(".txt", " A dog.\n"), (".json", '{"caption": "A dog.", "n": 1}')]
)
def test_sidecars_beside_the_pictures_of_a_folder_are_their_captions(tmp_path, ending, content):
    for name in ("a.jpg", "b.jpg", f"a{ending}"):
        (tmp_path / name).write_text(content)
    assert texts(tmp_path) == [["A dog."], [""]]
    assert texts(tmp_path, sidecar=ending) == [["A dog."], [""]]
    assert open_captions(str(tmp_path)).sidecar == ending


def test_the_member_of_a_json_sidecar_can_be_named(tmp_path: Path):
    (tmp_path / "a.jpg").touch()
    (tmp_path / "a.json").write_text('{"caption": "x", "long": "A dog."}')
    assert texts(tmp_path, columns=["long"]) == [["A dog."]]


def test_a_folder_of_pictures_without_captions_is_a_mistake(tmp_path: Path):
    (tmp_path / "a.jpg").touch()
    with pytest.raises(UsageError, match=r"no \.txt or \.caption or \.json lies beside"):
        open_captions(str(tmp_path))


def test_sidecars_of_a_dataset_file_are_a_mistake(tmp_path: Path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"caption": "A dog."}')
    with pytest.raises(UsageError, match="only a folder of pictures has sidecars"):
        open_captions(str(path), sidecar=".txt")


def test_the_first_usual_name_is_taken_and_the_rows_need_not_all_have_it(tmp_path: Path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"image": "a"}\n{"image": "b", "text": "A dog.", "output": "x"}\n')
    data = open_captions(str(path))
    assert data.columns == ("text",)
    assert texts(path) == [[""], ["A dog."]]


@pytest.mark.parametrize("ending", ["jsonl", "csv"])
def test_a_column_that_is_not_there_is_told_with_those_that_are(tmp_path: Path, ending: str):
    path = tmp_path / f"a.{ending}"
    path.write_text('{"image": "a", "x": "b"}\n' if ending == "jsonl" else "image,x\na,b\n")
    with pytest.raises(UsageError, match=r"no column 'caption'.*\(image, x\)"):
        open_captions(str(path))
    with pytest.raises(UsageError, match="no column 'y'"):
        open_captions(str(path), columns=["x", "y"])


def test_a_dataset_without_rows_has_no_captions(tmp_path: Path):
    path = tmp_path / "a.jsonl"
    path.touch()
    assert texts(path) == []


@pytest.mark.parametrize("ending", ["jsonl", "csv", "parquet"])
def test_an_output_in_parts_is_one_dataset(tmp_path: Path, ending: str):
    output = tmp_path / f"out.{ending}"
    writer = writer_for(output, None, {"caption": None}, rows_per_file=2)(output)
    for number in range(5):
        writer.write(Row(number, {"n": str(number)}, ""), {"caption": f"Dog {number}."})
    writer.close()
    writer.commit(output)
    assert texts(output) == [[f"Dog {number}."] for number in range(5)]
    reader = open_captions(str(output)).reader
    assert [row.index for row in reader.rows()] == [*range(5)]
    assert reader.count() == (5 if ending == "parquet" else None)


def test_rows_that_cannot_be_read_are_counted_over_all_parts(tmp_path: Path):
    for number in range(2):
        text = '{"caption": "A dog."}\n{"capt\n'
        (tmp_path / f"out-0000{number}-of-00002.jsonl").write_text(text)
    reader = open_captions(str(tmp_path / "out.jsonl")).reader
    assert [row.index for row in reader.rows()] == [0, 1]
    assert reader.skipped.count == len(reader.skipped.listed) == 2
