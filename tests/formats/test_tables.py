"""Tables in memory, of whatever library."""

from __future__ import annotations

import collections
import dataclasses
import types
from typing import Any

import pandas
import pyarrow
import pytest

from dataflow.core.errors import UsageError
from dataflow.formats.tables import rows_of, with_columns

polars = pytest.importorskip("polars")
datasets = pytest.importorskip("datasets")

COLUMNS = {"image": ["a.png", "b.png", "c.png"], "id": [1, 2, 3]}
ROWS = [dict(zip(COLUMNS, row, strict=True)) for row in zip(*COLUMNS.values(), strict=True)]


@dataclasses.dataclass
class Item:
    image: str
    id: int


Named = collections.namedtuple("Named", ["image", "id"])  # noqa: PYI024 - as old code has it

TABLES: dict[str, Any] = {
    "list": lambda: ROWS,
    "tuple": lambda: tuple(ROWS),
    "generator": lambda: (row for row in ROWS),
    "iterator": lambda: iter(ROWS),
    "deque": lambda: collections.deque(ROWS),
    "dict's values": lambda: dict(enumerate(ROWS)).values(),
    "mapping proxies": lambda: [types.MappingProxyType(row) for row in ROWS],
    "user dicts": lambda: [collections.UserDict(row) for row in ROWS],
    "dataclasses": lambda: [Item(**row) for row in ROWS],
    "named tuples": lambda: [Named(**row) for row in ROWS],
    "pandas": lambda: pandas.DataFrame(COLUMNS, index=[7, 8, 9]),
    "pandas, own types": lambda: pandas.DataFrame(COLUMNS).convert_dtypes(),
    "pandas on Arrow": lambda: pandas.DataFrame(COLUMNS).convert_dtypes(dtype_backend="pyarrow"),
    "Polars": lambda: polars.DataFrame(COLUMNS),
    "Arrow": lambda: pyarrow.table(COLUMNS),
    "Arrow batch": lambda: pyarrow.record_batch(COLUMNS),
    "datasets": lambda: datasets.Dataset.from_dict(COLUMNS),
    "datasets, streamed": lambda: datasets.Dataset.from_dict(COLUMNS).to_iterable_dataset(),
}
SAME_KIND = [name for name in TABLES if name.startswith(("pandas", "Polars", "Arrow", "datasets"))]


@pytest.mark.parametrize("name", TABLES)
def test_its_rows_are_read(name):
    assert [dict(row) for row in rows_of(TABLES[name](), "give")] == ROWS


@pytest.mark.parametrize("name", TABLES)
def test_columns_are_added_to_the_rows_that_are_kept(name):
    data = TABLES[name]()
    rows = rows_of(data, "give")[:2]
    added = [{"caption": "B.", "id": 20}]
    made = with_columns(data, rows, [False, True], added, names=["caption", "id"])
    if name in SAME_KIND and name not in ("Arrow batch", "datasets, streamed"):
        assert type(made) is type(data)
    expected = [{"image": "b.png", "id": 20, "caption": "B."}]
    assert [dict(row) for row in rows_of(made, "give")] == expected


@pytest.mark.parametrize("name", [n for n in TABLES if n != "pandas, own types"])
def test_captions_that_failed_are_null_also_where_all_did(name):
    data = TABLES[name]()
    rows = rows_of(data, "give")
    made = with_columns(data, rows, [True] * 3, [{"caption": None}] * 3, names=["caption"])
    assert [row["caption"] for row in rows_of(made, "give")] == [None] * 3


def test_missing_values_of_pandas_are_none():
    frame = pandas.DataFrame(
        {
            "text": pandas.array(["a", pandas.NA], dtype="string"),
            "whole": pandas.array([1, pandas.NA], dtype="Int64"),
            "truth": pandas.array([True, pandas.NA], dtype="boolean"),
            "number": [1.5, float("nan")],
            "kind": pandas.Categorical(["x", None]),
            "date": pandas.to_datetime(["2026-12-01", None]),
        }
    )
    assert list(rows_of(frame, "give")[1].values()) == [None] * 6


def test_an_empty_table_gets_its_columns():
    frame = pandas.DataFrame({"image": []})
    assert list(with_columns(frame, [], [], [], names=["caption"])) == ["image", "caption"]


@pytest.mark.parametrize(
    "data",
    [
        pandas.DataFrame([[1, 2]], columns=["a", "a"]),
        pyarrow.table([[1], [2]], names=["a", "a"]),
    ],
)
def test_two_columns_of_one_name_are_refused(data):
    with pytest.raises(UsageError, match="two columns called 'a': rename one"):
        rows_of(data, "give")


REFUSED = {
    "a dict of columns": (COLUMNS, r"dict\(zip"),
    "paths": (["a.png"], "item 0 is 'a.png'.*makes rows of pictures"),
    "a lazy frame": (polars.LazyFrame(COLUMNS), r"collect\(\)"),
    "a number": (3, "not 3"),
    "nothing": (None, "not None"),
    "bytes": (b"x", "not b'x'"),
    "a series": (pandas.Series(["a.png"]), "item 0 is 'a.png'"),
    "a class of rows": ([Item], "the class Item itself"),
    "plain tuples": ([("a.png", 1)], "item 0 is"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_table_is_refused_with_its_cure(name):
    data, words = REFUSED[name]
    with pytest.raises(UsageError, match=words):
        rows_of(data, "give")
