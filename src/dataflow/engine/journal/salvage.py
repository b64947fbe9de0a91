"""What can still be read of a damaged journal, page by page.

SQLite gives up a table where it meets a damaged page. Here each page is read by itself, in the
database and in its write-ahead log (https://sqlite.org/fileformat2.html, sections 1.6, 2.1 and
4.1). Every record has a checksum of ours, so nothing that is damaged is taken for an answer.
"""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from dataflow.core.database.sqlite import marks
from dataflow.engine.journal.decisions import DECISION_COLUMNS
from dataflow.engine.journal.records import ATTEMPT_COLUMNS, RESULT_COLUMNS, checksum

Page: TypeAlias = "tuple[int, bytes]"
"""A page's number, from 1, and its bytes."""

_LEAF_INDEX, _INNER_INDEX, _LEAF_TABLE = 0x0A, 0x02, 0x0D
_FRAME_HEADER, _LOG_HEADER = 24, 32
_DEFAULT_PAGE = 4096
_LONGEST_CHAIN = 1 << 18  # overflow pages of one record: 1 GB of 4 KB each
_INTEGER_SIZES = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}


def salvage(damaged: Path, db: sqlite3.Connection) -> int:
    """Put what can be read of the journal `damaged` into the empty journal `db`.

    Returns:
        How many results there are in it now.

    Raises:
        OSError: the file cannot be read.
        sqlite3.Error: `db` cannot be written.
    """
    results = len(RESULT_COLUMNS.split(","))
    attempts = len(ATTEMPT_COLUMNS.split(","))
    decisions = len(DECISION_COLUMNS.split(","))
    db.execute("CREATE TEMP TABLE newest (key BLOB PRIMARY KEY, committed_at REAL) WITHOUT ROWID")
    for values in _records(damaged):
        if len(values) == results + 3 and _is_sound(values, results):
            _put_result(db, values)
        elif len(values) == attempts + 3 and _is_sound(values, attempts):
            _insert(db, "attempts", f"{ATTEMPT_COLUMNS}, checksum, run, committed_at", values)
        elif len(values) == decisions + 2 and _is_sound(values[1:], decisions):
            _insert(db, "decisions", f"{DECISION_COLUMNS}, checksum", values[1:])
    db.execute("DROP TABLE newest")
    db.commit()
    _copy_readable(damaged, db, ("runs", "batches", "batch_requests", "adaptations"))
    return int(db.execute("SELECT count(*) FROM results").fetchone()[0])


def _is_sound(values: Sequence[Any], count: int) -> bool:
    return bool(values[count] == checksum(values[:count]))


def _put_result(db: sqlite3.Connection, values: Sequence[Any]) -> None:
    """Keep the newest of several results of one key: free pages hold former ones."""
    when = values[-1] if isinstance(values[-1], (int, float)) else 0.0
    newest = db.execute(
        "INSERT INTO newest VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET "
        "committed_at = excluded.committed_at WHERE excluded.committed_at >= committed_at",
        (values[0], when),
    )
    if newest.rowcount:
        _insert(db, "results", f"{RESULT_COLUMNS}, checksum, run, committed_at", values)


def _insert(db: sqlite3.Connection, table: str, columns: str, values: Sequence[Any]) -> None:
    db.execute(
        f"INSERT OR REPLACE INTO {table} ({columns}) VALUES ({marks(len(values))})",  # noqa: S608
        values,
    )


def _copy_readable(damaged: Path, db: sqlite3.Connection, tables: Sequence[str]) -> None:
    """Copy small tables as far as SQLite itself can still read them."""
    try:
        source = sqlite3.connect(f"{damaged.absolute().as_uri()}?immutable=1", uri=True)
    except sqlite3.Error:
        return
    try:
        for table in tables:
            _copy_rows(source, db, table)
    finally:
        source.close()


def _copy_rows(source: sqlite3.Connection, db: sqlite3.Connection, table: str) -> None:
    try:
        for values in source.execute(f"SELECT * FROM {table}"):  # noqa: S608
            db.execute(f"INSERT OR REPLACE INTO {table} VALUES ({marks(len(values))})", values)  # noqa: S608
    except (sqlite3.Error, UnicodeDecodeError):
        pass  # the rest of the table cannot be read
    db.commit()


def _records(path: Path) -> Iterator[list[Any]]:
    """The records in every page that is a leaf, or an inner page of a table without rowid."""
    data = path.read_bytes()
    log_path = path.with_name(path.name + "-wal")
    log = log_path.read_bytes() if log_path.exists() else b""
    size, reserved = _page_size(data, log)
    pages = [*_pages(data, size), *_frames(log, size)]
    newest = dict(pages)
    for number, page in pages:
        for payload in _payloads(page, number, size - reserved, newest):
            values = _values(payload)
            if values is not None:
                yield values


def _page_size(data: bytes, log: bytes) -> tuple[int, int]:
    found = int.from_bytes(data[16:18], "big")
    found = 65536 if found == 1 else found
    logged = int.from_bytes(log[8:12], "big")
    for size in (found, logged):
        if 512 <= size <= 65536 and size & (size - 1) == 0:
            return size, data[20] if len(data) > 20 and data[20] < 64 else 0
    return _DEFAULT_PAGE, 0


def _pages(data: bytes, size: int) -> Iterator[Page]:
    for number, start in enumerate(range(0, len(data), size), 1):
        yield number, data[start : start + size]


def _frames(log: bytes, size: int) -> Iterator[Page]:
    for start in range(_LOG_HEADER, len(log), _FRAME_HEADER + size):
        frame = log[start : start + _FRAME_HEADER + size]
        if len(frame) == _FRAME_HEADER + size:
            yield int.from_bytes(frame[:4], "big"), frame[_FRAME_HEADER:]


def _payloads(page: bytes, number: int, usable: int, pages: dict[int, bytes]) -> Iterator[bytes]:
    start = 100 if number == 1 else 0
    if len(page) < start + 12:
        return
    kind = page[start]
    if kind not in (_LEAF_INDEX, _INNER_INDEX, _LEAF_TABLE):
        return
    count = int.from_bytes(page[start + 3 : start + 5], "big")
    first = start + (12 if kind == _INNER_INDEX else 8)
    for at in range(first, min(first + 2 * count, len(page) - 1), 2):
        cell = int.from_bytes(page[at : at + 2], "big")
        payload = _payload(page, cell + 4 * (kind == _INNER_INDEX), kind, usable, pages)
        if payload is not None:
            yield payload


def _payload(page: bytes, at: int, kind: int, usable: int, pages: dict[int, bytes]) -> bytes | None:
    size, at = _varint(page, at)
    if kind == _LEAF_TABLE:
        _, at = _varint(page, at)  # the rowid
    most = usable - 35 if kind == _LEAF_TABLE else (usable - 12) * 64 // 255 - 23
    if size <= most:
        return page[at : at + size] if at + size <= len(page) else None
    least = (usable - 12) * 32 // 255 - 23
    local = least + (size - least) % (usable - 4)
    local = least if local > most else local
    return _overflowing(page, at, size, local, usable, pages)


def _overflowing(
    page: bytes, at: int, size: int, local: int, usable: int, pages: dict[int, bytes]
) -> bytes | None:
    """A payload whose rest lies in a chain of overflow pages."""
    found = [page[at : at + local]]
    following = int.from_bytes(page[at + local : at + local + 4], "big")
    left = size - local
    for _ in range(_LONGEST_CHAIN):
        if left <= 0:
            return b"".join(found)
        more = pages.get(following)
        if more is None:
            return None
        found.append(more[4 : 4 + min(left, usable - 4)])
        left -= usable - 4
        following = int.from_bytes(more[:4], "big")
    return None


def _values(record: bytes) -> list[Any] | None:
    """The values of a record; None where it is none (section 2.1 of the format)."""
    size, at = _varint(record, 0)
    if not 0 < size <= len(record) or size > 1000:
        return None
    kinds = []
    while at < size:
        kind, at = _varint(record, at)
        kinds.append(kind)
    values, at = [], size
    for kind in kinds:
        value, at = _value(record, at, kind)
        values.append(value)
    return values if at == len(record) else None


def _value(record: bytes, at: int, kind: int) -> tuple[Any, int]:
    if kind in (8, 9):
        return kind - 8, at
    if kind == 7:
        raw = record[at : at + 8]
        return (struct.unpack(">d", raw)[0] if len(raw) == 8 else None), at + 8
    if kind in _INTEGER_SIZES:
        end = at + _INTEGER_SIZES[kind]
        return int.from_bytes(record[at:end], "big", signed=True), end
    if kind < 12:
        return None, at
    end = at + (kind - 12) // 2
    raw = record[at:end]
    return (raw.decode("utf-8", "replace") if kind % 2 else raw), end


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A number of one to nine bytes, and where it ends."""
    value = 0
    for count, byte in enumerate(data[at : at + 9]):
        if count == 8:
            return value << 8 | byte, at + 9
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, at + count + 1
    return 0, len(data)
