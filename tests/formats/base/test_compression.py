"""Compressed text: the other hands are the programs that everybody has."""

from __future__ import annotations

import bz2
import gzip
import itertools
import json
import lzma
import subprocess

import pytest

from dataflow.core.errors import InputError, UsageError
from dataflow.formats.base.compression import COMPRESSIONS
from dataflow.formats.known_formats import FORMATS
from dataflow.formats.output_spec import writer_for
from dataflow.formats.registry import open_reader

PROGRAMS = {".gz": "gzip", ".zst": "zstd", ".bz2": "bzip2", ".xz": "xz"}
TEXTS = [ending for known in FORMATS.values() if known.is_text for ending in known.endings]
ROWS = [{"a": "ü\n,\t", "b": "00123"}, {"a": "", "b": "x" * 100_000}]


def packed(data, compression):
    program = [PROGRAMS[compression], "-q", "-c"]
    return subprocess.run(program, input=data, capture_output=True, check=True).stdout


def convert(source, output):
    reader = open_reader(source)
    writer = writer_for(output, reader, ["caption"])(output.with_name("part"))
    for row in reader.rows():
        writer.write(row, {"caption": "c"})
    writer.close()
    writer.commit(output)


@pytest.mark.parametrize(("text", "compression"), list(itertools.product(TEXTS, COMPRESSIONS)))
def test_every_text_in_every_compression_goes_in_and_comes_out(tmp_path, text, compression):
    plain = tmp_path / f"plain{text}"
    writer = writer_for(plain, None, [])(plain)
    convert_rows = tmp_path / "rows.json"
    convert_rows.write_text(json.dumps(ROWS))
    for row in open_reader(convert_rows).rows():
        writer.write(row, {})
    writer.close()
    source, output = (tmp_path / f"{name}{text}{compression}" for name in ("in", "out"))
    source.write_bytes(packed(plain.read_bytes(), compression))
    convert(source, output)
    unpack = [PROGRAMS[compression], "-q", "-d", "-c", output]
    unpacked = tmp_path / f"unpacked{text}"
    unpacked.write_bytes(subprocess.run(unpack, capture_output=True, check=True).stdout)
    rows = [dict(row.fields) for row in open_reader(unpacked).rows()]
    assert rows == [{**row, "caption": "c"} for row in ROWS]


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_the_same_rows_make_the_same_bytes(tmp_path, compression):
    source = tmp_path / "in.jsonl"
    source.write_text('{"a": 1}\n')
    outputs = [tmp_path / f"{n}.jsonl{compression}" for n in range(2)]
    for output in outputs:
        convert(source, output)
    assert outputs[0].read_bytes() == outputs[1].read_bytes()


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_members_that_follow_each_other_are_one_text(tmp_path, compression):
    path = tmp_path / f"in.jsonl{compression}"
    path.write_bytes(packed(b'{"a": 1}\n', compression) + packed(b'{"a": 2}\n', compression))
    assert [row.fields["a"] for row in open_reader(path).rows()] == [1, 2]


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("harm", ["cut", "not compressed", "nothing"])
def test_damage_is_an_error_that_names_the_file_and_the_cure(tmp_path, compression, harm):
    lines = b"".join(b'{"a": %d}\n' % (n * 7919 % 10_007) for n in range(20_000))
    whole = packed(lines, compression)
    data = {"cut": whole[: len(whole) * 2 // 3], "not compressed": lines, "nothing": b""}[harm]
    path = tmp_path / f"in.jsonl{compression}"
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"in\.jsonl.*(damaged|cut short).*fetch or write"):
        list(open_reader(path).rows())


def test_places_are_those_of_the_text(tmp_path):
    path = tmp_path / "in.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"a": 1}\n{"a": \n'))
    with pytest.raises(InputError, match=r"in\.jsonl\.gz, line 2, column 6"):
        list(open_reader(path).rows())


@pytest.mark.parametrize("name", ["x.parquet.gz", "x.arrow.zst", "x.gz", "x.pkl.xz"])
def test_what_is_no_text_is_not_compressed_once_more(tmp_path, name):
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(InputError, match="no known format"):
        open_reader(tmp_path / name)
    with pytest.raises(UsageError, match="no format that can be written"):
        writer_for(name, None, [])


def test_the_case_of_a_compressions_ending_does_not_matter(tmp_path):
    path = tmp_path / "IN.CSV.BZ2"
    path.write_bytes(bz2.compress(b"a\n1\n"))
    assert [row.fields for row in open_reader(path).rows()] == [{"a": "1"}]


def test_a_bomb_is_read_in_constant_memory(tmp_path):
    """60 MB of blank lines in a small file pass by."""
    import tracemalloc

    path = tmp_path / "in.jsonl.xz"
    with lzma.open(path, "wb", preset=0) as file:
        for _ in range(60):
            file.write(b" " * (1 << 20) + b"\n")
    tracemalloc.start()
    try:
        assert list(open_reader(path).rows()) == []
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 12_000_000
