"""What the first rows tell of a dataset's columns, before anything is asked."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Generator, Iterator

from dataflow.core.dataset import Reader
from dataflow.core.errors import UsageError
from dataflow.core.row import Row
from dataflow.formats.fields import FieldChoice

LOOKED_AT = 1000
"""Rows at the start among which a column must be found."""


def first_rows(reader: Reader) -> Iterator[Row]:
    """The first `LOOKED_AT` rows.

    Raises:
        InputError: the dataset cannot be read.
    """
    rows = reader.rows()
    try:
        yield from itertools.islice(rows, LOOKED_AT)
    finally:
        if isinstance(rows, Generator):
            rows.close()


def names_in(reader: Reader, wanted: Collection[str]) -> list[str]:
    """The columns, where they are known; else those of the first rows, until all `wanted` are met.

    Raises:
        InputError: the dataset cannot be read.
    """
    known = reader.column_names()
    if known is not None:
        return known
    names: dict[str, None] = {}
    for row in first_rows(reader):
        names.update(dict.fromkeys(row.fields))
        if names.keys() >= set(wanted):
            break
    return list(names)


def check_kept(reader: Reader, choice: FieldChoice) -> None:
    """Refuse to keep a column that the dataset has not, or none of its first rows.

    Raises:
        UsageError: `choice` keeps such a column.
        InputError: the dataset cannot be read.
    """
    keep = choice.keep or frozenset()
    names = names_in(reader, keep) if keep else []
    missing = sorted(keep - set(names))
    is_known = reader.column_names() is not None
    if not missing or not (names or is_known):
        return
    lacks = f"there is no column {missing[0]!r} to keep"
    if not is_known:
        lacks = f"none of the first {LOOKED_AT:,} rows has a column {missing[0]!r} to keep"
    message = f"{lacks}; there is: {', '.join(map(repr, names)) or 'none'}"
    if "," in missing[0]:
        message += "; name each column with a --keep of its own"
    elif not is_known:
        message += "; to keep one that only later rows have, leave out the others with --drop"
    raise UsageError(message)


def not_there(reader: Reader, choice: FieldChoice) -> list[str]:
    """The columns that `choice` drops though no row, or none of the first rows, has them.

    Raises:
        InputError: the dataset cannot be read.
    """
    names = names_in(reader, choice.drop) if choice.drop else []
    return sorted(choice.drop - set(names)) if names else []
