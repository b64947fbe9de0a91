"""Arrow tables of any types, by hypothesis."""

from __future__ import annotations

import datetime
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
DAYS = st.dates(datetime.date(1700, 1, 1), datetime.date(2200, 1, 1))
TIMES = st.builds(datetime.datetime.combine, DAYS, st.times())


def _whole(bits: int, *, signed: bool) -> st.SearchStrategy[int]:
    return (
        st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        if signed
        else st.integers(0, 2**bits - 1)
    )


def _flat() -> dict[Any, st.SearchStrategy[Any]]:
    kinds: dict[Any, st.SearchStrategy[Any]] = {
        pa.bool_(): st.booleans(),
        pa.float16(): st.floats(width=16),
        pa.float32(): st.floats(width=32),
        pa.float64(): st.floats(),
        pa.string(): WORDS,
        pa.large_string(): WORDS,
        pa.binary(): st.binary(max_size=8),
        pa.large_binary(): st.binary(max_size=8),
        pa.binary(4): st.binary(min_size=4, max_size=4),
        pa.decimal128(12, 3): st.decimals(-(10**8), 10**8, places=3),
        pa.decimal256(50, 2): st.decimals(-(10**20), 10**20, places=2),
        pa.date32(): DAYS,
        pa.time32("ms"): st.times().map(
            lambda t: t.replace(microsecond=t.microsecond // 1000 * 1000)
        ),
        pa.time64("us"): st.times(),
        pa.timestamp("ms"): TIMES.map(lambda t: t.replace(microsecond=0)),
        pa.timestamp("us"): TIMES,
        pa.timestamp("us", "UTC"): TIMES,
        pa.timestamp("ns"): _whole(62, signed=True),
        pa.duration("us"): st.timedeltas(datetime.timedelta(-999), datetime.timedelta(999)),
        pa.null(): st.none(),
    }
    for bits in (8, 16, 32, 64):
        kinds[getattr(pa, f"int{bits}")()] = _whole(bits, signed=True)
        kinds[getattr(pa, f"uint{bits}")()] = _whole(bits, signed=False)
    return kinds


_FLAT = _flat()
Scalar = tuple[Any, st.SearchStrategy[Any]]


def _nested(inner: st.SearchStrategy[Scalar]) -> st.SearchStrategy[Scalar]:
    def listed(kind: Scalar) -> Scalar:
        return pa.list_(kind[0]), st.lists(kind[1] | st.none(), max_size=3)

    def large(kind: Scalar) -> Scalar:
        return pa.large_list(kind[0]), st.lists(kind[1] | st.none(), max_size=3)

    def pair(kind: Scalar) -> Scalar:
        return pa.list_(kind[0], 2), st.lists(kind[1] | st.none(), min_size=2, max_size=2)

    def mapped(kind: Scalar) -> Scalar:
        entries = st.lists(st.tuples(WORDS, kind[1] | st.none()), max_size=2)
        return pa.map_(pa.string(), kind[0]), entries

    def struct(kinds: list[Scalar]) -> Scalar:
        names = [f"f{n}" for n in range(len(kinds))]
        values = {name: kind[1] | st.none() for name, kind in zip(names, kinds, strict=True)}
        fields = [(name, kind[0]) for name, kind in zip(names, kinds, strict=True)]
        return pa.struct(fields), st.fixed_dictionaries(values)

    structs = st.lists(inner, min_size=1, max_size=3).map(struct)
    lists = (inner.map(make) for make in (listed, large, pair, mapped))
    return st.one_of(structs, *lists)


KINDS = st.recursive(st.sampled_from(list(_FLAT.items())), _nested, max_leaves=4)
METADATA = st.none() | st.dictionaries(st.binary(min_size=1, max_size=5), st.binary(max_size=5))


@st.composite
def tables(draw: st.DrawFn, rows: int, *, for_parquet: bool) -> pa.Table:
    """A table of so many rows; for Parquet, of names that its paths can tell apart."""
    names = WORDS.filter(lambda name: name and "\0" not in name) if for_parquet else WORDS
    width = draw(st.integers(1, 5))
    fields, columns = [], []
    for name in draw(st.lists(names, min_size=width, max_size=width, unique=True)):
        kind, values = draw(KINDS)
        nullable = draw(st.booleans()) or pa.types.is_null(kind)
        cells = values | st.none() if nullable else values
        column = draw(st.lists(cells, min_size=rows, max_size=rows))
        fields.append(pa.field(name, kind, nullable=nullable, metadata=draw(METADATA)))
        columns.append(pa.array(column, kind))
    return pa.Table.from_arrays(columns, schema=pa.schema(fields, metadata=draw(METADATA)))
