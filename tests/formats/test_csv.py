"""CSV and TSV: every value is the string it was."""

from __future__ import annotations

import csv
import io
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dataflow.core.errors import InputError, OutputError
from dataflow.core.row import Row
from dataflow.formats.output_spec import writer_for
from dataflow.formats.registry import ReadOptions, open_reader, resolve_input

TEXT = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0")
    | st.sampled_from(',"\r\n\t '),
    max_size=6,
)


def convert(source, output, added):
    reader = open_reader(source)
    writer = writer_for(output, reader, list(added))(output)
    for row in reader.rows():
        writer.write(row, added)
    writer.close()
    return output.read_bytes().decode()


@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data(), width=st.integers(1, 3), ending=st.sampled_from([".csv", ".tsv"]))
def test_every_value_of_any_table_stays(tmp_path, data, width, ending):
    row = st.lists(TEXT, min_size=width, max_size=width)
    header = data.draw(st.lists(TEXT, min_size=width, max_size=width, unique=True))
    rows = data.draw(st.lists(row, max_size=4))
    delimiter = "," if ending == ".csv" else "\t"
    source = tmp_path / f"in{ending}"
    with open(source, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter, quoting=csv.QUOTE_ALL)
        writer.writerows([header, *rows])
    written = convert(source, tmp_path / f"out{ending}", {"a new name": "c"})
    found = list(csv.reader(io.StringIO(written, newline=""), delimiter=delimiter, strict=True))
    assert found == [[*header, "a new name"], *([*row, "c"] for row in rows)]


def test_only_what_needs_quotes_gets_them(tmp_path):
    source = tmp_path / "in.csv"
    source.write_text('"id","text"\r\n"00123","a b"\r\n"1","a,b"\r\n')
    written = convert(source, tmp_path / "out.csv", {"caption": None})
    assert written == 'id,text,caption\n00123,a b,\n1,"a,b",\n'


def test_line_breaks_in_quotes_are_text_and_places_stay_true(tmp_path):
    source = tmp_path / "in.csv"
    source.write_bytes(b'a,b\r\n"x\r\ny",1\r\n\r\nz,2\r\n')
    rows = list(open_reader(source).rows())
    assert [row.fields for row in rows] == [{"a": "x\r\ny", "b": "1"}, {"a": "z", "b": "2"}]
    assert [row.source.rpartition(", ")[2] for row in rows] == ["line 2", "line 5"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a,b\n1,2\n3\n", "line 3: 1 fields, but the header names 2"),
        ("a,b\n1,2\n3,4,5\n", "line 3: 3 fields, but the header names 2"),
        ('a,b\n1,2\n"3,4\n5,6\n', "line 3: invalid CSV"),
        ('a,b\n1,2\n"3"x,4\n', "line 3: invalid CSV"),
        ("a,b,a\n1,2,3\n", "line 1: two columns are named 'a'"),
    ],
)
def test_a_broken_table_is_an_error_that_names_the_line(tmp_path, text, problem):
    source = tmp_path / "in.csv"
    source.write_text(text)
    with pytest.raises(InputError, match=rf"in\.csv, {problem}"):
        list(open_reader(source).rows())


def test_the_header_alone_gives_the_column_names(tmp_path):
    source = tmp_path / "in.tsv"
    source.write_text("a\tb,c\n")
    assert open_reader(source).column_names() == ["a", "b,c"]


def test_a_header_without_rows_comes_out_with_the_new_column(tmp_path):
    source = tmp_path / "in.csv"
    source.write_text("a,b\n")
    assert convert(source, tmp_path / "out.csv", {"caption": "c"}) == "a,b,caption\n"


def test_numbers_from_json_keep_their_digits(tmp_path):
    source = tmp_path / "in.jsonl"
    source.write_text(f'{{"a": 1.10, "b": 1e400, "c": {2**70}, "d": [1.0, null], "e": true}}\n')
    written = convert(source, tmp_path / "out.csv", {"caption": 1.5})
    assert written == f'a,b,c,d,e,caption\n1.10,1e400,{2**70},"[1.0, null]",true,1.5\n'


def test_a_column_that_only_a_late_json_row_has_gets_its_place(tmp_path):
    source = tmp_path / "in.jsonl"
    source.write_text('{"a": 1}\n{"a": null, "b": "x"}\n')
    written = convert(source, tmp_path / "out.csv", {"caption": "c"})
    assert written == "a,b,caption\n1,,c\n,x,c\n"


def test_a_column_that_the_header_lacks_is_an_error_that_names_the_row(tmp_path):
    path = tmp_path / "out.csv"
    writer = writer_for(path, None, ["caption"])(path)
    writer.write(Row(0, {"a": 1}, "row 0"), {"caption": "c"})
    with pytest.raises(OutputError, match="row 1: the column 'b' is not in the header"):
        writer.write(Row(1, {"a": 1, "b": 2}, "row 1"), {"caption": "c"})
    writer.discard()


def test_a_field_may_be_larger_than_the_csv_modules_own_limit(tmp_path):
    """In a fresh process, where nothing else has raised the limit."""
    source = tmp_path / "in.csv"
    source.write_text("a\n" + "x" * 1_000_000 + "\n")
    code = (
        "import sys; from dataflow.formats.registry import open_reader;"
        "print(sum(len(row.fields['a']) for row in open_reader(sys.argv[1]).rows()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(source)], capture_output=True, text=True, check=True
    )
    assert done.stdout == "1000000\n"


@pytest.mark.parametrize("name", ["Flickr8k.token.txt", "captions.lst", "captions"])
def test_a_text_of_any_ending_is_a_table_where_its_columns_are_named(tmp_path, name):
    (tmp_path / name).write_text("a.jpg#0\tA child, a dog\n")
    spec = resolve_input(str(tmp_path / name), is_table=True)
    options = ReadOptions(columns=("image", "text"), delimiter="tab")
    assert [row.fields for row in spec.open(options).rows()] == [
        {"image": "a.jpg#0", "text": "A child, a dog"}
    ]
    with pytest.raises(InputError, match="no known format"):
        resolve_input(str(tmp_path / name))
