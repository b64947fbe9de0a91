"""Rows that cannot be read: an error, or left out and told of."""

from __future__ import annotations

import tracemalloc

import pytest

from dataflow.core.errors import InputError
from dataflow.core.protocols.dataset import MAX_LISTED
from dataflow.formats.registry import open_reader

BAD = {
    "a broken line": (
        "in.jsonl",
        b'{"a": "0"}\n{"a": \n{"a": "1"}\n',
        "line 2, column 6: invalid JSON",
    ),
    "a cut line with the next one glued to it": (
        "in.jsonl",
        b'{"a": "0"}\n{"a": "x{"a": "9"}\n{"a": "1"}\n',
        "line 2, column 11: invalid JSON",
    ),
    "a line that is no object": (
        "in.jsonl",
        b'{"a": "0"}\n[1]\n{"a": "1"}\n',
        "line 2: a row must be a JSON object",
    ),
    "a line that is cut in a character": (
        "in.jsonl",
        b'{"a": "0"}\n{"a": "\xc3"}\n{"a": "1"}\n',
        "line 2: the text is not UTF-8",
    ),
    "a last line that is cut short": (
        "in.jsonl",
        b'{"a": "0"}\n{"a": "1"}\n{"a": "2',
        "line 3, column 7: invalid JSON",
    ),
    "an element that is no object": (
        "in.json",
        b'[{"a": "0"},\n 7, {"a": "1"}]',
        "line 2, column 2: a row must be a JSON object",
    ),
    "a line with too few fields": (
        "in.csv",
        b"a,b\n0,x\n9\n1,y\n",
        "line 3: 1 fields, but the header names 2",
    ),
    "a line with too many fields": (
        "in.tsv",
        b"a\tb\n0\tx\n9\t9\t9\n1\ty\n",
        "line 3: 3 fields, but the header names 2",
    ),
    "a table's line that is not UTF-8": (
        "in.csv",
        b'a,b\n0,x\n9,"\n\xfc"\n1,y\n',
        "line 4: the text is not UTF-8",
    ),
}


@pytest.fixture(params=BAD)
def bad(request, tmp_path):
    """A file with the good rows 0 and 1 and a bad one, and what is wrong with that."""
    name, data, problem = BAD[request.param]
    path = tmp_path / name
    path.write_bytes(data)
    return path, problem


def test_a_bad_row_is_an_error(bad):
    path, problem = bad
    with pytest.raises(InputError) as caught:
        list(open_reader(path).rows())
    assert caught.value.message.startswith(f"{path}, {problem}")


def test_a_skipped_row_is_left_out_and_listed_with_place_and_reason(bad):
    path, problem = bad
    reader = open_reader(path, skip_bad_rows=True)
    rows = list(reader.rows())
    assert [(row.index, row.fields["a"]) for row in rows] == [(0, "0"), (1, "1")]
    (listed,) = reader.skipped.listed
    assert listed.message.startswith(f"{path}, {problem}")
    assert listed.source == f"{path}, {problem.partition(':')[0]}"


def test_each_pass_lists_anew(bad):
    reader = open_reader(bad[0], skip_bad_rows=True)
    for _ in range(2):
        assert len(list(reader.rows())) == 2
        assert reader.skipped.count == 1


def test_the_place_of_a_row_counts_the_skipped_ones_too(tmp_path):
    path = tmp_path / "in.json"
    path.write_text('[{"a": 0}, null, {"a": 1}]')
    places = [row.source for row in open_reader(path, skip_bad_rows=True).rows()]
    assert [place.rpartition(", ")[2] for place in places] == ["row 0 (line 1)", "row 2 (line 1)"]


@pytest.mark.parametrize(
    ("name", "data", "problem"),
    [
        ("in.json", b'[{"a": 0}, {"a": }, {"a": 1}]', "line 1, column 18: invalid JSON"),
        ("in.json", b'[{"a": 0}', "line 1, column 10: invalid JSON"),
        ("in.json", b'[{"a": "\xfc"}]', "line 1: the text is not UTF-8"),
        ("in.csv", b'a,b\n"0"x,1\n2,3\n', "line 2: invalid CSV"),
        ("in.csv", b'a,b\n"0,1\n2,3\n', "line 2: invalid CSV"),
        ("in.csv", b"\xfc,b\n0,1\n", "line 1: the text is not UTF-8"),
        ("in.csv", b"a,a\n0,1\n", "line 1: two columns are named 'a'"),
    ],
)
def test_where_the_next_row_cannot_be_found_for_sure_skipping_stops(tmp_path, name, data, problem):
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(InputError) as caught:
        list(open_reader(path, skip_bad_rows=True).rows())
    assert caught.value.message.startswith(f"{path}, {problem}")


@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize("ending", [".json", ".jsonl", ".csv", ".tsv"])
@pytest.mark.parametrize(
    ("encoding", "name"),
    [
        ("utf-16", "UTF-16"), ("utf-16-le", "UTF-16"), ("utf-16-be", "UTF-16"),
        ("utf-32", "UTF-32"), ("utf-32-le", "UTF-32"), ("utf-32-be", "UTF-32"),
    ],
)  # fmt: skip
def test_a_file_in_a_wide_encoding_is_an_error_with_its_cure(
    tmp_path, ending, encoding, name, skip
):
    path = tmp_path / f"in{ending}"
    path.write_bytes('[{"a": 1}]\n'.encode(encoding))
    with pytest.raises(InputError, match=rf"not UTF-8; .*iconv -f {name} -t UTF-8"):
        list(open_reader(path, skip_bad_rows=skip).rows())


def test_all_bad_lines_are_counted_and_the_first_are_listed(tmp_path):
    path = tmp_path / "in.jsonl"
    path.write_bytes(b"no\n" * (MAX_LISTED + 50))
    reader = open_reader(path, skip_bad_rows=True)
    tracemalloc.start()
    try:
        assert list(reader.rows()) == []
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert reader.skipped.count == MAX_LISTED + 50
    assert len(reader.skipped.listed) == MAX_LISTED
    assert peak < 12_000_000
