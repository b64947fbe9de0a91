"""A journal damaged in any way: the run goes on, and no caption is ever wrong."""

from __future__ import annotations

import asyncio
import functools
import shutil
import tempfile
from pathlib import Path

from hypothesis import strategies as st

from dataflow.engine.journal.journal import Journal
from dataflow.engine.journal.records import ResultRecord
from tests.fuzz.mutate import mutated

COUNT = 120
FILES = ("j", "j-wal")


def key(number: int) -> bytes:
    return (number * 0x9E3779B97F4A7C15 % 2**128).to_bytes(16, "big")


def caption(number: int) -> str:
    return f"The caption of number {number}. " + "é" * (number % 50) + "x" * (number % 7 * 100)


async def _put(journal: Journal) -> None:
    for start in range(0, COUNT, 20):
        await asyncio.gather(
            *(
                journal.put(ResultRecord(key(n), caption(n), is_final=True))
                for n in range(start, start + 20)
            )
        )


@functools.cache
def seeds() -> dict[str, list[tuple[bytes, bytes]]]:
    """The two files of a journal that was closed, and of one whose process died."""
    with tempfile.TemporaryDirectory(prefix="dataflow-fuzz-") as folder:
        path = Path(folder, "j")
        journal = Journal(path)
        asyncio.run(_put(journal))
        journal.plan([(n, 0, key(n)) for n in range(COUNT)])
        died = (path.read_bytes(), Path(folder, "j-wal").read_bytes())
        journal.close()
        return {"closed": [(path.read_bytes(), b"")], "died": [died]}


@st.composite
def inputs(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """The bytes of the database and of its write-ahead log (none: it is not there)."""
    (main, log) = draw(st.sampled_from([pair for pairs in seeds().values() for pair in pairs]))
    words = (b"SQLite format 3\x00", b"\x0d", b"\x05", b"\x0a", b"DFJL", b"caption", key(3), key(4))
    which = draw(st.integers(0, 3))
    if which in (0, 2):
        main = draw(mutated([main, b""], words, 4))
    if which in (1, 2) and log:
        log = draw(mutated([log, b""], words, 4))
    if which == 3:
        main = draw(st.binary(max_size=200))
    return main, log


def check(given: tuple[bytes, bytes]) -> None:
    """It opens (set aside where it cannot be trusted) and works; what it knows is right."""
    folder = Path(tempfile.mkdtemp(prefix="dataflow-fuzz-"))
    try:
        for name, data in zip(FILES, given, strict=True):
            if data or name == "j":
                (folder / name).write_bytes(data)
        _use(folder / "j")
        aside = list(folder.glob("j.2*"))  # set aside as a whole
        if aside and not given[1]:
            assert given[0] in [path.read_bytes() for path in aside]
    finally:
        shutil.rmtree(folder)


def _use(path: Path) -> None:
    numbers = {key(n): n for n in range(COUNT)}
    journal = Journal(path)
    try:
        known = journal.known(list(numbers))
        journal.plan([(row, 0, key) for row, key in enumerate(numbers)])
        fresh = ResultRecord(key(COUNT), "new", is_final=True)
        asyncio.run(journal.put(fresh))
        assert journal.known([fresh.key]) == {fresh.key}
        outcomes = {row: entry for row, _, entry in journal.outcomes() if entry is not None}
    finally:
        journal.close()
    for row, entry in outcomes.items():
        assert entry.caption == caption(row), (row, entry.caption)
    for one in known:
        assert numbers[one] in outcomes
