"""The column names of a dataset, for the formats that must write them first."""

from __future__ import annotations

from collections.abc import Sequence

from dataflow.core.dataset import Reader


def all_columns(reader: Reader) -> list[str]:
    """The column names of all rows, each where it first appears.

    Reads the whole dataset where only the rows know (JSON), so that a name that first appears in
    the last row has its column too.
    """
    names = reader.column_names()
    if names is not None:
        return names
    seen: dict[str, None] = {}
    for row in reader.rows():
        if not row.fields.keys() <= seen.keys():
            seen.update(dict.fromkeys(row.fields))
    return list(seen)


def with_new(names: Sequence[str], added: Sequence[str]) -> list[str]:
    """`names` and, after them, those of `added` that are not among them."""
    return list(dict.fromkeys((*names, *added)))
