"""Arrow's own files: both layouts stay what they are, with every type and all metadata."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import feather

from dataflow.core.errors import InputError, OutputError
from dataflow.formats.output_spec import writer_for
from dataflow.formats.registry import open_reader
from tests.formats.test_parquet import convert, rich_table

NEW = {".arrow": pa.ipc.new_file, ".arrows": pa.ipc.new_stream, ".feather": pa.ipc.new_file}


def save(path, table, new=None, rows=2, **options):
    with (new or NEW[path.suffix])(path, table.schema, **options) as writer:
        writer.write_table(table, max_chunksize=rows)
    return path


def read(path):
    """The file by its first bytes, as others tell the layouts apart."""
    is_file = path.read_bytes().startswith(b"ARROW1")
    return (pa.ipc.open_file if is_file else pa.ipc.open_stream)(path).read_all()


@pytest.mark.parametrize("ending", NEW)
def test_schema_values_and_metadata_stay_exactly(tmp_path, ending):
    table = rich_table(7)
    source = save(tmp_path / f"in{ending}", table)
    written = read(convert(source, tmp_path / f"out{ending}", {"caption": "c"}))
    assert written.schema.equals(
        table.schema.append(pa.field("caption", pa.string())), check_metadata=True
    )
    assert written.drop_columns(["caption"]).equals(table)


@pytest.mark.parametrize("ending", NEW)
def test_from_arrow_to_parquet_and_back_changes_nothing(tmp_path, ending):
    table = rich_table(7).drop_columns(["kind"])  # Parquet's dictionaries have a test of their own
    source = save(tmp_path / f"in{ending}", table)
    there = convert(source, tmp_path / "there.parquet", {})
    assert pq.read_table(there).equals(table)
    back = read(convert(there, tmp_path / f"back{ending}", {}))
    assert back.equals(table)


def test_a_stream_called_arrow_stays_a_stream(tmp_path):
    """Those that Hugging Face's datasets keep are."""
    source = save(tmp_path / "in.arrow", rich_table(), pa.ipc.new_stream)
    out = convert(source, tmp_path / "out.arrow", {"caption": "c"})
    assert pa.ipc.open_stream(out).read_all().num_rows == 5


def test_a_stream_may_become_a_file_and_a_file_a_stream(tmp_path):
    table = rich_table().drop_columns(["kind"])
    stream, file = save(tmp_path / "in.arrows", table), save(tmp_path / "in.arrow", table)
    assert pa.ipc.open_file(convert(stream, tmp_path / "a.arrow", {})).read_all().equals(table)
    assert pa.ipc.open_stream(convert(file, tmp_path / "b.arrows", {})).read_all().equals(table)


def test_feather_is_read_by_pandas_and_pyarrow(tmp_path):
    import pandas

    source = tmp_path / "in.feather"
    feather.write_feather(pa.table({"a": ["x", "y"], "n": [1, None]}), str(source))
    out = convert(source, tmp_path / "out.feather", {"caption": "c"})
    assert list(pandas.read_feather(out)["caption"]) == ["c", "c"]
    assert feather.read_table(out).column_names == ["a", "n", "caption"]


@pytest.mark.parametrize("codec", ["lz4", "zstd"])
def test_compressed_batches_are_read(tmp_path, codec):
    options = pa.ipc.IpcWriteOptions(compression=codec)
    source = save(tmp_path / "in.arrow", rich_table(), options=options)
    assert len(list(open_reader(source).rows())) == 5


def test_dictionaries_that_grow_from_batch_to_batch_stay(tmp_path):
    batches = [
        pa.record_batch({"k": pa.DictionaryArray.from_arrays([0, n], ["a", "b", "c"][: n + 1])})
        for n in range(3)
    ]
    source = tmp_path / "in.arrow"
    options = pa.ipc.IpcWriteOptions(emit_dictionary_deltas=True)
    with pa.ipc.new_file(source, batches[0].schema, options=options) as writer:
        for batch in batches:
            writer.write_batch(batch)
    written = read(convert(source, tmp_path / "out.arrow", {"caption": "c"}))
    assert written["k"].to_pylist() == ["a", "a", "a", "b", "a", "c"]
    assert written.schema.field("k").type == batches[0].schema.field("k").type


def test_dictionaries_that_a_file_cannot_hold_are_told_before_anything_is_written(tmp_path):
    source = tmp_path / "in.parquet"
    pq.write_table(rich_table(), source)
    reader = open_reader(source)
    with pytest.raises(OutputError, match=r"column 'kind' is a dictionary.*\.arrows or \.parquet"):
        writer_for("out.feather", reader, [])(tmp_path / "out.feather")
    out = convert(source, tmp_path / "out.arrows", {})
    assert pa.ipc.open_stream(out).read_all()["kind"].to_pylist() == list("ababa")


@pytest.mark.parametrize("ending", NEW)
@pytest.mark.parametrize("cut", [1, 8, 100, 0.5, 0.9])
def test_a_cut_file_is_an_error_that_names_it(tmp_path, ending, cut):
    source = save(tmp_path / f"in{ending}", rich_table(50))
    data = source.read_bytes()
    source.write_bytes(data[: int(len(data) * cut)] if cut < 1 else data[:-cut])
    with pytest.raises(InputError, match=r"in\.(arrows?|feather)"):
        list(open_reader(source).rows())


def test_a_stream_that_was_cut_between_two_batches_is_an_error(tmp_path):
    """Every batch that is there is whole; only the mark of the end is not."""
    sizes = []
    source = tmp_path / "in.arrows"
    with open(source, "wb") as file, pa.ipc.new_stream(file, rich_table().schema) as writer:
        for _ in range(3):
            writer.write_table(rich_table())
            sizes.append(file.tell())
    source.write_bytes(source.read_bytes()[: sizes[1]])
    with pytest.raises(InputError, match="cut short"):
        list(open_reader(source).rows())


def test_damage_in_a_batch_is_an_error_with_its_row(tmp_path):
    parts = [pa.table({"a": [f"{n + k:06}" for n in range(100)]}) for k in range(0, 1000, 100)]
    source = save(tmp_path / "in.arrow", pa.concat_tables(parts), rows=100)
    data = bytearray(source.read_bytes())
    at = data.index(b"000500000501")
    data[at : at + 3] = b"\xff\xff\xff"  # no UTF-8
    source.write_bytes(data)
    with pytest.raises(InputError, match="row 500 or soon after is damaged"):
        list(open_reader(source).rows())


def test_the_first_version_of_feather_is_told(tmp_path):
    source = tmp_path / "in.feather"
    source.write_bytes(b"FEA1" + bytes(100) + b"FEA1")
    with pytest.raises(InputError, match="version 1 is not read"):
        list(open_reader(source).rows())


def test_two_columns_of_one_name_are_an_error(tmp_path):
    table = pa.Table.from_arrays([pa.array([1])] * 2, names=["a", "a"])
    source = save(tmp_path / "in.arrow", table)
    with pytest.raises(InputError, match="two columns are named 'a'"):
        list(open_reader(source).rows())


def test_a_name_deep_inside_that_is_not_utf8_is_an_error(tmp_path):
    """Found by fuzzing: the batches are valid, but such a value can never be read."""
    table = pa.table({"a": [{"inner": 1}]})
    source = save(tmp_path / "in.arrows", table)
    source.write_bytes(source.read_bytes().replace(b"inner", b"\xffnner"))
    with pytest.raises(InputError, match=r"in\.arrows: no readable Arrow file"):
        list(open_reader(source).rows())


def test_two_inner_fields_of_one_name_are_an_error(tmp_path):
    inner = pa.StructArray.from_arrays([pa.array([1]), pa.array([2])], ["x", "x"])
    source = save(tmp_path / "in.arrow", pa.table({"a": inner}))
    with pytest.raises(InputError, match="two columns are named 'x'"):
        list(open_reader(source).rows())


@pytest.mark.parametrize("has_pandas", [True, False])
def test_nanoseconds_become_the_same_text_with_and_without_pandas(tmp_path, has_pandas):
    """However deep inside; Python's own times have none."""
    kind, when = pa.timestamp("ns"), 1_700_000_000_000_000_001
    inner = pa.struct([("t", pa.timestamp("ns", "UTC")), ("u", pa.list_(kind))])
    table = pa.table(
        {
            "flat": pa.array([when], kind),
            "list": pa.array([[when, None]], pa.list_(kind)),
            "struct": pa.array([{"t": when, "u": [when]}], inner),
            "map": pa.array([[("k", when)]], pa.map_(pa.string(), kind)),
        }
    )
    save(tmp_path / "in.arrow", table)
    if not has_pandas:
        (tmp_path / "pandas.py").write_text("raise ImportError('not installed')\n")
    code = (
        "import pathlib\n"
        "from tests.formats.test_parquet import convert\n"
        "convert(pathlib.Path('in.arrow'), pathlib.Path('out.jsonl'), {'caption': 'c'})\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path, env=environment)
    text = "2023-11-14T22:13:20.000000001"
    assert json.loads((tmp_path / "out.jsonl").read_text()) == {
        "flat": text,
        "list": [text, None],
        "struct": {"t": f"{text}+00:00", "u": [text]},
        "map": [["k", text]],
        "caption": "c",
    }


def test_what_we_write_can_be_read_a_little_at_a_time(tmp_path):
    source = tmp_path / "in.parquet"
    pq.write_table(pa.table({"a": [bytes([n]) * 1_000_000 for n in range(40)]}), source)
    out = convert(source, tmp_path / "out.arrow", {"caption": "c"})
    file = pa.ipc.open_file(out)
    sizes = [file.get_batch(n).nbytes for n in range(file.num_record_batches)]
    assert max(sizes) < 20_000_000
