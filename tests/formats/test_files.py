"""Several files as one dataset: by a pattern, in braces, in a folder."""

from __future__ import annotations

import itertools
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataflow.core.errors import InputError, UsageError
from dataflow.formats.base.compression import COMPRESSIONS
from dataflow.formats.base.split_output import parts_of
from dataflow.formats.detect import detect_format, is_among
from dataflow.formats.known_formats import FORMATS
from dataflow.formats.output_spec import writer_for
from dataflow.formats.patterns.endings import TABLE_ENDINGS
from dataflow.formats.registry import open_reader
from tests.formats.conftest import without_key
from tests.formats.promises import promise

ROWS = [{"id": f"{n:03}", "text": f"ü {n}"} for n in range(9)]


def captioned(reader, output, **options):
    writer = writer_for(output, reader, ["caption"], **options)(output.with_name("part"))
    for row in reader.rows():
        writer.write(row, {"caption": f"c{row.index}"})
    writer.close()
    writer.commit(output)
    return output


def save_lines(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def rows_of(source, **options):
    return [dict(row.fields) for row in open_reader(source, **options).rows()]


@promise("several files")
def test_files_that_fit_a_pattern_are_one_dataset_in_natural_order(save, opened, ending, tmp_path):
    names = ["in-2", "in-9", "in-10"]
    paths = [save(ending, ROWS[n * 3 : n * 3 + 3], name) for n, name in enumerate(names)]
    reader = open_reader(tmp_path / f"in-*{ending}")
    rows = list(reader.rows())
    assert [row.index for row in rows] == [*range(9)]
    assert [without_key(row.fields) for row in rows] == ROWS
    assert [row.source.startswith(str(paths[n // 3])) for n, row in enumerate(rows)] == [True] * 9
    assert rows[3].source.replace(str(paths[1]), "") == rows[0].source.replace(str(paths[0]), "")
    assert reader.count() in (None, 9)
    assert reader.folder() == str(tmp_path)
    output = captioned(reader, tmp_path / f"out{ending}")
    written = [without_key(row.fields) for row in opened(output).rows()]
    assert written == [{**row, "caption": f"c{n}"} for n, row in enumerate(ROWS)]


@promise("several files")
def test_our_own_parts_come_back_in(save, ending, tmp_path):
    source = save(ending, ROWS)
    captioned(open_reader(source), tmp_path / f"out{ending}", rows_per_file=4)
    assert len(parts_of(tmp_path / f"out{ending}")) == 3
    reader = open_reader(tmp_path / f"out-*-of-*{ending}")
    found = [without_key(row.fields) for row in reader.rows()]
    assert found == [{**row, "caption": f"c{n}"} for n, row in enumerate(ROWS)]


def test_each_table_format_may_come_in_several_files():
    tables = ("json", "jsonl", "csv", "tsv", "parquet", "arrow", "arrows", "feather")
    plain = [(end, FORMATS[name].is_text) for name in tables for end in FORMATS[name].endings]
    packed = [end + pack for end, is_text in plain if is_text for pack in COMPRESSIONS]
    assert {end for end, _ in plain} | set(packed) == set(TABLE_ENDINGS)


def test_braces_stand_for_files_that_must_all_be_there(tmp_path):
    for number in range(8, 12):
        save_lines(tmp_path / f"{number:03}.jsonl", [{"n": number}])
    assert rows_of(tmp_path / "{008..011}.jsonl") == [{"n": n} for n in range(8, 12)]
    assert rows_of(tmp_path / "{010,008}.jsonl") == [{"n": 10}, {"n": 8}]
    with pytest.raises(UsageError, match=r"012\.jsonl: no such file"):
        open_reader(tmp_path / "{008..012}.jsonl")
    with pytest.raises(UsageError, match="no file fits"):
        open_reader(tmp_path / "x-*.jsonl")


def test_a_folder_of_files_is_one_dataset_without_our_lists_of_failures(tmp_path):
    for number in (10, 9):
        save_lines(tmp_path / f"a-{number}.jsonl", [{"n": number}])
    (tmp_path / "a.jsonl.errors.jsonl").write_text('{"row": 1}\n')
    (tmp_path / ".hidden.jsonl").write_text('{"n": 0}\n')
    (tmp_path / "README.md").write_text("about")
    assert detect_format(str(tmp_path)) == "files"
    assert rows_of(tmp_path) == rows_of(tmp_path / "*.jsonl") == [{"n": 9}, {"n": 10}]


def test_a_folder_with_pictures_in_it_or_below_stays_a_folder_of_pictures(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"n": 1}\n')
    (tmp_path / "sub").mkdir()
    assert detect_format(str(tmp_path)) is None
    (tmp_path / "sub").rmdir()
    (tmp_path / "1.jpg").write_bytes(b"")
    assert detect_format(str(tmp_path)) is None


@pytest.mark.parametrize("source", ["", "*.{jsonl,csv}"])
def test_files_of_different_formats_are_refused_by_name(tmp_path, source):
    (tmp_path / "a.jsonl").write_text('{"n": 1}\n')
    (tmp_path / "b.csv").write_text("n\n1\n")
    with pytest.raises(InputError, match="different formats") as caught:
        open_reader(tmp_path / source)
    assert "a.jsonl" in caught.value.message
    assert "b.csv" in caught.value.message


def test_coco_files_are_given_one_by_one(tmp_path):
    for name in "ab":
        (tmp_path / f"{name}.json").write_text('{"images": [], "annotations": []}')
    with pytest.raises(InputError, match="give this one alone"):
        open_reader(tmp_path / "*.json")


def test_a_broken_line_is_named_with_its_own_file_or_left_out_and_listed(tmp_path):
    save_lines(tmp_path / "a-1.jsonl", [{"n": 1}, {"n": 2}])
    (tmp_path / "a-2.jsonl").write_text('{"n": 3}\n{"n": \n{"n": 4}\n')
    with pytest.raises(InputError, match=r"a-2\.jsonl, line 2"):
        rows_of(tmp_path / "a-*.jsonl")
    reader = open_reader(tmp_path / "a-*.jsonl", skip_bad_rows=True)
    for _ in range(2):
        assert [row.fields["n"] for row in reader.rows()] == [1, 2, 3, 4]
        assert reader.skipped.count == 1
        assert "a-2.jsonl, line 2" in reader.skipped.listed[0].source
    first = list(itertools.islice(reader.rows(), 2))
    assert len(first) == 2
    assert reader.skipped.count == 0


# --- files of different columns -------------------------------------------------------------------


def test_csv_files_of_different_columns_have_the_columns_of_both(tmp_path):
    (tmp_path / "a-1.csv").write_text("x,y\n1,2\n")
    (tmp_path / "a-2.csv").write_text("z,y\n3,4\n")
    reader = open_reader(tmp_path / "a-*.csv")
    assert reader.column_names() == ["x", "y", "z"]
    output = captioned(reader, tmp_path / "out.csv")
    assert output.read_text() == "x,y,z,caption\n1,2,,c0\n,4,3,c1\n"


def test_lines_of_different_columns_keep_their_own(tmp_path):
    (tmp_path / "a-1.jsonl").write_text('{"x": 1.10}\n')
    (tmp_path / "a-2.jsonl").write_text('{"z": 1e400}\n')
    output = captioned(open_reader(tmp_path / "a-*.jsonl"), tmp_path / "out.jsonl")
    assert output.read_text() == '{"x": 1.10, "caption": "c0"}\n{"z": 1e400, "caption": "c1"}\n'


@pytest.mark.parametrize("ending", [".parquet", ".arrow"])
def test_tables_of_different_columns_have_the_columns_of_both(tmp_path, ending):
    time = pa.timestamp("ns")
    one = pa.table(
        {"x": pa.array([1, 2], pa.int32()), "t": pa.array([1, 2], time)},
        schema=pa.schema([pa.field("x", pa.int32(), nullable=False), pa.field("t", time)]),
    ).replace_schema_metadata({"of": "the first"})
    two = pa.table({"x": pa.array([2**40, 4]), "y": ["é", None]})
    for name, table in (("a-1", one), ("a-2", two)):
        if ending == ".parquet":
            pq.write_table(table, tmp_path / f"{name}{ending}", compression="ZSTD")
        else:
            with pa.ipc.new_file(tmp_path / f"{name}{ending}", table.schema) as file:
                file.write_table(table)
    reader = open_reader(tmp_path / f"a-*{ending}")
    assert reader.column_names() == ["x", "t", "y"]
    captioned(reader, tmp_path / "out.parquet")
    written = pq.read_table(tmp_path / "out.parquet")
    assert written.schema.metadata == {b"of": b"the first"}
    assert written.drop_columns("caption").equals(
        pa.concat_tables([one, two], promote_options="permissive")
    )
    codec = pq.ParquetFile(tmp_path / "out.parquet").metadata.row_group(0).column(0).compression
    assert codec == ("ZSTD" if ending == ".parquet" else "SNAPPY")


def test_rows_of_different_types_are_written_in_few_pieces(tmp_path):
    """A file whose types are narrower is converted batch by batch, not row by row."""
    pq.write_table(pa.table({"x": pa.array(range(5000), pa.int64())}), tmp_path / "a-1.parquet")
    small = [number % 100 for number in range(5000)]
    pq.write_table(pa.table({"x": pa.array(small, pa.int8())}), tmp_path / "a-2.parquet")
    captioned(open_reader(tmp_path / "a-*.parquet"), tmp_path / "out.parquet")
    expected = [*range(5000), *small]
    assert pq.read_table(tmp_path / "out.parquet")["x"].to_pylist() == expected


def test_types_that_do_not_go_together_are_an_error_that_names_the_file(tmp_path):
    pq.write_table(pa.table({"x": [1]}), tmp_path / "a-1.parquet")
    pq.write_table(pa.table({"x": ["one"]}), tmp_path / "a-2.parquet")
    with pytest.raises(InputError, match=r"a-2\.parquet: its columns do not go together"):
        open_reader(tmp_path / "a-*.parquet").column_names()


@promise("several files", "img2dataset")
def test_downloads_in_several_folders_are_found_by_a_pattern(tmp_path):
    for number in range(2):
        folder = tmp_path / f"part-{number}" / "00000"
        folder.mkdir(parents=True)
        (folder / "7.jpg").write_bytes(b"picture")
        row = {"key": "7", "status": "success", "url": "http://x"}
        pq.write_table(pa.Table.from_pylist([row]), folder.with_suffix(".parquet"))
    reader = open_reader(tmp_path / "part-*" / "*.parquet")
    assert reader.folder() == str(tmp_path)
    pictures = [row.fields["image"] for row in reader.rows()]
    assert pictures == ["part-0/00000/7.jpg", "part-1/00000/7.jpg"]


@pytest.mark.parametrize(
    ("source", "output", "expected"),
    [
        ("in", "in/x.jsonl", True),
        ("in", "in/x.txt", False),
        ("in", "x.jsonl", False),
        ("in/*.jsonl", "in/x.jsonl", True),
        ("in/*.jsonl", "in/x.csv", False),
        ("in/a-*.jsonl", "in/x.jsonl", False),
        ("*/x.jsonl", "in/x.jsonl", True),
        ("**/*.jsonl", "in/deep/x.jsonl", True),
        ("in/{1..3}.jsonl", "in/2.jsonl", True),
        ("in/{1..3}.jsonl", "in/4.jsonl", False),
        ("in/*-of-*.jsonl", "in/x-00000-of-00001.jsonl", True),
    ],
)
def test_an_output_that_would_be_one_of_the_files_is_known(
    tmp_path, monkeypatch, source, output, expected
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    assert is_among(tmp_path / output, source) is expected
    assert is_among(tmp_path / output, str(tmp_path / source)) is expected


def test_several_files_are_no_format_to_write(tmp_path):
    save_lines(tmp_path / "a.jsonl", [{"n": 1}])
    reader = open_reader(tmp_path / "a.jsonl")
    with pytest.raises(UsageError, match="files is no format of one file"):
        writer_for(tmp_path / "out.jsonl", reader, ["c"], format_name="files")
