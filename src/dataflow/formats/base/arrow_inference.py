"""Rows without an Arrow type of their own (JSON, CSV, dicts) → Arrow tables.

The types are inferred from all rows of the dataset, in chunks: whole numbers become int64 (double
where fractions occur too), text string, true and false bool, objects structs, arrays lists; a
column of nulls gets Arrow's null type. A column whose rows do not agree is an error that names a
row, and so is a number of JSON that is larger than any double (1e400): Python makes infinity of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from dataflow.core.errors import OutputError
from dataflow.core.raw_json import RawJson
from dataflow.core.row import Row
from dataflow.formats.base.json_values import utf8_safe

CHUNK_ROWS = 512
CHUNK_BYTES = 8 << 20  # roughly, of text and bytes at the rows' top level


def infer_schema(rows: Iterable[Row]) -> Any:
    """The `pyarrow.Schema` that holds every row of `rows`; takes them in constant memory.

    Raises:
        OutputError: the rows do not agree on the type of a column.
    """
    import pyarrow as pa

    schema = pa.schema([])
    for chunk in chunks(rows):
        schema = widened(schema, chunk)
    return schema


def with_strings(schema: Any, names: Iterable[str]) -> Any:
    """`schema` with a column of strings for each of `names` that it lacks."""
    import pyarrow as pa

    for name in names:
        if name not in schema.names:
            schema = schema.append(pa.field(name, pa.string()))
    return schema


def widened(schema: Any, rows: Sequence[Row]) -> Any:
    """`schema`, made wide enough for `rows` too.

    Raises:
        OutputError: the rows do not agree on the type of a column, or a number has no place in it.
    """
    import pyarrow as pa

    names = dict.fromkeys(name for row in rows for name in row.fields)
    for name in names:
        old = [schema.field(name)] if name in schema.names else []
        try:
            found = pa.field(name, _column(name, rows, None).type)
            field = _unified([*old, found])
        except _errors():
            raise _misfit(name, rows, old) from None
        index = schema.get_field_index(name)
        schema = schema.append(field) if index < 0 else schema.set(index, field)
    return schema


def to_table(rows: Sequence[Row], schema: Any) -> Any:
    """The `pyarrow.Table` of `rows`; a missing value is null.

    Raises:
        OutputError: a value does not fit; the message names its row and column.
    """
    import pyarrow as pa

    known = set(schema.names)
    for row in rows:
        for name in row.fields:
            if name not in known:
                raise OutputError(
                    f"{row.source}: no column {name!r} was expected; write .jsonl where rows have "
                    "different columns"
                )
    columns = []
    for field in schema:
        try:
            column = _column(field.name, rows, field.type)
        except _errors() as error:
            raise _unfit(field, rows) from error
        columns.append(column)
    return pa.Table.from_arrays(columns, schema=schema)


def cast(batch: Any, schema: Any) -> Any:
    """The `pyarrow.RecordBatch` `batch` in the types of `schema`, missing columns as nulls.

    Returns:
        None where it has a column more, or a value that does not fit.
    """
    import pyarrow as pa

    if not set(batch.schema.names) <= set(schema.names):
        return None
    try:
        columns = [
            batch.column(field.name).cast(field.type)
            if field.name in batch.schema.names
            else pa.nulls(batch.num_rows, field.type)
            for field in schema
        ]
    except pa.ArrowException:
        return None
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def chunks(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """`rows` in lists that are short enough to be held in memory."""
    chunk: list[Row] = []
    size = 0
    for row in rows:
        chunk.append(row)
        size += weight(row)
        if len(chunk) >= CHUNK_ROWS or size >= CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def weight(row: Row) -> int:
    """About how many bytes `row` takes: its JSON, or its text and bytes, one level deep."""
    if isinstance(row.raw, bytes):
        return len(row.raw)
    total = 0
    for value in row.fields.values():
        inner = value.values() if isinstance(value, dict) else (value,)
        total += sum(len(item) for item in inner if isinstance(item, (str, bytes)))
    return total


def _errors() -> tuple[type[Exception], ...]:
    import pyarrow as pa

    return (pa.ArrowException, TypeError, ValueError, OverflowError)


def _column(name: str, rows: Sequence[Row], kind: Any) -> Any:
    """The values of one column as a `pyarrow.Array`, of `kind` or of what they are."""
    array = _array([row.fields.get(name) for row in rows], kind)
    if _has_infinity(array):
        _refuse_too_large(name, rows)
    return array


def _has_infinity(array: Any) -> bool:
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = array.type
    if pa.types.is_float64(kind):
        return bool(pc.any(pc.is_inf(array)).as_py())
    if pa.types.is_struct(kind):
        return any(map(_has_infinity, array.flatten()))
    return pa.types.is_list(kind) and _has_infinity(array.flatten())


def _refuse_too_large(name: str, rows: Sequence[Row]) -> None:
    """Stop at the first infinity that was a number in JSON; one that is meant stays."""
    from dataflow.formats.base.json_rows import exact, too_large  # with orjson, which not all need

    for row in rows:
        value = exact(row).get(name)
        number = too_large(value) if isinstance(value, RawJson) else None
        if number is not None:
            raise OutputError(
                f"{row.source}: the number {number} in column {name!r} is larger than any double, "
                "and Parquet and Arrow have no type for it; write .jsonl, which keeps its digits, "
                "or leave the column out by --drop"
            )


def _array(values: Sequence[Any], kind: Any) -> Any:
    import pyarrow as pa

    try:
        return pa.array(values, type=kind)
    except UnicodeEncodeError:
        return pa.array([_utf8_safe(value) for value in values], type=kind)


def _utf8_safe(value: Any) -> Any:
    if isinstance(value, str):
        return utf8_safe(value)
    if isinstance(value, dict):
        return {_utf8_safe(key): _utf8_safe(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_utf8_safe(item) for item in value]
    return value


def _unified(fields: Sequence[Any]) -> Any:
    import pyarrow as pa

    schemas = [pa.schema([field]) for field in fields]
    return pa.unify_schemas(schemas, promote_options="permissive").field(0)


def _misfit(name: str, rows: Sequence[Row], old: Sequence[Any]) -> OutputError:
    """The error that names the first of `rows` that does not agree with those before it."""
    known = list(old)

    def widen(row: Row) -> None:
        import pyarrow as pa

        found = pa.field(name, _array([row.fields.get(name)], None).type)
        known[:] = [_unified([*known, found])]

    return _blame(name, rows, widen, lambda: known[0].type if known else None)


def _unfit(field: Any, rows: Sequence[Row]) -> OutputError:
    """The error that names the first of `rows` whose value does not fit `field`."""

    def fit(row: Row) -> None:
        _array([row.fields.get(field.name)], field.type)

    return _blame(field.name, rows, fit, lambda: field.type)


def _blame(
    name: str, rows: Sequence[Row], attempt: Callable[[Row], None], kind: Callable[[], Any]
) -> OutputError:
    failures = ((row, _failure(attempt, row)) for row in rows)
    row, reason = next((pair for pair in failures if pair[1]), (rows[0], None))
    so_far = kind()
    return OutputError(
        f"{row.source}: the value of column {name!r} does not go into one Arrow type with the "
        "other rows'"
        + ("" if so_far is None else f"; the column is {so_far} so far")
        + ("" if reason is None else f" ({reason})")
        + "; write .jsonl, which needs no types"
    )


def _failure(attempt: Callable[[Row], None], row: Row) -> Exception | None:
    try:
        attempt(row)
    except _errors() as error:
        return error
    return None
