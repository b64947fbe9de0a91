"""Datasets written and read by other hands than the package's own, so that the tests are true."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataflow.formats.registry import open_reader, writer_for

# A new format joins the contract with one line in each of these two tables.
SAVE: dict[str, Callable[[Path, list[dict[str, Any]]], object]] = {
    ".json": lambda path, rows: path.write_text(json.dumps(rows, ensure_ascii=False), "utf-8"),
    ".jsonl": lambda path, rows: _save_lines(path, rows),
    ".ndjson": lambda path, rows: _save_lines(path, rows),
    ".csv": lambda path, rows: _save_table(path, rows, ","),
    ".tsv": lambda path, rows: _save_table(path, rows, "\t"),
    ".parquet": lambda path, rows: pq.write_table(pa.Table.from_pylist(rows), path),
}
LOAD: dict[str, Callable[[Path], list[dict[str, Any]]]] = {
    ".json": lambda path: json.loads(path.read_bytes()),
    ".jsonl": lambda path: _load_lines(path),
    ".ndjson": lambda path: _load_lines(path),
    ".csv": lambda path: _load_table(path, ","),
    ".tsv": lambda path: _load_table(path, "\t"),
    ".parquet": lambda path: pq.read_table(path).to_pylist(),
}


def _save_lines(path: Path, rows: list[dict[str, Any]]) -> None:
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path.write_bytes("".join(lines).encode())


def _load_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().split(b"\n") if line]


def _save_table(path: Path, rows: list[dict[str, Any]], delimiter: str) -> None:
    with open(path, "w", encoding="utf-8", newline="") as file:
        if rows:
            table = csv.DictWriter(file, list(rows[0]), delimiter=delimiter, quoting=csv.QUOTE_ALL)
            table.writeheader()
            table.writerows(rows)


def _load_table(path: Path, delimiter: str) -> list[dict[str, Any]]:
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter=delimiter, strict=True))


@pytest.fixture(params=list(SAVE))
def ending(request: pytest.FixtureRequest) -> str:
    """Each ending in turn."""
    return request.param


@pytest.fixture(params=[".json", ".jsonl", ".csv", ".parquet"])
def other_ending(request: pytest.FixtureRequest) -> str:
    """Each format in turn, a second time, for the way from one to another."""
    return request.param


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., Path]:
    """Write rows to a new file with the given ending; returns its path."""

    def save_rows(ending: str, rows: list[dict[str, Any]], name: str = "data") -> Path:
        path = tmp_path / f"{name}{ending}"
        SAVE[ending.lower()](path, rows)
        return path

    return save_rows


@pytest.fixture
def load() -> Callable[[Path], list[dict[str, Any]]]:
    """Read a file's rows."""
    return lambda path: LOAD[path.suffix.lower()](path)


@pytest.fixture
def caption(tmp_path: Path) -> Callable[..., Path]:
    """Send a dataset through the package's reader and writer, adding columns to each row."""

    def convert(
        source: Path, ending: str, added: Callable[[int], dict[str, Any]], name: str = "out"
    ) -> Path:
        output = tmp_path / f"{name}{ending}"
        reader = open_reader(source)
        writer = writer_for(output, reader, list(added(0)))(output)
        for row in reader.rows():
            writer.write(row, added(row.index))
        writer.close()
        return output

    return convert
