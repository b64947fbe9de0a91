"""Tables in memory of any library: rows out of them, and columns into them.

Taken are lists and other iterables of dicts, dataclasses or named tuples, and the tables of pandas,
Polars, Arrow and Hugging Face `datasets`. No library is imported: who has its table has it.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from dataflow.core.errors import UsageError
from dataflow.core.settings import value_text

Rows = Sequence[Mapping[str, Any]]

_WANTED = "a list of dicts or a DataFrame"


def rows_of(data: Any, what: str) -> list[Mapping[str, Any]]:
    """The rows of a table.

    Missing values of pandas (NaN, NA, NaT) become None, which is what they mean.

    Args:
        data: The table.
        what: Where it was given, for messages: ``"write() takes"``.

    Raises:
        UsageError: it is no table, or two of its columns have one name.
    """
    kind = _kind_of(data)
    if kind is not None:
        _refuse_doubles(kind.columns(data), what)
        return kind.rows(data)
    if hasattr(data, "collect") and hasattr(data, "with_columns"):
        raise UsageError(f"{what} {_WANTED}, not a lazy one: call its collect() first")
    if isinstance(data, Mapping):
        raise UsageError(
            f"{what} {_WANTED}, not one dict: of a dict of columns, "
            "[dict(zip(d, row)) for row in zip(*d.values())] makes rows"
        )
    if isinstance(data, (str, bytes)) or not isinstance(data, Iterable):
        raise UsageError(f"{what} {_WANTED}, not {value_text(data)}")
    return [_row(one, index, what) for index, one in enumerate(data)]


def with_columns(
    data: Any, rows: Rows, is_kept: Sequence[bool], added: Rows, *, names: Sequence[str]
) -> Any:
    """A table like `data`, with columns added to the rows that are kept.

    Args:
        data: The table.
        rows: What `rows_of` made of it, maybe fewer: the rest is left out.
        is_kept: Which of `rows` the result has.
        added: What is added to each of those.
        names: The columns that are added; those of the same name are replaced.

    Returns:
        A table of the same library; a list of dicts for an iterable.
    """
    kind = _kind_of(data)
    if kind is not None:
        return kind.extend(data, is_kept, {name: [one[name] for one in added] for name in names})
    kept = itertools.compress(rows, is_kept)
    return [{**row, **more} for row, more in zip(kept, added, strict=True)]


def _refuse_doubles(columns: Sequence[Any], what: str) -> None:
    twice = next((name for name, count in Counter(columns).items() if count > 1), None)
    if twice is not None:
        raise UsageError(f"{what} {_WANTED}; this one has two columns called {twice!r}: rename one")


def _row(one: Any, index: int, what: str) -> Mapping[str, Any]:
    if isinstance(one, Mapping):
        return one
    if isinstance(one, tuple) and hasattr(one, "_asdict"):
        named: Mapping[str, Any] = one._asdict()
        return named
    if dataclasses.is_dataclass(one) and not isinstance(one, type):
        return {field.name: getattr(one, field.name) for field in dataclasses.fields(one)}
    raise UsageError(
        f"{what} {_WANTED}; item {index} is {value_text(one)}. "
        '[{"image": one} for one in pictures] makes rows of pictures'
    )


# --- the tables of libraries ---------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, slots=True)
class _Kind:
    """How a library's tables are read and extended.

    Attributes:
        columns: The names of a table's columns.
        rows: Its rows.
        extend: A table of the rows that are kept, with further columns.
    """

    columns: Callable[[Any], Sequence[Any]]
    rows: Callable[[Any], list[Mapping[str, Any]]]
    extend: Callable[[Any, Sequence[bool], Mapping[str, list[Any]]], Any]


def _rows_of_pandas(frame: Any) -> list[Mapping[str, Any]]:
    plain = frame.astype(object).where(frame.notna(), None)
    rows: list[Mapping[str, Any]] = plain.to_dict("records")
    return rows


def _extend_pandas(frame: Any, is_kept: Sequence[bool], added: Mapping[str, list[Any]]) -> Any:
    kept = frame.iloc[: len(is_kept)]
    kept = kept if all(is_kept) else kept[list(is_kept)]
    return kept.assign(**added)


def _extend_polars(frame: Any, is_kept: Sequence[bool], added: Mapping[str, list[Any]]) -> Any:
    polars = sys.modules["polars"]
    kept = frame.head(len(is_kept)).filter(polars.Series(is_kept, dtype=polars.Boolean))
    return kept.with_columns([polars.Series(name, values) for name, values in added.items()])


def _extend_arrow(table: Any, is_kept: Sequence[bool], added: Mapping[str, list[Any]]) -> Any:
    pyarrow = sys.modules["pyarrow"]
    kept = table.slice(0, len(is_kept)).filter(pyarrow.array(is_kept, pyarrow.bool_()))
    columns = dict(zip(kept.schema.names, kept.columns, strict=True))
    made = {name: pyarrow.array(values) for name, values in added.items()}
    return pyarrow.table({**columns, **made})


def _extend_dataset(dataset: Any, is_kept: Sequence[bool], added: Mapping[str, list[Any]]) -> Any:
    kept = dataset.select(list(itertools.compress(range(len(is_kept)), is_kept)))
    kept = kept.remove_columns([name for name in added if name in kept.column_names])
    for name, values in added.items():
        kept = kept.add_column(name, values)
    return kept


_PANDAS = _Kind(lambda frame: list(frame.columns), _rows_of_pandas, _extend_pandas)
_POLARS = _Kind(lambda frame: frame.columns, lambda frame: frame.to_dicts(), _extend_polars)
_ARROW = _Kind(lambda table: table.schema.names, lambda table: table.to_pylist(), _extend_arrow)
_DATASET = _Kind(lambda dataset: dataset.column_names, list, _extend_dataset)


def _kind_of(data: Any) -> _Kind | None:
    has = functools.partial(hasattr, type(data))  # not the table's own: some work those out
    if has("columns") and has("notna") and has("iloc"):
        return _PANDAS
    if has("columns") and has("to_dicts"):
        return _POLARS
    if has("schema") and has("to_pylist"):
        return _ARROW
    if has("features") and has("add_column") and has("__len__"):
        return _DATASET
    return None
