"""Columns of JSON values in every format: exact where it is JSON, typed where it has types."""

from __future__ import annotations

import csv
import json

import pyarrow as pa
import pyarrow.parquet
import pytest

from dataflow.core.column_types import ListType
from dataflow.core.raw_json import RawJson
from dataflow.core.row import Row
from dataflow.formats.known_formats import FORMATS
from dataflow.formats.output_spec import writer_for
from dataflow.formats.registry import open_reader

# the order of its keys, 1.10, 1e2 and 2**63 - 1 are not what Python's json would write
EXACT = '{"z": 1.10, "a": {"y": 1e2, "x": [9223372036854775807, "ä\\u00e4"]}, "n": null}'
# what is added stands elsewhere than in the row, or only beside a caption, or is refused
ELSEWHERE = {"coco", "llava", "parquets", "hf", "ms", "files"}


def written(tmp_path, name, columns, *values, raw=None):
    output = tmp_path / f"out.{name}"
    writer = writer_for(output, None, columns, format_name=name)(output)
    for index, value in enumerate(values):
        row = Row(index, {"id": str(index)}, f"row {index}", raw)
        writer.write(row, dict.fromkeys(columns, value))
    writer.close()
    return output


@pytest.mark.parametrize("raw", [None, b'{"id": "0"}'])
@pytest.mark.parametrize("name", ["json", "jsonl"])
def test_json_keeps_every_byte(tmp_path, name, raw):
    output = written(tmp_path, name, {"v": "json"}, RawJson(EXACT), raw=raw)
    assert f'"v": {EXACT}'.encode() in output.read_bytes()


def test_json_keeps_every_byte_in_a_list_and_beside_nothing(tmp_path):
    column = {"v": ListType("json")}
    output = written(tmp_path, "jsonl", column, [RawJson(EXACT), None])
    assert f'"v": [{EXACT}, null]'.encode() in output.read_bytes()


def test_csv_and_coco_keep_every_byte(tmp_path):
    text = written(tmp_path, "csv", {"v": "json"}, RawJson(EXACT)).read_text()
    [row] = csv.DictReader(text.splitlines())
    assert row["v"] == EXACT
    output = tmp_path / "coco.json"
    writer = writer_for(output, None, {"v": "json"}, format_name="coco")(output)
    writer.write(Row(0, {"id": 1, "file_name": "a.png"}, "row 0"), {"v": RawJson(EXACT)})
    writer.close()
    assert f'"v": {EXACT}'.encode() in output.read_bytes()


@pytest.mark.parametrize("name", [name for name in FORMATS if name not in ELSEWHERE])
def test_every_format_gives_the_value_or_its_text_back(tmp_path, name):
    output = written(tmp_path, name, {"v": "json"}, None, RawJson(EXACT), RawJson("[1]"))
    # WebDataset has no member for what is null
    found = [row.fields.get("v") for row in open_reader(output, format_name=name).rows()]
    values = [json.loads(v) if isinstance(v, str) and v else v or None for v in found]
    assert values == [None, json.loads(EXACT), [1]]


def test_a_pickle_holds_pythons_own_types(tmp_path):
    output = written(tmp_path, "pickle", {"v": "json"}, RawJson('{"a": 1}'), [RawJson("2")])
    found = [row.fields["v"] for row in open_reader(output, format_name="pickle").rows()]
    assert [type(value) for value in found] == [dict, list]
    assert found == [{"a": 1}, [2]]


SHAPE = {"name": "text", "count": "int", "share": "float", "is": "bool", "tags": ListType("text")}


def arrow(tmp_path, holds, *values):
    table = pyarrow.parquet.read_table(written(tmp_path, "parquet", {"v": holds}, *values))
    return table.schema.field("v").type, table.column("v").to_pylist()


def test_parquet_has_the_types_that_were_said(tmp_path):
    text = '{"tags": ["a"], "count": 2.0, "share": 3, "is": true, "name": "x"}'
    kind, values = arrow(tmp_path, SHAPE, None, RawJson(text), RawJson('{"name": null}'))
    fields = [("name", pa.string()), ("count", pa.int64()), ("share", pa.float64())]
    assert kind == pa.struct([*fields, ("is", pa.bool_()), ("tags", pa.list_(pa.string()))])
    assert values[0] is None
    assert values[1] == {"name": "x", "count": 2, "share": 3.0, "is": True, "tags": ["a"]}
    assert values[2] == dict.fromkeys(SHAPE)


@pytest.mark.parametrize(
    ("holds", "text"),
    [
        ("int", "1.5"),
        ("int", '"1"'),
        ("int", "true"),
        ("int", str(2**63)),
        ("float", "null"),
        ("float", "1" + "0" * 400),
        ("bool", "1"),
        (SHAPE, "[]"),
        (ListType("int"), "{}"),
    ],
)
def test_what_does_not_fit_its_type_is_null_and_stops_nothing(tmp_path, holds, text):
    _, values = arrow(tmp_path, holds, RawJson(text), None)
    assert values == [None, None]


def test_lists_of_structs_and_single_values_of_all_kinds(tmp_path):
    holds = ListType({"a": ListType("int")})
    _, values = arrow(tmp_path, holds, [RawJson('{"a": [1, 2]}'), None])
    assert values == [[{"a": [1, 2]}, None]]
    assert arrow(tmp_path, "float", RawJson("1"))[1] == [1.0]
    assert arrow(tmp_path, "bool", RawJson("false"))[1] == [False]
    assert arrow(tmp_path, "text", "x")[1] == ["x"]


def test_an_answer_over_several_lines_becomes_one_line():
    assert RawJson.of(' {\r\n  "a": "b  c",\n\n  "d": 1\n}\n').text == '{"a": "b  c","d": 1}'
