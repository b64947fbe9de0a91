"""What fuzzing has found, each kept as a test (others stand beside what they are about)."""

from __future__ import annotations

import asyncio
import io
import logging
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataflow.core.errors import InputError
from dataflow.engine.journal.journal import Journal
from dataflow.engine.journal.records import ResultRecord
from dataflow.formats.output_spec import writer_for
from dataflow.formats.registry import open_reader


def parquet(**columns: list) -> bytes:
    file = io.BytesIO()
    options = {"compression": "NONE", "use_dictionary": False, "write_statistics": False}
    pq.write_table(pa.table(columns), file, store_schema=False, **options)
    return file.getvalue()


def changed(data: bytes, old: bytes, new: bytes) -> bytes:
    assert old in data
    assert len(old) == len(new)
    return data.replace(old, new)


def read(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    reader = open_reader(path)
    reader.column_names()
    reader.count()
    for row in reader.rows():
        dict(row.fields)
    writer = writer_for(path, reader, ["caption"])(path.with_name("out.parquet"))
    assert path.with_name("out.parquet").exists()
    writer.discard()


def test_a_parquet_whose_footer_counts_other_rows_than_there_are(tmp_path):
    data = changed(parquet(x=[1, 2, 3]), b"\x16\x06\x19", b"\x16\x08\x19")
    with pytest.raises(InputError, match="3 rows, where its footer says 4"):
        read(tmp_path / "data.parquet", data)


def test_a_parquet_whose_column_is_not_named_in_utf8(tmp_path):
    data = changed(parquet(column=[1]), b"column", b"co\xffumn")
    with pytest.raises(InputError, match=r"data\.parquet"):
        read(tmp_path / "data.parquet", data)


def test_a_parquet_that_names_a_column_wrongly_where_it_says_its_compression(tmp_path):
    before, name, after = parquet(column=[1]).rpartition(b"column")
    read(tmp_path / "data.parquet", before + b"co\xffumn" + after)
    assert name


@pytest.mark.parametrize("nested", [False, True])
def test_a_parquet_whose_text_is_not_utf8(tmp_path, nested):
    data = parquet(image=[["a.jpg"], ["b.jpg"]] if nested else ["a.jpg", "b.jpg"])
    with pytest.raises(InputError, match=r"data\.parquet, row 0"):
        read(tmp_path / "data.parquet", changed(data, b"b.jpg", b"b\xffjpg"))


def test_a_csv_whose_column_is_named_with_nul(tmp_path):
    with pytest.raises(InputError, match="NUL"):
        read(tmp_path / "data.csv", b"\n\n\n\n\0\0\0\0\nx\n")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"key BLOB PRIMARY KEY, caption", b"kex BLOB PRIMARY KEY, caption"),
        (b"CREATE TABLE plan", b"CREATE TABLE pl\xf0n"),
        (b"CREATE TABLE results", b"CREATE TXBLE results"),
    ],
)
def test_a_journal_whose_tables_are_not_those_that_were_made_is_set_aside(
    tmp_path, caplog, old, new
):
    path = tmp_path / "out.journal"
    Journal(path).close()
    path.write_bytes(changed(path.read_bytes(), old, new))
    with caplog.at_level(logging.WARNING):
        journal = Journal(path)
    entry = ResultRecord(bytes(16), "new", is_final=True)
    journal.plan([(0, 0, entry.key)])
    asyncio.run(journal.put(entry))
    assert [found and found.caption for _, _, found in journal.outcomes()] == ["new"]
    journal.close()
    assert "damaged" in caplog.text
    assert len(list(tmp_path.glob("out.journal.2*"))) == 1
