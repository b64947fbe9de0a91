"""Merges of shards whose files, inputs and machines did what they do in the field."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import sqlite3
import time
from contextlib import closing

import pytest

from dataflow.core.errors import OutputError
from dataflow.engine.journal.decisions import Decision
from dataflow.engine.journal.journal import Journal
from dataflow.engine.journal.records import ResultRecord
from dataflow.engine.locks.run_lock import RunLock
from dataflow.engine.paths import SideFiles
from dataflow.engine.shards import merge as merge_module
from dataflow.engine.shards.merge import merge_journals
from tests.faults.scene import Scene
from tests.servers.hostile_server import HostileServer


@pytest.fixture
def server():
    with HostileServer(asks_too=True) as running:
        yield running


@pytest.fixture
def scene(tmp_path):
    return Scene(tmp_path, 30, 10)


def run_shards(scene, server, count, *numbers, before=lambda: None):
    for number in numbers or range(1, count + 1):
        assert scene.run(server, "--shard", f"{number}/{count}") == 0, scene.log
        before()


def merge(scene):
    return scene.run_words("merge", scene.output)


def journal_of(scene, number, count):
    return SideFiles(scene.output, shard=f"{number}-of-{count}").journal


def shuffle(path, seed):
    lines = path.read_text().splitlines(keepends=True)
    random.Random(seed).shuffle(lines)
    path.write_text("".join(lines))


def test_each_shard_may_find_the_rows_in_another_order(scene, server):
    first = scene.data.read_text()
    seeds = iter(range(9))
    run_shards(scene, server, 3, before=lambda: shuffle(scene.data, next(seeds)))
    scene.data.write_text(first)
    assert merge(scene) == 0, scene.log
    assert scene.judge() == scene.all_right()
    assert server.asked == 30


def test_a_look_at_rows_that_moved_puts_no_answer_beside_another_question(scene, server):
    assert scene.run(server, "--limit", 20) == 0, scene.log
    shuffle(scene.data, 7)
    assert scene.run_words("write", scene.output) in (0, 3), scene.log
    found = {row["id"]: row["caption"] for row in scene.rows()}
    asked = {number for number in found if number < 20}
    assert {number for number, caption in found.items() if caption is not None} == asked
    assert all(found[number] == scene.right[number] for number in asked)


def test_rows_that_came_after_a_shard_has_ended_are_open_and_then_asked(scene, server):
    whole = scene.data.read_text()
    scene.data.write_text("".join(whole.splitlines(keepends=True)[:20]))
    run_shards(scene, server, 2, 1)
    scene.data.write_text(whole)
    run_shards(scene, server, 2, 2)
    assert merge(scene) == 3, scene.log
    assert set(scene.judge()) <= {"right", "none"}
    assert scene.run(server) == 0, scene.log
    assert scene.judge() == scene.all_right()
    assert server.asked == 30


def test_rows_that_are_gone_stop_the_merge_and_the_next_run_writes_those_that_are_left(
    scene, server
):
    run_shards(scene, server, 2)
    lines = scene.data.read_text().splitlines(keepends=True)
    scene.data.write_text("".join(lines[:20]))
    scene.right = scene.right[:20]
    assert merge(scene) == 1
    assert "holds fewer rows now" in scene.log
    assert scene.run(server) == 0, scene.log
    assert scene.judge() == scene.all_right()
    assert server.asked == 30


def test_an_output_that_was_renamed_between_shards_merges_under_its_new_name(scene, server):
    run_shards(scene, server, 2, 1)
    former = scene.beside(".dataflow")
    scene.output = scene.output.with_name("new.jsonl")
    former.rename(scene.beside(".dataflow"))
    run_shards(scene, server, 2, 2)
    assert server.asked == 30
    code = merge(scene)
    assert code in (0, 3), scene.log
    assert scene.run(server) == 0, scene.log
    assert scene.judge() == scene.all_right()
    assert server.asked == 30


def test_of_two_merges_at_once_one_is_refused(scene, server):
    run_shards(scene, server, 2)
    lock = RunLock(SideFiles(scene.output).lock)
    assert merge(scene) == 1
    assert "is writing this output" in scene.log
    lock.release()
    assert merge(scene) == 0
    assert scene.judge() == scene.all_right()


def test_a_second_merge_says_that_there_is_nothing_to_merge(scene, server):
    run_shards(scene, server, 2)
    assert merge(scene) == 0
    assert merge(scene) == 2
    assert "no shard of" in scene.log
    assert scene.judge() == scene.all_right()


def test_a_merge_that_was_killed_between_two_shards_goes_on(scene, server, monkeypatch):
    run_shards(scene, server, 3)
    decide(journal_of(scene, 1, 3), "by hand")
    unite, taken = merge_module._unite, []

    def killed(db, run):
        if taken:
            raise KeyboardInterrupt
        taken.append(unite(db, run))

    monkeypatch.setattr(merge_module, "_unite", killed)
    with pytest.raises(KeyboardInterrupt):
        merge_journals(scene.output)
    monkeypatch.setattr(merge_module, "_unite", unite)
    assert merge(scene) == 0, scene.log
    assert scene.judge() == scene.all_right()
    assert len(rows_of(SideFiles(scene.output).journal, "decisions")) == 1


def rows_of(path, table):
    with closing(sqlite3.connect(path)) as db:
        return db.execute(f"SELECT * FROM {table}").fetchall()


def decide(path, text):
    with closing(Journal(path, is_run=False)) as journal:
        journal.decide([Decision(b"k" * 16, "caption", "edit", text, "me", time.time())])


def test_a_shard_whose_journal_is_damaged_gives_what_can_be_read_and_the_rest_is_asked(
    scene, server
):
    run_shards(scene, server, 2)
    path = journal_of(scene, 1, 2)
    data = bytearray(path.read_bytes())
    data[len(data) // 2 :] = b"\x7f" * (len(data) - len(data) // 2)
    path.write_bytes(data)
    assert merge(scene) in (0, 3), scene.log
    assert set(scene.judge()) <= {"right", "none"}
    assert scene.run(server, "--yes") == 0, scene.log
    assert scene.judge() == scene.all_right()


@pytest.mark.parametrize("junk", [b"", b"not a journal", b"\0" * 4096])
def test_a_shard_whose_journal_is_junk_counts_as_one_without_answers(scene, server, junk):
    run_shards(scene, server, 2)
    journal_of(scene, 2, 2).write_bytes(junk)
    assert merge(scene) in (0, 3), scene.log
    assert set(scene.judge()) <= {"right", "none"}
    assert scene.run(server, "--yes") == 0, scene.log
    assert scene.judge() == scene.all_right()


def test_a_shards_folder_without_a_journal_is_one_that_has_not_begun(scene, server):
    run_shards(scene, server, 2, 1)
    journal_of(scene, 2, 2).parent.mkdir()
    assert merge(scene) == 3
    assert "no shard began: 2/2" in scene.log
    assert scene.run(server) == 0, scene.log
    assert scene.judge() == scene.all_right()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"shards": "x", "settings": {}}'])
def test_settings_that_cannot_be_read_are_named_and_nothing_is_asked(scene, server, text):
    run_shards(scene, server, 2, 1)
    asked = server.asked
    SideFiles(scene.output).settings.write_text(text)
    assert scene.run(server, "--shard", "2/2") == 1
    assert "settings.json cannot be read" in scene.log
    assert server.asked == asked
    SideFiles(scene.output).settings.unlink()
    run_shards(scene, server, 2, 2)
    assert merge(scene) == 0
    assert scene.judge() == scene.all_right()


def test_shards_whose_input_is_named_by_another_path_are_told_of_it(scene, server, tmp_path):
    run_shards(scene, server, 2, 1)
    other = tmp_path / "elsewhere.jsonl"
    shutil.copy(scene.data, other)
    scene.data = other
    assert scene.run(server, "--shard", "2/2") in (0, 2), scene.log


def put(path, *records):
    with closing(Journal(path)) as journal:
        asyncio.run(journal.put(*records))


def result(number, caption=None, *, is_final=False):
    key = bytes([number]) * 16
    if caption is None:
        return ResultRecord(key, error_kind="timeout", error="it", is_final=is_final)
    return ResultRecord(key, caption, is_final=True)


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_an_answer_beats_a_final_failure_and_that_beats_one_that_may_pass(tmp_path, order):
    output = tmp_path / "out.jsonl"
    one, two = (SideFiles(output, shard=f"{n}-of-2").journal for n in order)
    put(one, result(1, "a caption"), result(2, is_final=True), result(3))
    put(two, result(1, is_final=True), result(2), result(3, "another"))
    merge_journals(output)
    with closing(Journal(SideFiles(output).journal, is_run=False)) as journal:
        found = [journal.find(bytes([n]) * 16) for n in (1, 2, 3)]
    assert [one.caption for one in found] == ["a caption", None, "another"]
    assert found[1].is_final


def test_a_merge_that_is_refused_changes_nothing(scene, server):
    run_shards(scene, server, 2)
    before = {
        path: path.read_bytes() for path in scene.beside(".dataflow").rglob("*") if path.is_file()
    }
    lock = RunLock(SideFiles(scene.output, shard="2-of-2").lock)
    with pytest.raises(OutputError, match="shard 2/2 is still at work"):
        merge_journals(scene.output)
    lock.release()
    after = {
        path: path.read_bytes() for path in scene.beside(".dataflow").rglob("*") if path.is_file()
    }
    assert after == before


def test_status_of_shards_with_a_damaged_one_is_an_answer_or_a_clear_error(scene, server):
    run_shards(scene, server, 2)
    journal_of(scene, 2, 2).write_bytes(b"junk")
    code = scene.run_words("status", scene.output)
    assert code in (0, 1), scene.log
    assert "Traceback" not in scene.log


def test_the_settings_hold_no_secret(scene, server):
    run_shards(scene, server, 2, 1)
    text = SideFiles(scene.output).settings.read_text()
    assert json.loads(text)["shards"] == 2
    assert "sk-" not in text
