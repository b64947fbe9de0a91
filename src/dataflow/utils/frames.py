"""Rows as pandas has them, and back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from dataflow.core.errors import InputError, MissingPackageError, UsageError
from dataflow.formats.tables import rows_of

_NO_NAME = object()

_WHOLE = re.compile(r"-?(?:0|[1-9][0-9]{0,17})")  # no more digits than pandas' own int64 holds
_DECIMAL = re.compile(r"-?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")


def frame_of(rows: list[dict[str, Any]]) -> Any:
    """A DataFrame of `rows`.

    Whole numbers stay such where some are missing: pandas would make floats of them, which do not
    hold those from 2**53 on.

    Raises:
        InputError: a text holds half of a surrogate pair, which a DataFrame cannot.
        MissingPackageError: pandas is not installed.
    """
    pandas = _pandas()
    try:
        frame = pandas.DataFrame(rows)
    except UnicodeEncodeError as error:
        raise InputError(
            f"a text holds half of a surrogate pair, which no DataFrame can ({error}); use "
            "read('dict')"
        ) from None
    for name in frame.columns:
        values = [row.get(name) for row in rows]
        if frame[name].dtype.kind == "f" and any(type(value) is int for value in values):
            frame[name] = pandas.Series(values, dtype=object)
    return frame


def with_numbers(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """`rows`, in which each column that holds nothing but numbers written as text has numbers.

    An empty text in such a column is a missing value. A column in which one whole number begins
    with a zero or a plus sign stays text: it is an id or a telephone number.
    """
    names = dict.fromkeys(name for row in rows for name in row)
    makers = {name: _number_type([row.get(name, "") for row in rows]) for name in names}
    return [{name: _as_number(makers[name], value) for name, value in row.items()} for row in rows]


def _as_number(make: type[int | float] | None, value: Any) -> Any:
    if make is None:
        return value
    return make(value) if value else None


def _number_type(cells: list[Any]) -> type[int | float] | None:
    """What the cells of a column are as numbers; None where they are text."""
    texts = [cell for cell in cells if cell != ""]
    if not texts or not all(isinstance(text, str) for text in texts):
        return None
    if all(map(_WHOLE.fullmatch, texts)):
        return int
    return float if all(map(_DECIMAL.fullmatch, texts)) else None


def records_of(data: Any) -> list[Mapping[str, Any]]:
    """The rows of a table in memory, whose missing values become null.

    Raises:
        UsageError: it is no table, or its columns cannot be told apart by their names.
    """
    rows = rows_of(data, "write() takes")
    for index, row in enumerate(rows):
        odd = next((name for name in row if not isinstance(name, str)), _NO_NAME)
        if odd is not _NO_NAME:
            raise UsageError(f"row {index}: the column name {odd!r} is no text")
    return rows


def _pandas() -> Any:
    try:
        import pandas
    except ImportError as error:
        raise MissingPackageError(
            "a DataFrame needs pandas: pip install 'dataflow-caption[dataframe]', or read('dict')"
        ) from error
    return pandas
