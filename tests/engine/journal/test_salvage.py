"""A damaged journal: what reads is kept, and nothing that is damaged is taken for an answer."""

from __future__ import annotations

import asyncio
from hashlib import blake2b

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dataflow.engine.journal.decisions import Decision
from dataflow.engine.journal.journal import Journal
from dataflow.engine.journal.records import ResultRecord

COUNT = 400


def key(number: int) -> bytes:
    return blake2b(b"%d" % number, digest_size=16).digest()


def caption(number: int) -> str:
    return f"The caption of number {number}. " + "é" * (number % 50) + "x" * (number % 11 * 700)


def written(path) -> bytes:
    journal = Journal(path)

    async def put() -> None:
        await journal.put(
            *(ResultRecord(key(n), caption(n), is_final=True, model="m") for n in range(COUNT))
        )

    asyncio.run(put())
    journal.decide([Decision(key(7), "caption", "edit", "by hand", "ann", 1.5)])
    journal.close()
    return path.read_bytes()


def answers(path) -> dict[int, str]:
    journal = Journal(path)
    found = {n: journal.find(key(n)) for n in range(COUNT)}
    journal.close()
    return {n: entry.caption for n, entry in found.items() if entry is not None}


def test_one_bit_in_one_page_costs_the_answers_of_that_page_alone(tmp_path, caplog):
    data = bytearray(written(tmp_path / "j"))
    page = next(
        at for at in range(4096 * 3, len(data), 4096)
        if data[at] == 0x0A and b"The caption" in data[at : at + 4096]
    )  # fmt: skip
    data[page + 3] ^= 0x40  # how many cells the page has
    (tmp_path / "j").write_bytes(data)
    found = answers(tmp_path / "j")
    assert COUNT - 60 < len(found) <= COUNT
    assert all(text == caption(n) for n, text in found.items())
    assert "answers could be read and are kept" in caplog.text


def test_half_a_file_gives_about_half_of_its_answers(tmp_path):
    data = written(tmp_path / "j")
    (tmp_path / "j").write_bytes(data[: len(data) // 2])
    found = answers(tmp_path / "j")
    assert COUNT // 4 < len(found) < COUNT
    assert all(text == caption(n) for n, text in found.items())


def test_a_header_that_is_gone_costs_no_answer_and_no_decision(tmp_path):
    data = written(tmp_path / "j")
    (tmp_path / "j").write_bytes(b"\0" * 4096 + data[4096:])
    assert len(answers(tmp_path / "j")) == COUNT
    journal = Journal(tmp_path / "j")
    (decision,) = journal.decisions([key(7)]).values()
    journal.close()
    assert (decision.text, decision.author) == ("by hand", "ann")


def test_answers_that_are_in_the_write_ahead_log_alone_are_read(tmp_path):
    journal = Journal(tmp_path / "j")
    asyncio.run(journal.put(*(ResultRecord(key(n), caption(n)) for n in range(50))))
    log = (tmp_path / "j-wal").read_bytes()
    journal.close()
    (tmp_path / "j").write_bytes(b"lost")
    (tmp_path / "j-wal").write_bytes(log)
    assert answers(tmp_path / "j") == {n: caption(n) for n in range(50)}


@given(
    st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=40)), max_size=5),
    st.floats(0.1, 1),
)
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_whatever_happens_to_the_bytes_no_answer_is_wrong(tmp_path_factory, changes, left):
    path = tmp_path_factory.mktemp("salvage") / "j"
    data = bytearray(written(path))
    for where, new in changes:
        at = int(where * (len(data) - len(new)))
        data[at : at + len(new)] = new
    path.write_bytes(data[: int(left * len(data))])
    assert all(text == caption(n) for n, text in answers(path).items())
