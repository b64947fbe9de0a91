"""Answers on disk: kept, found again, never trusted when damaged."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys

import pytest

from dataflow.core.database import sqlite
from dataflow.core.errors import JournalError
from dataflow.core.request import Usage
from dataflow.engine.journal.journal import Journal
from dataflow.engine.journal.records import ResultRecord


def key(number: int) -> bytes:
    return number.to_bytes(16, "big")


def put(journal: Journal, *entries: ResultRecord) -> None:
    async def all_at_once():
        await asyncio.gather(*(journal.put(e) for e in entries))

    asyncio.run(all_at_once())


def with_answers(path, count=3) -> None:
    journal = Journal(path)
    put(journal, *(ResultRecord(key(n), f"caption {n}", is_final=True) for n in range(count)))
    journal.close()


def test_what_was_put_is_known_to_the_next_run(tmp_path):
    path = tmp_path / "j"
    with_answers(path)
    journal = Journal(path)
    assert journal.known([key(n) for n in range(5)]) == {key(0), key(1), key(2)}
    journal.close()


def test_outcomes_come_in_the_rows_order_with_gaps_told(tmp_path):
    journal = Journal(tmp_path / "j")
    put(journal, ResultRecord(key(1), "one"), ResultRecord(key(2), "two"))
    journal.plan([(2, 0, key(1)), (0, 0, key(2)), (1, 0, key(9)), (3, 0, key(1))])
    outcomes = [(row, entry and entry.caption) for row, _, entry in journal.outcomes()]
    journal.close()
    assert outcomes == [(0, "two"), (1, None), (2, "one"), (3, "one")]


def test_a_failure_that_is_final_is_known_one_that_may_pass_is_not(tmp_path):
    path = tmp_path / "j"
    journal = Journal(path)
    put(
        journal,
        ResultRecord(key(1), error_kind="refused", error="x", is_final=True),
        ResultRecord(key(2), error_kind="overloaded", error="x"),
    )
    assert journal.known([key(1), key(2)]) == {key(1), key(2)}, "both were tried in this run"
    journal.close()
    journal = Journal(path)
    assert journal.known([key(1), key(2)]) == {key(1)}
    assert journal.known([key(1), key(2)], retry_failed=True) == set()
    journal.close()


@pytest.mark.parametrize("text", ["", "\x00", "🦜\u2028", "x" * 1_000_000])
def test_any_text_comes_back_as_it_was(tmp_path, text):
    journal = Journal(tmp_path / "j")
    put(journal, ResultRecord(key(1), text, is_final=True))
    journal.plan([(0, 0, key(1))])
    ((_, _, entry),) = journal.outcomes()
    journal.close()
    assert entry is not None
    assert entry.caption == text


def test_what_was_put_survives_kill_9(tmp_path):
    script = (
        "import asyncio, os, sys\n"
        "from pathlib import Path\n"
        "from dataflow.engine.journal.journal import Journal\n"
        "from dataflow.engine.journal.records import ResultRecord\n"
        "async def main():\n"
        "    journal = Journal(Path(sys.argv[1]))\n"
        "    for n in range(50):\n"
        "        await journal.put(ResultRecord(n.to_bytes(16, 'big'), 'c', is_final=True))\n"
        "        print(n, flush=True)\n"
        "        if n == 30: os.kill(os.getpid(), 9)\n"
        "asyncio.run(main())\n"
    )
    path = tmp_path / "j"
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == -signal.SIGKILL
    told = len(done.stdout.split())
    journal = Journal(path)
    assert journal.known([key(n) for n in range(50)]) >= {key(n) for n in range(told)}
    assert told == 31
    journal.close()


def damage_tail(path):
    os.truncate(path, os.path.getsize(path) * 2 // 3)


def damage_head(path):
    with path.open("r+b") as file:
        file.write(b"not a database at all")


def other_program(path):
    path.unlink()
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE theirs (x)")
    db.commit()
    db.close()


def older_layout(path):
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 0")
    db.commit()
    db.close()


@pytest.mark.parametrize("damage", [other_program, older_layout])
def test_a_file_that_is_no_journal_of_ours_is_set_aside_with_a_warning(tmp_path, caplog, damage):
    path = tmp_path / "out.journal"
    with_answers(path, 300)
    damage(path)
    before = path.read_bytes()
    Journal(path).close()
    (aside,) = tmp_path.glob("out.journal.2*")
    assert aside.read_bytes() == before
    assert str(aside) in caplog.text


@pytest.mark.parametrize("damage", [damage_tail, damage_head])
def test_a_damaged_file_is_set_aside_and_what_reads_of_it_is_kept(tmp_path, caplog, damage):
    path = tmp_path / "out.journal"
    with_answers(path, 300)
    damage(path)
    before = path.read_bytes()
    journal = Journal(path)
    assert len(journal.known([key(n) for n in range(300)])) > 0
    journal.close()
    (aside,) = tmp_path.glob("out.journal.2*")
    assert aside.read_bytes() == before
    assert str(aside) in caplog.text
    assert "answers could be read and are kept" in caplog.text


def test_an_answer_flipped_on_disk_is_not_trusted_and_told(tmp_path, caplog):
    path = tmp_path / "j"
    with_answers(path)
    raw = path.read_bytes()
    assert raw.count(b"caption 1") == 1
    path.write_bytes(raw.replace(b"caption 1", b"captiom 1"))
    journal = Journal(path)
    journal.plan([(n, 0, key(n)) for n in range(3)])
    assert journal.known([key(n) for n in range(3)]) == {key(0), key(2)}
    assert [e and e.caption for _, _, e in journal.outcomes()] == ["caption 0", None, "caption 2"]
    (line,) = (tmp_path / "j.damaged.jsonl").read_text().splitlines()
    assert json.loads(line)["caption"] == "captiom 1"
    assert "j.damaged.jsonl" in caplog.text
    journal.close()


def test_a_journal_that_another_program_holds_is_not_taken_for_damaged(tmp_path, monkeypatch):
    path = tmp_path / "j"
    with_answers(path)
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.1)
    other = sqlite3.connect(path)
    other.execute("PRAGMA locking_mode = EXCLUSIVE")
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(JournalError, match="locked"):
        Journal(path)
    other.close()
    journal = Journal(path)
    assert journal.known([key(0)]) == {key(0)}
    journal.close()
    assert list(tmp_path.glob("j.2*")) == []


def test_a_folder_that_cannot_be_made_is_a_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalError, match="cannot open the journal"):
        Journal(tmp_path / "file" / "j")


def test_a_full_disk_is_told_and_the_answer_saved_once_there_is_room(tmp_path):
    path = tmp_path / "j"
    journal = Journal(path)
    pages = journal._db.execute("PRAGMA page_count").fetchone()[0]
    journal._db.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(JournalError, match="full"):
        put(journal, ResultRecord(key(1), "x" * 100_000, is_final=True))
    journal._db.execute("PRAGMA max_page_count = 100000")
    journal.close()
    journal = Journal(path)
    assert journal.known([key(1)]) == {key(1)}
    journal.close()


def test_a_caption_that_is_no_text_any_more_does_not_stop_the_others_from_being_read(tmp_path):
    path = tmp_path / "j"
    with_answers(path)
    path.write_bytes(path.read_bytes().replace(b"caption 1", b"caption\xff1"))
    journal = Journal(path)
    assert journal.known([key(n) for n in range(3)]) == {key(0), key(2)}
    journal.close()


def test_a_header_that_would_make_it_read_only_is_damage(tmp_path):
    path = tmp_path / "j"
    with_answers(path)
    with path.open("r+b") as file:
        file.seek(18)
        file.write(b"\x07")
    journal = Journal(path)
    put(journal, ResultRecord(key(9), "new", is_final=True))
    assert journal.known([key(0), key(9)]) == {key(0), key(9)}, "its answers were read all the same"
    journal.close()
    assert len(list(tmp_path.glob("j.2*"))) == 1


def test_cut_at_any_place_it_knows_nothing_wrong_and_takes_new_answers(tmp_path):
    count = 120
    journal = Journal(tmp_path / "whole")
    put(
        journal,
        *(ResultRecord(key(n), f"caption {n} " * (n % 9), is_final=True) for n in range(count)),
    )
    log = (tmp_path / "whole-wal").read_bytes()
    main = (tmp_path / "whole").read_bytes()
    journal.close()
    closed = (tmp_path / "whole").read_bytes()
    cuts = [(closed[:at], b"") for at in range(0, len(closed), 500)]
    cuts += [(main, log[:at]) for at in range(0, len(log), 500)]
    for number, (head, tail) in enumerate(cuts):
        path = tmp_path / f"cut-{number}"
        path.write_bytes(head)
        if tail:
            path.with_name(path.name + "-wal").write_bytes(tail)
        journal = Journal(path)
        journal.plan([(n, 0, key(n)) for n in range(count)])
        known = journal.known([key(n) for n in range(count)])
        put(journal, ResultRecord(key(count), "new", is_final=True))
        for row, _, entry in journal.outcomes():
            assert entry is None or entry.caption == f"caption {row} " * (row % 9)
            assert (entry is not None) == (key(row) in known)
        journal.close()


def test_what_an_answer_cost_adds_up_over_the_runs(tmp_path):
    path = tmp_path / "j"
    journal = Journal(path)
    first = Usage(100, 5, cached_tokens=10)
    put(
        journal,
        ResultRecord(key(1), error_kind="timeout", error="x", usage=first, attempts=4, cost=0.25),
    )
    journal.close()
    journal = Journal(path)
    again = Usage(100, 20, picture_tokens=90)
    put(journal, ResultRecord(key(1), "a cat", is_final=True, usage=again, attempts=1, cost=0.5))
    entry = journal.find(key(1))
    journal.close()
    assert entry is not None
    assert entry.caption == "a cat"
    assert entry.usage == Usage(200, 25, cached_tokens=10, picture_tokens=90)
    assert (entry.attempts, entry.cost) == (5, 0.75)
