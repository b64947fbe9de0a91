"""Rows of every shape through every format and back: which untouched fields differ?

    python -m tests.formats.roundtrip --rows 10000

Schemas and values are made by hypothesis. Each dataset is written by another hand than ours, goes
through our reader and our writer, which adds a caption, and is read by another hand again. Fields
are compared as bytes (text) or as Arrow scalars.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.formats.arrow_values import tables
from tests.formats.roundtrip_sets import coco, pickled, webdataset
from tests.formats.roundtrip_text import (
    ROWS_EACH,
    FoundCaption,
    json_array,
    json_lines,
    table,
    through,
)

# --- Arrow ----------------------------------------------------------------------------------------


def _read(path: Path) -> pa.Table:
    if path.suffix == ".parquet":
        return pq.read_table(path)
    is_file = path.read_bytes().startswith(b"ARROW1")
    return (pa.ipc.open_file if is_file else pa.ipc.open_stream)(path).read_all()


def _save(path: Path, table: pa.Table) -> None:
    if path.suffix == ".parquet":
        pq.write_table(table, path, row_group_size=7, compression="ZSTD")
        return
    new = pa.ipc.new_stream if path.suffix == ".arrows" else pa.ipc.new_file
    with new(path, table.schema) as writer:
        writer.write_table(table, max_chunksize=7)


def _exact(scalar: Any) -> bytes:
    """An Arrow scalar's very bits: NaN is equal to itself, and -0.0 is not 0.0."""
    batch = pa.record_batch([pa.array([scalar.as_py()], scalar.type)], names=["x"])
    return batch.serialize().to_pybytes()


def _compare(found: FoundCaption, before: pa.Table, after: pa.Table) -> None:
    found.compare(before.schema.metadata, after.schema.metadata)
    for place, schema in enumerate(before.schema):
        found.compare(
            (schema, schema.metadata), (after.schema[place], after.schema[place].metadata)
        )
        for one, other in zip(before.column(place), after.column(place), strict=True):
            found.fields += 1
            if not one.equals(other) and _exact(one) != _exact(other):
                found.differences.append((one, other))


def _arrow(ending: str) -> Callable[[FoundCaption, Path, st.DataObject], None]:
    def check(found: FoundCaption, folder: Path, data: st.DataObject) -> None:
        source, output = folder / f"in{ending}", folder / f"out{ending}"
        _save(source, data.draw(tables(ROWS_EACH, for_parquet=ending == ".parquet")))
        through(source, output)
        _compare(found, _read(source), _read(output))

    return check


def _in_two(data: st.DataObject, folder: Path, ending: str) -> pa.Table:
    """A table in two files of `folder`; returns what another hand reads of both."""
    folder.mkdir()
    whole = data.draw(tables(ROWS_EACH, for_parquet=ending == ".parquet"))
    first = data.draw(st.integers(0, ROWS_EACH))
    parts = [folder / f"{name}{ending}" for name in "ab"]
    for part, rows in zip(parts, (whole.slice(0, first), whole.slice(first)), strict=True):
        _save(part, rows)
    return pa.concat_tables(map(_read, parts))


def parquet_files(found: FoundCaption, folder: Path, data: st.DataObject) -> None:
    """Two Parquet files as one dataset."""
    before = _in_two(data, folder / "in", ".parquet")
    through(folder / "in" / "*.parquet", folder / "out.parquet")
    _compare(found, before, _read(folder / "out.parquet"))


def saved(found: FoundCaption, folder: Path, data: st.DataObject) -> None:
    """A folder of two streams, as Hugging Face's datasets saves it."""
    before = _in_two(data, folder / "in", ".arrows")
    files = [{"filename": f"{name}.arrows"} for name in "ab"]
    (folder / "in" / "state.json").write_text(json.dumps({"_data_files": files}))
    (folder / "in" / "dataset_info.json").write_text("{}")
    through(folder / "in", folder / "out", format_name="saved")
    [name] = (file.name for file in (folder / "out").glob("*.arrow"))
    _compare(found, before, _read(folder / "out" / name))


CHECKS: dict[str, Callable[[FoundCaption, Path, st.DataObject], None]] = {
    "json": json_array,
    "jsonl": json_lines,
    "csv": table(",", ".csv"),
    "tsv": table("\t", ".tsv"),
    "parquet": _arrow(".parquet"),
    "arrow": _arrow(".arrow"),
    "arrows": _arrow(".arrows"),
    "feather": _arrow(".feather"),
    "parquets": parquet_files,
    "saved": saved,
    "webdataset": webdataset,
    "coco": coco,
    "pickle": pickled,
}
"""Format → what sends rows through it and compares them."""


def compare(name: str, rows: int) -> FoundCaption:
    """Send at least `rows` rows through the format `name`."""
    found = FoundCaption()
    check = CHECKS[name]

    @settings(
        max_examples=-(-rows // ROWS_EACH),
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(data=st.data())
    def one(data: st.DataObject) -> None:
        with tempfile.TemporaryDirectory(prefix="dataflow-roundtrip-") as folder:
            check(found, Path(folder), data)
        found.rows += ROWS_EACH

    while found.rows < rows:
        one()
    return found


def main() -> int:
    """Run as the arguments say; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("formats", nargs="*", default=list(CHECKS), metavar="FORMAT")
    options = parser.parse_args()
    status = 0
    for name in options.formats:
        found = compare(name, options.rows)
        differences = len(found.differences)
        print(
            f"{name:10} {found.rows:>7,} rows {found.fields:>9,} fields {differences} differences"
        )
        for before, after in found.differences[:5]:
            print(f"           {before!r:.200} → {after!r:.200}")
        status = status or bool(differences)
    return status


if __name__ == "__main__":
    sys.exit(main())
