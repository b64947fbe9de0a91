"""Datasets written and read by other hands than the package's own, so that the tests are true."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from dataflow.formats.output_spec import writer_for
from dataflow.formats.registry import open_reader
from tests.formats.members import MEMBERS, Rows, member_of


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each ending in turn, of the formats that make the test's promise."""
    own = [str(mark.args[0]) for mark in metafunc.definition.iter_markers("parametrize")]
    if "ending" in metafunc.fixturenames and not any("ending" in names for names in own):
        metafunc.parametrize("ending", getattr(metafunc.function, "endings", list(MEMBERS)))
    if "other_ending" in metafunc.fixturenames:
        metafunc.parametrize("other_ending", [".json", ".jsonl", ".csv", ".parquet", ".arrow"])


def without_key(fields: Mapping[str, Any]) -> dict[str, Any]:
    """A row without the key of a sample."""
    return {name: value for name, value in fields.items() if name != "__key__"}


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., Path]:
    """Write rows to a new file with the given ending; returns its path."""

    def save_rows(ending: str, rows: Rows, name: str = "data") -> Path:
        path = tmp_path / (f"{name}{ending}" if ending.startswith(".") else f"{name}.{ending}")
        member_of(path).save(path, rows)
        return path

    return save_rows


@pytest.fixture
def load() -> Callable[[Path], Rows]:
    """Read a file's rows, without the keys that a WebDataset gives to its samples."""

    def load_rows(path: Path) -> Rows:
        return [without_key(row) for row in member_of(path).load(path)]

    return load_rows


@pytest.fixture
def opened() -> Callable[..., Any]:
    """Open a dataset with the package's reader."""

    def open_path(path: Path) -> Any:
        return open_reader(path, format_name=member_of(path).format_name)

    return open_path


@pytest.fixture
def written_by() -> Callable[..., Any]:
    """The package's writer for a path, opened there."""

    def open_writer(path: Path, reader: Any, columns: list[str], at: Path | None = None) -> Any:
        name = member_of(path).format_name
        return writer_for(path, reader, columns, format_name=name)(at or path)

    return open_writer


@pytest.fixture
def caption(tmp_path: Path, opened: Any, written_by: Any) -> Callable[..., Path]:
    """Send a dataset through the package's reader and writer, adding columns to each row."""

    def convert(
        source: Path, ending: str, added: Callable[[int], dict[str, Any]], name: str = "out"
    ) -> Path:
        output = tmp_path / (f"{name}{ending}" if ending.startswith(".") else f"{name}.{ending}")
        reader = opened(source)
        writer = written_by(output, reader, list(added(0)))
        for row in reader.rows():
            writer.write(row, added(row.index))
        writer.close()
        return output

    return convert


@pytest.fixture
def member(ending: str) -> Any:
    """The format under test."""
    return MEMBERS[ending]
