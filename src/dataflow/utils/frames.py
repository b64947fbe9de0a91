"""Rows as pandas has them, and back."""

from __future__ import annotations

from typing import Any

from dataflow.core.errors import InputError, MissingPackageError, UsageError


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


def records_of(data: Any) -> list[dict[str, Any]]:
    """The rows of a list of dicts or of a DataFrame, whose missing values become null.

    Raises:
        UsageError: it is neither, or its columns cannot be told apart by their names.
    """
    if isinstance(data, list) and all(isinstance(row, dict) for row in data):
        for index, row in enumerate(data):
            if odd := next((name for name in row if not isinstance(name, str)), None):
                raise UsageError(f"row {index}: the column name {odd!r} is no text")
        return data
    if hasattr(data, "to_dict") and hasattr(data, "notna"):
        names = list(data.columns)
        odd = [n for n in names if not isinstance(n, str) or names.count(n) > 1]
        if odd:
            raise UsageError(f"the frame's column {odd[0]!r} is no text, or there twice; rename it")
        # pandas marks a missing value by NaN in any column; null is what it means
        frame = data.astype(object).where(data.notna(), None)
        records: list[dict[str, Any]] = frame.to_dict("records")
        return records
    raise UsageError(f"write() takes a list of dicts or a DataFrame, not {type(data).__name__}")


def _pandas() -> Any:
    try:
        import pandas
    except ImportError as error:
        raise MissingPackageError(
            "a DataFrame needs pandas: pip install 'dataflow-caption[dataframe]', or read('dict')"
        ) from error
    return pandas
