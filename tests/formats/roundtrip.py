"""Rows of every shape through every format and back: which untouched fields differ?

    python -m tests.formats.roundtrip --rows 10000

Schemas and values are made by hypothesis. Each dataset is written by another hand than ours, goes
through our reader and our writer, which adds a caption, and is read by another hand again. Fields
are compared as bytes (text) or as Arrow scalars.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from dataflow.formats.registry import open_reader, writer_for
from tests.formats.arrow_values import tables
from tests.formats.test_csv import TEXT
from tests.formats.test_json import LAYOUTS, NASTY, OBJECTS

ROWS_EACH = 20
CAPTION = 'a caption, with "quotes"\nand é \u2028'


@dataclass
class Found:
    """What the comparison found.

    Attributes:
        rows: That went through.
        fields: That were compared.
        differences: Those that differ: source and outcome.
    """

    rows: int = 0
    fields: int = 0
    differences: list[tuple[Any, Any]] = field(default_factory=list)

    def compare(self, before: Any, after: Any) -> None:
        """Compare one field."""
        self.fields += 1
        if before != after:
            self.differences.append((before, after))


def through(source: Path, output: Path) -> None:
    """Send a dataset through reader and writer, as a run does."""
    reader = open_reader(source)
    writer = writer_for(output, reader, ["a caption"])(output)
    for row in reader.rows():
        writer.write(row, {"a caption": CAPTION})
    writer.close()


# --- JSON -----------------------------------------------------------------------------------------


@st.composite
def _objects(draw: st.DrawFn) -> str:
    layout = draw(LAYOUTS)
    made = OBJECTS.map(lambda item: json.dumps(item, ensure_ascii=bool(len(item) % 2), **layout))
    text = draw(st.one_of(made, made, made, st.sampled_from(NASTY)))
    return text.encode("utf-8", "replace").decode()  # a half surrogate only where it is escaped


def _members(text: str) -> list[tuple[str, str]]:
    """Each member's name and value, with numbers and their like as they are written."""
    pairs = json.loads(
        text, object_pairs_hook=list, parse_float=str, parse_int=str, parse_constant=str
    )
    return [(name, repr(value)) for name, value in pairs]


def _compare_objects(found: Found, before: str, after: str) -> None:
    kept = before[:-1].rstrip()
    names = [name for name, _ in _members(before)]
    if after.startswith(kept):  # every byte of every field
        found.fields += len(names)
        assert _members(after)[len(names) :] == [("a caption", repr(CAPTION))]
        return
    for one, other in zip(_members(before), _members(after), strict=False):
        found.compare(one, other)
    found.compare(kept, after[: len(kept)])


def json_lines(found: Found, folder: Path, data: st.DataObject) -> None:
    """JSON Lines, compressed every second time."""
    _lines(found, folder, data, ".jsonl" if found.rows // ROWS_EACH % 2 else ".jsonl.gz")


def _lines(found: Found, folder: Path, data: st.DataObject, ending: str) -> None:
    flat = _objects().map(lambda text: text.replace("\n", " ").replace("\r", " "))
    rows = data.draw(st.lists(flat, min_size=ROWS_EACH, max_size=ROWS_EACH))
    source, output = folder / f"in{ending}", folder / f"out{ending}"
    packed = ending.endswith(".gz")
    content = "".join(text + "\n" for text in rows).encode()
    source.write_bytes(gzip.compress(content) if packed else content)
    through(source, output)
    written = gzip.decompress(output.read_bytes()) if packed else output.read_bytes()
    for before, after in zip(rows, written.decode().split("\n")[:-1], strict=True):
        _compare_objects(found, before, after)


def json_array(found: Found, folder: Path, data: st.DataObject) -> None:
    """One array, in any layout."""
    rows = data.draw(st.lists(_objects(), min_size=ROWS_EACH, max_size=ROWS_EACH))
    between = data.draw(st.sampled_from([",", " ,\n", ",\r\n\t"]))
    source, output = folder / "in.json", folder / "out.json"
    source.write_bytes(f"[{between.join(rows)} ]".encode())
    through(source, output)
    text = output.read_bytes().decode()
    decoder, at = json.JSONDecoder(parse_int=str), text.index("[") + 1
    for before in rows:
        at = text.index("{", at)
        end = (
            decoder.raw_decode(text, at)[1] if "9" * 4999 not in before else text.index("}", at) + 1
        )
        _compare_objects(found, before, text[at:end])
        at = end


# --- tables ---------------------------------------------------------------------------------------


def _table(delimiter: str, ending: str) -> Callable[[Found, Path, st.DataObject], None]:
    def check(found: Found, folder: Path, data: st.DataObject) -> None:
        width = data.draw(st.integers(1, 5))
        header = data.draw(st.lists(TEXT, min_size=width, max_size=width, unique=True))
        cells = TEXT | st.sampled_from(["00123", "1.10", "1e400", str(2**70), "e\u0301", "é"])
        row = st.lists(cells, min_size=width, max_size=width)
        rows = data.draw(st.lists(row, min_size=ROWS_EACH, max_size=ROWS_EACH))
        source, output = folder / f"in{ending}", folder / f"out{ending}"
        with open(source, "w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, delimiter=delimiter, quoting=csv.QUOTE_ALL)
            writer.writerows([header, *rows])
        through(source, output)
        text = io.StringIO(output.read_bytes().decode(), newline="")
        written = list(csv.reader(text, delimiter=delimiter, strict=True))
        for before, after in zip([header, *rows], written, strict=True):
            for one, other in zip(before, after, strict=False):
                found.compare(one.encode(), other.encode())

    return check


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


def _arrow(ending: str) -> Callable[[Found, Path, st.DataObject], None]:
    def check(found: Found, folder: Path, data: st.DataObject) -> None:
        source, output = folder / f"in{ending}", folder / f"out{ending}"
        _save(source, data.draw(tables(ROWS_EACH, for_parquet=ending == ".parquet")))
        before = _read(source)
        through(source, output)
        after = _read(output)
        found.compare(before.schema.metadata, after.schema.metadata)
        for place, schema in enumerate(before.schema):
            found.compare(
                (schema, schema.metadata), (after.schema[place], after.schema[place].metadata)
            )
            for one, other in zip(before.column(place), after.column(place), strict=True):
                found.fields += 1
                if not one.equals(other) and _exact(one) != _exact(other):
                    found.differences.append((one, other))

    return check


CHECKS: dict[str, Callable[[Found, Path, st.DataObject], None]] = {
    "json": json_array,
    "jsonl": json_lines,
    "csv": _table(",", ".csv"),
    "tsv": _table("\t", ".tsv"),
    "parquet": _arrow(".parquet"),
    "arrow": _arrow(".arrow"),
    "arrows": _arrow(".arrows"),
    "feather": _arrow(".feather"),
}
"""Format → what sends rows through it and compares them."""


def compare(name: str, rows: int) -> Found:
    """Send at least `rows` rows through the format `name`."""
    found = Found()
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
        print(f"{name:8} {found.rows:>7,} rows {found.fields:>9,} fields {differences} differences")
        for before, after in found.differences[:5]:
            print(f"         {before!r:.200} → {after!r:.200}")
        status = status or bool(differences)
    return status


if __name__ == "__main__":
    sys.exit(main())
