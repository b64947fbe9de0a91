"""SQLite as every file of ours uses it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dataflow.core.database.sqlite import chunks, connect, select_in


@given(st.lists(st.integers(), max_size=50), st.integers(1, 7))
def test_chunks_hold_every_value_once_in_order(values, size):
    found = list(chunks(values, size))
    assert [value for chunk in found for value in chunk] == values
    assert all(0 < len(chunk) <= size for chunk in found)


@given(st.sets(st.binary(min_size=1, max_size=3), max_size=2000))
def test_any_number_of_keys_is_looked_up(keys):
    db = connect(":memory:")
    db.execute("CREATE TABLE t (key BLOB PRIMARY KEY, n INTEGER)")
    db.executemany("INSERT INTO t VALUES (?, 1)", [(key,) for key in keys])
    found = select_in(db, "SELECT key FROM t WHERE key IN (*) AND n = ?", [*keys, b"none"], 1)
    assert {key for (key,) in found} == keys
    db.close()


def test_a_text_that_is_not_utf_8_does_not_stop_the_others_from_being_read():
    db = connect(":memory:")
    rows = db.execute("SELECT CAST(x'ff41' AS TEXT) UNION ALL SELECT 'b'").fetchall()
    assert rows == [("�A",), ("b",)]
    db.close()
