"""No reader's time or memory grows faster than what it is given, whatever that is.

Each hostile input is made at one size and at twice that size. What is compared are counts that do
not depend on how busy the machine is: the calls of Python functions, and the peak of the memory
that Python allocates. To add one, register a function that writes the input of a size.
"""

from __future__ import annotations

import gzip
import io
import json
import sys
import tarfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataflow.core.errors import DataflowError, InputError
from dataflow.formats.base import read_limits
from dataflow.formats.registry import ReadOptions, open_reader, resolve_input

HOSTILE: dict[str, tuple[int, Callable[[Path, int], Path]]] = {}
"""Name → a size, and what writes the input of a size."""

MOST_GROWTH = 3.0  # for twice the size; what is quadratic grows by 4


def hostile(size: int) -> Callable[[Any], Any]:
    """Register a maker of hostile input."""

    def register(make: Any) -> Any:
        HOSTILE[make.__name__] = (size, make)
        return make

    return register


@hostile(5_000)
def csv_of_many_columns(folder: Path, size: int) -> Path:
    line = ",".join(f"c{n}" for n in range(size))
    (folder / "x.csv").write_text("\n".join([line] * 4) + "\n")
    return folder / "x.csv"


@hostile(20_000)
def csv_with_an_open_quote(folder: Path, size: int) -> Path:
    (folder / "x.csv").write_text('a,b\n1,"' + "x\n" * size)
    return folder / "x.csv"


@hostile(2_000)
def json_lines_of_many_fields(folder: Path, size: int) -> Path:
    line = json.dumps({f"c{n}": n for n in range(size)})
    (folder / "x.jsonl").write_text(f"{line}\n" * 3)
    return folder / "x.jsonl"


@hostile(200_000)
def json_lines_nested_deep(folder: Path, size: int) -> Path:
    (folder / "x.jsonl").write_text("[" * size + "\n")
    return folder / "x.jsonl"


@hostile(200_000)
def json_array_nested_deep(folder: Path, size: int) -> Path:
    (folder / "x.json").write_text('[{"a":' * size)
    return folder / "x.json"


@hostile(2_000)
def json_object_by_path(folder: Path, size: int) -> Path:
    (folder / "x.json").write_text(json.dumps({f"{n}.png": {"n": n} for n in range(size)}))
    return folder / "x.json"


@hostile(3_000_000)
def json_with_one_open_text(folder: Path, size: int) -> Path:
    (folder / "x.json").write_text('[{"a": "' + "x" * size)
    return folder / "x.json"


@hostile(1_000)
def tar_of_many_members(folder: Path, size: int) -> Path:
    with tarfile.open(folder / "x.tar", "w") as archive:
        for number in range(size):
            archive.addfile(tarfile.TarInfo(f"{number}.jpg"))
    return folder / "x.tar"


@hostile(500)
def tar_of_headers_in_a_row(folder: Path, size: int) -> Path:
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 4
    block = info.tobuf(tarfile.GNU_FORMAT) + b"a\0\0\0".ljust(512, b"\0")
    (folder / "x.tar").write_bytes(block * size)
    return folder / "x.tar"


@hostile(2_000)
def one_sample_of_many_members(folder: Path, size: int) -> Path:
    with tarfile.open(folder / "x.tar", "w") as archive:
        for number in range(size):
            archive.addfile(tarfile.TarInfo(f"a.x{number}"))
    return folder / "x.tar"


@hostile(1_000)
def parquet_of_many_columns(folder: Path, size: int) -> Path:
    pq.write_table(pa.table({f"c{n}": [1, 2] for n in range(size)}), folder / "x.parquet")
    return folder / "x.parquet"


@hostile(200)
def folder_of_masks(folder: Path, size: int) -> Path:
    (folder / "in").mkdir()
    for number in range(size):
        (folder / "in" / ("a" + "-mask" * (number % 20) + f"{number}_mask.png")).touch()
        (folder / "in" / f"{number}.png").touch()
    return folder / "in"


def read(path: Path) -> int:
    """Read all rows; a refusal is as good as reading."""
    try:
        options = ReadOptions(skip_bad_rows=True)
        return sum(len(row.fields) for row in resolve_input(path).open(options).rows())
    except DataflowError:
        return 0


def cost(path: Path) -> tuple[int, int]:
    """The calls of functions, Python's and C's, and the peak of memory in bytes."""
    calls = 0

    def count(frame: Any, event: str, argument: Any) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    read(path)  # imports are paid for
    sys.setprofile(count)
    try:
        read(path)
    finally:
        sys.setprofile(None)
    tracemalloc.start()
    try:
        read(path)
        return calls, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", HOSTILE)
def test_twice_the_input_takes_about_twice_the_work_and_memory(name, tmp_path):
    size, make = HOSTILE[name]
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    calls, memory = cost(make(tmp_path / "one", size))
    more_calls, more_memory = cost(make(tmp_path / "two", 2 * size))
    assert more_calls <= MOST_GROWTH * calls + 1_000
    assert more_memory <= MOST_GROWTH * memory + (1 << 20)


@pytest.mark.parametrize("ending", [".jsonl.gz", ".csv.gz", ".json.gz"])
def test_a_line_over_the_limit_never_lies_in_memory(ending, tmp_path, monkeypatch):
    monkeypatch.setattr(read_limits, "MAX_LINE", 1 << 20)
    monkeypatch.setattr(read_limits, "MAX_CELL", 1 << 20)
    before, after = {
        ".jsonl.gz": (b'{"a": "x"}\n{"a": "', b'"}\n{"a": "y"}\n'),
        ".csv.gz": (b"a\nx\n", b"\ny\n"),
        ".json.gz": (b'[{"a": "x"}, {"a": "', b'"}, {"a": "y"}]'),
    }[ending]
    path = tmp_path / f"bomb{ending}"
    with gzip.open(path, "wb", 1) as file:
        file.write(before)
        for _ in range(64):
            file.write(b"A" * (1 << 20))
        file.write(after)
    reader = open_reader(path, skip_bad_rows=True)
    tracemalloc.start()
    rows, error = [], None
    try:
        rows += [dict(row.fields) for row in reader.rows()]
    except InputError as found:
        error = found
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 24 << 20
    if ending == ".json.gz":  # where the next element begins cannot be known
        assert "longer than 1 MiB" in str(error)
    else:
        assert rows == [{"a": "x"}, {"a": "y"}]
        assert "longer than 1 MiB" in reader.skipped.listed[0].message


@pytest.mark.parametrize("size", [-512, -1, 1 << 40, (1 << 63) - 1])
@pytest.mark.parametrize("kind", [tarfile.REGTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE])
def test_a_member_or_header_of_impossible_size_is_an_error_at_once(size, kind, tmp_path):
    info = tarfile.TarInfo("1.jpg")
    info.type = kind
    data = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    data[124:136] = (b"\xff" if size < 0 else b"\x80") + size.to_bytes(11, "big", signed=size < 0)
    data[148:156] = b" " * 8
    data[148:156] = b"%06o\0 " % sum(data)
    first = io.BytesIO()
    with tarfile.open(fileobj=first, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("0.jpg"))
    path = tmp_path / "x.tar"
    path.write_bytes(first.getvalue()[:512] + bytes(data) + b"\0" * 10_240)
    with pytest.raises(InputError, match=r"damaged|cut short|longer than"):
        list(open_reader(path).rows())


@pytest.mark.parametrize("shape", ["text", "list", "struct"])
def test_a_small_dictionary_that_stands_for_gigabytes_comes_in_small_batches(shape, tmp_path):
    rows, text = 4_000, "A" * (1 << 18)
    values = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array([text]))
    column: Any = values
    if shape == "list":
        column = pa.ListArray.from_arrays(pa.array(range(rows + 1), pa.int32()), values)
    if shape == "struct":
        column = pa.StructArray.from_arrays([values], ["a"])
    path = tmp_path / "d.parquet"
    pq.write_table(
        pa.table({"x": column}), path, compression="zstd", store_schema=False,
        dictionary_pagesize_limit=1 << 26,
    )  # fmt: skip
    before = pa.total_allocated_bytes()
    reader, most = open_reader(path), 0
    for _, _row in zip(range(200), reader.rows(), strict=False):
        most = max(most, pa.total_allocated_bytes() - before)
    assert path.stat().st_size < 100_000
    assert most < 8 * read_limits.MAX_BATCH


def test_ordinary_nested_rows_still_come_in_large_batches(tmp_path):
    turns = [[{"from": "human", "value": f"v{n}"}, {"from": "gpt", "value": "x" * n}]
             for n in range(2_000)]  # fmt: skip
    pq.write_table(pa.table({"conversations": turns}), tmp_path / "x.parquet")
    reader = open_reader(tmp_path / "x.parquet")
    batches = {id(row.raw.batch) for row in list(reader.rows())}
    assert len(batches) <= 10
