"""What programs write under the ending .json: arrays, lines, and objects by path."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma

import pyarrow as pa
import pytest

from dataflow.core.errors import InputError
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


def test_an_object_of_rows_that_name_their_pictures_has_ids_for_names(tmp_path):
    data = {"a": {"image": "x.png", "n": 1}, "b": {"image": "y.png", "id": 7}}
    (tmp_path / "in.json").write_text(json.dumps(data))
    rows = [dict(row.fields) for row in open_reader(tmp_path / "in.json").rows()]
    assert rows == [{"id": "a", "image": "x.png", "n": 1}, {"image": "y.png", "id": 7}]
    output = convert(tmp_path / "in.json", tmp_path / "out.jsonl", {"caption": "a cat"})
    first, second = map(json.loads, output.read_text().splitlines())
    assert first == {"id": "a", "image": "x.png", "n": 1, "caption": "a cat"}
    assert second == {"image": "y.png", "id": 7, "caption": "a cat"}


PACKED = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": lambda data: pa.compress(data, "zstd", asbytes=True),
}


@pytest.mark.parametrize("name", ["in.jsonl", "in.json", "in.csv"])
@pytest.mark.parametrize("ending", PACKED)
def test_what_is_compressed_under_a_plain_name_is_told_its_name(tmp_path, name, ending):
    (tmp_path / name).write_bytes(PACKED[ending](b"image\na.png\n" * 9))
    with pytest.raises(InputError, match=f"is compressed; rename it .* ends with {ending}"):
        list(open_reader(tmp_path / name).rows())
