"""Parquet: schema, types and metadata stay; other rows get types that hold them."""

from __future__ import annotations

import base64
import datetime
import decimal
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataflow.core.errors import InputError, OutputError
from dataflow.core.row import Row
from dataflow.formats.arrow import builders
from dataflow.formats.arrow.batches import ArrowFields
from dataflow.formats.arrow.parquet_writer import ParquetWriter
from dataflow.formats.base import arrow_inference as inference
from dataflow.formats.base import read_limits
from dataflow.formats.output_spec import writer_for
from dataflow.formats.registry import open_reader

PICTURE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
DAY = datetime.datetime(2024, 2, 29, 12, 30, 0, 250_000, tzinfo=datetime.timezone.utc)
SCHEMA = pa.schema(
    [
        pa.field("image", PICTURE, metadata={b"field": b"kept"}),
        pa.field("id", pa.int32(), nullable=False),
        pa.field("time", pa.timestamp("us", tz="UTC")),
        pa.field("price", pa.decimal128(10, 3)),
        pa.field("kind", pa.dictionary(pa.int32(), pa.string())),
        pa.field("boxes", pa.list_(pa.list_(pa.float32(), 2))),
        pa.field("big", pa.large_string()),
        pa.field("tags", pa.map_(pa.string(), pa.int8())),
        pa.field("nothing", pa.null()),
        pa.field("day", pa.date32()),
        pa.field("wait", pa.duration("ms")),
        pa.field("half", pa.float16()),
        pa.field("small", pa.uint64()),
    ],
    metadata={b"huggingface": b'{"info": {}}', b"mine": b"\x00\xff"},
)


def rich_table(count=5):
    rows = [
        {
            "image": {"bytes": bytes([i, 255]) * 10, "path": f"{i}.jpg"},
            "id": i,
            "time": DAY,
            "price": decimal.Decimal("1.100"),
            "kind": "ab"[i % 2],
            "boxes": [[1.5, 2.5]] * i,
            "big": None,
            "tags": [("x", i)],
            "nothing": None,
            "day": DAY.date(),
            "wait": datetime.timedelta(seconds=i),
            "half": 0.5,
            "small": 2**64 - 1,
        }
        for i in range(count)
    ]
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def convert(source, output, added, keep=lambda row: True):
    reader = open_reader(source)
    writer = writer_for(output, reader, list(added))(output)
    for row in reader.rows():
        if keep(row):
            writer.write(row, added)
    writer.close()
    return output


def test_schema_values_and_metadata_stay_exactly(tmp_path):
    source = tmp_path / "in.parquet"
    table = rich_table()
    pq.write_table(table, source, row_group_size=2)
    written = pq.read_table(convert(source, tmp_path / "out.parquet", {"caption": "c"}))
    schema = pq.read_schema(source).append(pa.field("caption", pa.string()))
    assert written.schema.equals(schema, check_metadata=True)
    assert written.drop_columns(["caption"]).equals(pq.read_table(source))


@pytest.mark.parametrize("compliant", [True, False])
def test_the_names_of_list_items_stay(tmp_path, compliant):
    source = tmp_path / "in.parquet"
    table = pa.table({"a": [[{"b": [1]}]]})
    pq.write_table(table, source, use_compliant_nested_type=compliant)
    out = convert(source, tmp_path / "out.parquet", {})
    assert pq.ParquetFile(out).schema.to_arrow_schema().equals(pq.read_schema(source))
    assert open_reader(out).codecs() == open_reader(source).codecs()


def test_the_codec_of_each_column_stays(tmp_path):
    source = tmp_path / "in.parquet"
    table = pa.table({"a": ["x"], "b": [{"c": 1}], "d": [1], "e": [[1]]})
    codecs = {"a": "ZSTD", "b.c": "GZIP", "d": "NONE", "e.list.element": "LZ4"}
    pq.write_table(table, source, compression=codecs)
    convert(source, tmp_path / "out.parquet", {"caption": "c"})
    expected = {**open_reader(source).codecs(), "caption": "SNAPPY"}
    found = open_reader(tmp_path / "out.parquet").codecs()
    assert {**found, "caption": "SNAPPY"} == expected


def test_a_part_of_the_rows_is_written_true(tmp_path):
    source = tmp_path / "in.parquet"
    table = rich_table(40)
    pq.write_table(table, source)
    kept = [0, 1, 2, 7, 8, 30, 39]
    out = convert(source, tmp_path / "out.parquet", {}, keep=lambda row: row.index in kept)
    assert pq.read_table(out).equals(table.take(kept))


def test_a_file_without_rows_keeps_its_schema(tmp_path):
    source = tmp_path / "in.parquet"
    pq.write_table(SCHEMA.empty_table(), source)
    out = convert(source, tmp_path / "out.parquet", {"caption": "c"})
    assert pq.read_schema(out).names == [*SCHEMA.names, "caption"]
    assert pq.read_schema(out).metadata == SCHEMA.metadata


def test_added_columns_are_nullable_strings(tmp_path):
    source = tmp_path / "in.parquet"
    pq.write_table(rich_table(2), source)
    table = pq.read_table(
        convert(source, tmp_path / "out.parquet", {"caption": None, "tokens": 12, "list": [1, "a"]})
    )
    assert [table.schema.field(name).type for name in ("caption", "tokens", "list")] == [
        pa.string()
    ] * 3
    assert table.to_pylist()[0]["caption"] is None
    assert table.to_pylist()[0]["tokens"] == "12"
    assert table.to_pylist()[0]["list"] == '[1, "a"]'


def test_a_column_that_exists_is_replaced_where_it_stands(tmp_path):
    source = tmp_path / "in.parquet"
    pq.write_table(rich_table(2), source)
    out = pq.read_table(convert(source, tmp_path / "out.parquet", {"id": "new"}))
    assert out.schema.names == SCHEMA.names
    assert out["id"].to_pylist() == ["new", "new"]


def test_rows_without_a_new_value_keep_the_column_that_is_there(tmp_path):
    source, output = tmp_path / "in.parquet", tmp_path / "out.parquet"
    pq.write_table(rich_table(2), source)
    reader = open_reader(source)
    writer = writer_for(output, reader, ["id"])(output)
    for row in reader.rows():
        writer.write(row, {"id": "new"} if row.index else {})
    writer.close()
    assert pq.read_table(output)["id"].to_pylist() == ["0", "new"]


def test_rows_count_without_reading_them(tmp_path):
    source = tmp_path / "in.parquet"
    pq.write_table(rich_table(5), source)
    assert open_reader(source).count() == 5
    assert open_reader(source).column_names() == SCHEMA.names


def test_a_value_is_converted_only_when_asked_for(tmp_path, monkeypatch):
    source = tmp_path / "in.parquet"
    pq.write_table(rich_table(1), source)
    row = next(iter(open_reader(source).rows()))
    asked = []
    batch = row.raw.batch

    class Spy:
        def column(self, place):
            asked.append(place)
            return batch.column(place)

    fields = ArrowFields(Spy(), 0, {name: i for i, name in enumerate(SCHEMA.names)})
    assert list(fields) == SCHEMA.names
    assert asked == []
    assert fields["image"] == {"bytes": b"\x00\xff" * 10, "path": "0.jpg"}
    assert asked == [0]
    assert "unknown" not in fields


def test_batches_of_large_rows_are_small(tmp_path):
    """Reading 40 MB of pictures holds a small part of them in Arrow's memory."""
    source = tmp_path / "in.parquet"
    with pq.ParquetWriter(source, pa.schema([("a", pa.binary())]), compression="NONE") as writer:
        for i in range(10):
            writer.write_table(pa.table({"a": [bytes([i]) * 400_000] * 10}))
    before = pa.total_allocated_bytes()
    most = 0
    for row in open_reader(source).rows():
        most = max(most, pa.total_allocated_bytes() - before)
        del row
    assert most < 25_000_000


def test_a_row_group_is_written_when_it_is_large_enough(tmp_path, monkeypatch):
    monkeypatch.setattr(ParquetWriter, "group_bytes", 50_000)
    monkeypatch.setattr(read_limits, "MAX_BATCH", 20_000)
    source = tmp_path / "in.parquet"
    pq.write_table(pa.table({"a": [bytes([i]) * 1000 for i in range(200)]}), source)
    out = convert(source, tmp_path / "out.parquet", {"caption": "c"})
    assert pq.ParquetFile(out).num_row_groups >= 3
    assert pq.read_table(out)["a"].equals(pq.read_table(source)["a"])


@pytest.mark.parametrize("damage", [b"", b"no parquet at all", "cut", "middle"])
def test_a_damaged_file_is_an_error_that_names_it(tmp_path, damage):
    source = tmp_path / "in.parquet"
    pq.write_table(pa.table({"a": [str(i) * 9 for i in range(1000)]}), source)
    data = source.read_bytes()
    if damage == "cut":
        damage = data[: len(data) // 2]
    elif damage == "middle":
        damage = data[:4] + b"\xff" * 2000 + data[2004:]
    source.write_bytes(damage)
    with pytest.raises(InputError, match=r"in\.parquet"):
        list(open_reader(source).rows())


def test_two_columns_of_one_name_are_an_error(tmp_path):
    source = tmp_path / "in.parquet"
    pq.write_table(pa.Table.from_arrays([pa.array([1])] * 2, names=["a", "a"]), source)
    with pytest.raises(InputError, match="two columns are named 'a'"):
        list(open_reader(source).rows())


def test_what_json_has_no_word_for_becomes_text(tmp_path):
    source = tmp_path / "in.parquet"
    pq.write_table(rich_table(2), source)
    out = convert(source, tmp_path / "out.jsonl", {"caption": "c"})
    row = json.loads(out.read_text().splitlines()[1])
    assert row == {
        "image": {"bytes": base64.b64encode(b"\x01\xff" * 10).decode(), "path": "1.jpg"},
        "id": 1,
        "time": "2024-02-29T12:30:00.250000+00:00",
        "price": "1.100",
        "kind": "b",
        "boxes": [[1.5, 2.5]],
        "big": None,
        "tags": [["x", 1]],
        "nothing": None,
        "day": "2024-02-29",
        "wait": "0:00:01",
        "half": 0.5,
        "small": 2**64 - 1,
        "caption": "c",
    }


def test_nanoseconds_can_be_read(tmp_path):
    source = tmp_path / "in.parquet"
    pq.write_table(
        pa.table({"t": pa.array([1_700_000_000_000_000_001], pa.timestamp("ns"))}), source
    )
    out = convert(source, tmp_path / "out.jsonl", {"caption": "c"})
    assert json.loads(out.read_text())["t"].endswith(":20.000000001")


def test_json_types_are_inferred_from_all_rows(tmp_path, monkeypatch):
    """A value that is null for a thousand rows, or a fraction that comes late, changes nothing."""
    monkeypatch.setattr(inference, "CHUNK_ROWS", 2)
    monkeypatch.setattr(builders, "CHUNK_ROWS", 2)
    rows = [{"a": None, "n": 1, "o": {"x": 1}} for _ in range(7)]
    rows += [{"a": "late", "n": 1.5, "o": {"y": [True]}, "late": 3}]
    source = tmp_path / "in.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    table = pq.read_table(convert(source, tmp_path / "out.parquet", {"caption": "c"}))
    assert table.schema.field("a").type == pa.string()
    assert table.schema.field("n").type == pa.float64()
    last = {"a": "late", "n": 1.5, "o": {"x": None, "y": [True]}, "late": 3, "caption": "c"}
    assert table.to_pylist()[-1] == last
    assert table["late"].to_pylist() == [None] * 7 + [3]


@pytest.mark.parametrize("value", ["text", [1], 2**70, True])
def test_rows_that_do_not_agree_are_an_error_that_names_row_and_column(tmp_path, value):
    source = tmp_path / "in.jsonl"
    source.write_text(json.dumps({"a": 1, "b": 1}) + "\n" + json.dumps({"a": 1, "b": value}) + "\n")
    reader = open_reader(source)
    open_writer = writer_for("out.parquet", reader, ["caption"])
    with pytest.raises(OutputError, match=r"line 2: the value of column 'b'"):
        open_writer(tmp_path / "out.parquet")
    assert not (tmp_path / "out.parquet").exists()


def test_a_value_that_comes_too_late_to_fit_names_its_row(tmp_path, monkeypatch):
    monkeypatch.setattr(ParquetWriter, "group_rows", 2)
    path = tmp_path / "out.parquet"
    writer = writer_for(path, None, ["caption"])(path)
    writer.write(Row(0, {"a": 1}, "row 0"), {"caption": "c"})
    writer.write(Row(1, {"a": 2}, "row 1"), {"caption": "c"})
    writer.write(Row(2, {"a": 3}, "row 2"), {"caption": "c"})
    with pytest.raises(OutputError, match="row 3: the value of column 'a'"):
        writer.write(Row(3, {"a": "x"}, "row 3"), {"caption": "c"})
    writer.discard()


def test_a_column_that_comes_too_late_names_its_row(tmp_path, monkeypatch):
    monkeypatch.setattr(ParquetWriter, "group_rows", 1)
    path = tmp_path / "out.parquet"
    writer = writer_for(path, None, ["caption"])(path)
    writer.write(Row(0, {"a": 1}, "row 0"), {"caption": "c"})
    with pytest.raises(OutputError, match="row 1: no column 'b' was expected"):
        writer.write(Row(1, {"b": 1}, "row 1"), {"caption": "c"})
    writer.discard()


def test_csv_columns_become_strings_even_without_rows(tmp_path):
    source = tmp_path / "in.csv"
    source.write_text("a,b\n")
    out = convert(source, tmp_path / "out.parquet", {"caption": "c"})
    assert pq.read_schema(out).types == [pa.string()] * 3


def test_half_surrogates_in_fields_stop_nothing(tmp_path):
    source = tmp_path / "in.jsonl"
    source.write_text('{"a": "\\udcff", "o": {"k": ["\\ud800"]}}\n')
    out = convert(source, tmp_path / "out.parquet", {"caption": "c"})
    expected = {"a": "\\udcff", "o": {"k": ["\\ud800"]}, "caption": "c"}
    assert pq.read_table(out).to_pylist() == [expected]


def test_a_caption_that_was_not_announced_is_an_error(tmp_path):
    path = tmp_path / "out.parquet"
    writer = writer_for(path, None, ["caption"])(path)
    with pytest.raises(OutputError, match="'other' was not announced"):
        writer.write(Row(0, {"a": 1}, "row 0"), {"other": "c"})
    writer.discard()
