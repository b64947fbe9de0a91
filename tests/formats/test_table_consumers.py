"""pandas and DuckDB read the tables that we write, whole and in parts."""

from __future__ import annotations

import json

import duckdb
import pandas as pd
import pytest

from dataflow.formats.base.split_output import parts_of
from dataflow.formats.columns.field_filter import FieldFilter
from dataflow.formats.output_spec import writer_for
from dataflow.formats.registry import open_reader

ROWS = [
    {"id": f"{n:05}", "n": n, "text": f'é "{n}",\n\ttail', "tags": ["a", "b"][: n % 3]}
    for n in range(25)
]
PANDAS = {
    "json": lambda path: pd.read_json(path, dtype={"id": str}),
    "jsonl": lambda path: pd.read_json(path, lines=True, dtype={"id": str}),
    "jsonl.gz": lambda path: pd.read_json(path, lines=True, dtype={"id": str}),
    "jsonl.bz2": lambda path: pd.read_json(path, lines=True, dtype={"id": str}),
    "jsonl.xz": lambda path: pd.read_json(path, lines=True, dtype={"id": str}),
    "csv": lambda path: pd.read_csv(path, dtype={"id": str}),
    "csv.gz": lambda path: pd.read_csv(path, dtype={"id": str}),
    "tsv": lambda path: pd.read_csv(path, sep="\t", dtype={"id": str}),
    "parquet": pd.read_parquet,
    "feather": pd.read_feather,
    "arrow": pd.read_feather,
}
DUCKDB = {
    "json": "read_json('{}')",
    "jsonl": "read_json('{}', format = 'newline_delimited')",
    "jsonl.gz": "read_json('{}', format = 'newline_delimited')",
    "jsonl.zst": "read_json('{}', format = 'newline_delimited')",
    "csv": "read_csv('{}', all_varchar = true, header = true)",
    "csv.gz": "read_csv('{}', all_varchar = true, header = true)",
    "tsv": "read_csv('{}', all_varchar = true, header = true, delim = '\t')",
    "parquet": "read_parquet('{}')",
}


@pytest.fixture
def written(tmp_path):
    """Writes the rows in a format, with a caption each; returns the file."""

    def write(ending, rows_per_file=None):
        source, output = tmp_path / "in.jsonl", tmp_path / f"out.{ending}"
        source.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
        reader = open_reader(source)
        writer = writer_for(output, reader, ["caption"], rows_per_file=rows_per_file)(output)
        for row in reader.rows():
            writer.write(row, {"caption": f"caption {row.index}, é\n"})
        writer.close()
        writer.commit(output)
        return output

    return write


CAPTIONS = [f"caption {n}, é\n" for n in range(25)]


@pytest.mark.parametrize("ending", PANDAS)
def test_pandas_reads_it(written, ending):
    frame = PANDAS[ending](written(ending))
    assert list(frame["id"]) == [row["id"] for row in ROWS]
    assert list(frame["text"]) == [row["text"] for row in ROWS]
    assert [int(n) for n in frame["n"]] == list(range(25))
    assert list(frame["caption"]) == CAPTIONS


@pytest.mark.parametrize("ending", DUCKDB)
def test_duckdb_reads_it(written, ending):
    source = DUCKDB[ending].format(written(ending))
    found = duckdb.sql(f"select id, n, text, caption from {source} order by id").fetchall()
    assert [(i, int(n), text, caption) for i, n, text, caption in found] == [
        (row["id"], row["n"], row["text"], caption)
        for row, caption in zip(ROWS, CAPTIONS, strict=True)
    ]


@pytest.mark.parametrize("ending", ["parquet", "jsonl.zst"])
def test_duckdb_reads_all_parts_at_once(written, tmp_path, ending):
    output = written(ending, rows_per_file=10)
    assert len(parts_of(output)) == 3
    source = DUCKDB[ending].format(tmp_path / f"out-*-of-*.{ending}")
    found = duckdb.sql(f"select count(*), count(distinct caption) from {source}").fetchall()
    assert found == [(25, 25)]


def test_a_frames_own_parquet_comes_back_as_it_was_with_or_without_its_index(tmp_path):
    """pandas keeps its index as a column that its metadata names."""
    frame = pd.DataFrame({"a": [1, 2], "t": pd.Categorical(["x", "y"])}, index=["k", "l"])
    source = tmp_path / "in.parquet"
    frame.to_parquet(source)
    for choice in (FieldFilter(), FieldFilter(drop=frozenset({"__index_level_0__"}))):
        output = tmp_path / f"out-{choice.is_all}.parquet"
        reader = open_reader(source)
        writer = writer_for(output, reader, ["c"], choice=choice)(output)
        for row in reader.rows():
            writer.write(row, {"c": "caption"})
        writer.close()
        back = pd.read_parquet(output)
        assert list(back["a"]) == [1, 2]
        assert list(back["c"]) == ["caption", "caption"]
        if choice.is_all:
            assert list(back.index) == ["k", "l"]
            assert back["t"].dtype == frame["t"].dtype
