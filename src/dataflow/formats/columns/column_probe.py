"""What the first rows tell of a dataset's columns, before anything is asked."""

from __future__ import annotations

from collections.abc import Collection

from dataflow.core.errors import UsageError
from dataflow.core.protocols.dataset import FIRST_ROWS, Reader, first_rows
from dataflow.formats.columns.field_filter import FieldFilter


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


def check_kept(reader: Reader, choice: FieldFilter) -> None:
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
        lacks = f"none of the first {FIRST_ROWS:,} rows has a column {missing[0]!r} to keep"
    message = f"{lacks}; there is: {', '.join(map(repr, names)) or 'none'}"
    if "," in missing[0]:
        message += "; name each column with a --keep of its own"
    elif not is_known:
        message += "; to keep one that only later rows have, leave out the others with --drop"
    raise UsageError(message)


def not_there(reader: Reader, choice: FieldFilter) -> list[str]:
    """The columns that `choice` drops though no row, or none of the first rows, has them.

    Raises:
        InputError: the dataset cannot be read.
    """
    names = names_in(reader, choice.drop) if choice.drop else []
    return sorted(choice.drop - set(names)) if names else []
