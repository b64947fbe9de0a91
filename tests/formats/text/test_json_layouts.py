"""What programs write under the ending .json: arrays, lines, and objects by path."""

from __future__ import annotations

import json

import pytest

from dataflow.formats.registry import ReadOptions, open_reader, resolve_input
from tests.formats.test_parquet import convert


@pytest.mark.parametrize("indent", [None, 2])
def test_an_object_by_path_is_a_row_each(tmp_path, indent):
    data = {"a/1.png": {"tags": "x, y", "n": 1.5}, "b 2.png": {}}
    (tmp_path / "meta.json").write_text(json.dumps(data, indent=indent))
    rows = list(open_reader(tmp_path / "meta.json").rows())
    assert [dict(row.fields) for row in rows] == [
        {"image": "a/1.png", "tags": "x, y", "n": 1.5},
        {"image": "b 2.png"},
    ]
    named = resolve_input(tmp_path / "meta.json").open(ReadOptions(picture_key="pic"))
    assert [row.fields["pic"] for row in named.rows()] == ["a/1.png", "b 2.png"]


def test_numbers_of_such_an_object_keep_their_digits(tmp_path):
    (tmp_path / "meta.json").write_text('{"a.png": {"n": 1.10, "big": 123456789012345678901}}')
    output = convert(tmp_path / "meta.json", tmp_path / "out.jsonl", {"caption": "a cat"})
    assert '"n": 1.10, "big": 123456789012345678901' in output.read_text()


@pytest.mark.parametrize("between", ["\n", "\n\n", " "])
def test_json_lines_under_another_ending_are_read(tmp_path, between):
    rows = [{"image": "a.png", "n": n} for n in range(3)]
    (tmp_path / "in.json").write_text(between.join(map(json.dumps, rows)) + "\n")
    reader = open_reader(tmp_path / "in.json")
    assert [dict(row.fields) for row in reader.rows()] == rows
    assert [dict(row.fields) for row in reader.rows()] == rows
