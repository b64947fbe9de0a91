"""Fields that are left out, and the others' exactness."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings

from dataflow.core.errors import UsageError
from dataflow.formats.base.json_rows import without
from dataflow.formats.columns.column_probe import not_there
from dataflow.formats.columns.field_filter import FieldFilter
from dataflow.formats.output_spec import writer_for
from dataflow.formats.registry import open_reader
from tests.formats.promises import promise
from tests.formats.test_json import LAYOUTS, NASTY, OBJECTS, plain
from tests.formats.test_parquet import rich_table

ROWS = [{"id": f"00{n}", "image": f"{n}.jpg", "note": "ü,\n\t"} for n in range(3)]


def convert(source, output, choice, format_name=None):
    reader = open_reader(source, format_name=format_name)
    writer = writer_for(output, reader, ["c"], choice=choice, format_name=format_name)(output)
    for row in reader.rows():
        writer.write(row, {"c": f"caption {row.index}"})
    writer.close()
    return output


@promise("fields")
@pytest.mark.parametrize("choice", [{"keep": {"image", "id"}}, {"drop": {"note"}}])
def test_left_out_fields_are_gone_and_the_others_and_the_new_are_there(
    save, load, ending, member, choice
):
    source = save(ending, ROWS)
    output = source.with_name(source.name.replace("data", "out"))
    chosen = FieldFilter(**{name: frozenset(names) for name, names in choice.items()})
    convert(source, output, chosen, member.format_name)
    expected = [
        {"id": r["id"], "image": r["image"], "c": f"caption {n}"} for n, r in enumerate(ROWS)
    ]
    assert [list(row.items()) for row in load(output)] == [list(row.items()) for row in expected]


@settings(max_examples=60, deadline=None)
@given(item=OBJECTS, layout=LAYOUTS)
def test_every_token_of_the_kept_members_stays(item, layout):
    raw = json.dumps(item, **layout).encode()
    names = list(item)[::2]
    kept = without(raw, lambda name: name in names)
    assert plain(kept) == [pair for pair in plain(raw) if pair[0] in names]


@pytest.mark.parametrize("text", NASTY)
def test_nothing_left_out_is_nothing_touched(text):
    assert without(text.encode(), lambda name: True).decode() == ("{}" if text == "{ }" else text)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ('{"a": 1,  "b": 1.10 , "c": 3}', '{"a": 1,  "b": 1.10}'),
        ('{ "c": 1, "b": 1e400 }', '{ "b": 1e400 }'),
        ('{"c": 1, "b": 2, "c": 3, "a": 4}', '{"b": 2, "a": 4}'),
        ('{"c": 1}', "{}"),
        ('{\n  "a": 1,\n  "c": 2\n}', '{\n  "a": 1\n}'),
    ],
)
def test_commas_and_spaces_go_with_what_is_left_out(text, left):
    assert without(text.encode(), lambda name: name != "c").decode() == left


def test_parquet_keeps_types_codecs_and_metadata_of_the_kept(tmp_path):
    source = tmp_path / "in.parquet"
    pq.write_table(rich_table(5), source, compression={"id": "ZSTD", "price": "GZIP"})
    output = convert(source, tmp_path / "out.parquet", FieldFilter(frozenset({"image", "price"})))
    table, before = pq.read_table(output), pq.read_table(source, columns=["image", "price"])
    assert table.drop_columns(["c"]).equals(before)
    assert table.schema.metadata == before.schema.metadata
    assert table.schema.field("image").metadata == before.schema.field("image").metadata
    assert open_reader(output).codecs()["price"] == "GZIP"


def test_a_column_of_mixed_types_that_is_dropped_hinders_no_parquet(tmp_path):
    source = tmp_path / "in.jsonl"
    source.write_text('{"a": 1, "b": 1}\n{"a": "x", "b": 2}\n')
    output = convert(source, tmp_path / "out.parquet", FieldFilter(drop=frozenset({"a"})))
    assert pq.read_table(output).to_pylist() == [
        {"b": 1, "c": "caption 0"}, {"b": 2, "c": "caption 1"}
    ]  # fmt: skip


def test_a_field_to_keep_that_is_not_there_is_told_where_columns_are_known(tmp_path):
    source = tmp_path / "in.parquet"
    pq.write_table(pa.table({"a": [1]}), source)
    with pytest.raises(UsageError, match="no column 'b' to keep; there is: 'a'"):
        writer_for("x.json", open_reader(source), [], choice=FieldFilter(frozenset({"b"})))


def test_a_kept_and_dropped_field_is_dropped():
    choice = FieldFilter(frozenset({"a", "b"}), frozenset({"b"}))
    assert [name for name in "abc" if choice.takes(name)] == ["a"]


@pytest.mark.parametrize("name", ["llava", "coco", "webdataset"])
def test_fields_of_json_keep_their_digits_where_they_are_written_anew(tmp_path, name):
    exact = (
        b'"x": 1e400, "big": 1180591620717411303424, "p": 1.10, '
        b'"deep": {"b": 1E2, "a": [-0, "\\udcff"]}, "z": "00123"'
    )
    (tmp_path / "in.jsonl").write_bytes(b'{"image": "a.jpg", %s}\n' % exact)
    output = tmp_path / ("out.tar" if name == "webdataset" else "out.json")
    reader = open_reader(tmp_path / "in.jsonl")
    writer = writer_for(output, reader, ["caption"], format_name=name)(output)
    for row in reader.rows():
        writer.write(row, {"caption": "A."})
    writer.close()
    assert exact in (output).read_bytes()


@pytest.mark.parametrize(
    ("keep", "message"),
    [
        ("b", "none of the first 1,000 rows has a column 'b' to keep; there is: 'a', 'x'"),
        ("late", "only later rows have, leave out the others with --drop"),
        ("a,x", "name each column with a --keep of its own"),
    ],
)
def test_a_field_to_keep_that_no_first_row_has_is_told(tmp_path, keep, message):
    source = tmp_path / "in.jsonl"
    source.write_text('{"a": 1}\n' * 999 + '{"x": 1}\n{"late": 1}\n')
    for there in ("a", "x"):
        writer_for("o.jsonl", open_reader(source), [], choice=FieldFilter(frozenset({there})))
    with pytest.raises(UsageError, match=message):
        writer_for("o.jsonl", open_reader(source), [], choice=FieldFilter(frozenset({keep})))


def test_without_rows_any_field_can_be_kept(tmp_path):
    (tmp_path / "in.jsonl").touch()
    choice = FieldFilter(frozenset({"a"}))
    writer_for("o.jsonl", open_reader(tmp_path / "in.jsonl"), [], choice=choice)


def test_fields_to_drop_that_are_not_there_are_known(tmp_path):
    (tmp_path / "in.jsonl").write_text('{"a": 1}\n')
    choice = FieldFilter(drop=frozenset({"a", "b"}))
    assert not_there(open_reader(tmp_path / "in.jsonl"), choice) == ["b"]
