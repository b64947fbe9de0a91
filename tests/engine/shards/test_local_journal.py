"""A journal on a disk of this machine, and its copy beside an output on a network disk."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import time
from contextlib import closing

import pytest

from dataflow.core.errors import OutputError
from dataflow.engine.journal.decisions import Decision
from dataflow.engine.journal.journal import Journal
from dataflow.engine.journal.records import ResultRecord
from dataflow.engine.shards.local_journal import LocalJournal, local_path
from dataflow.remote import mounts
from tests.faults.scene import Scene
from tests.servers.hostile_server import HostileServer


@pytest.fixture
def server():
    with HostileServer(asks_too=True) as running:
        yield running


def key(number):
    return number.to_bytes(16, "big")


def put(journal, *numbers, text="caption {}"):
    records = [ResultRecord(key(n), text.format(n), is_final=True) for n in numbers]
    asyncio.run(journal.put(*records))


def fill(path, *numbers, text="caption {}"):
    with closing(Journal(path)) as journal:
        put(journal, *numbers, text=text)


def known(path):
    with closing(Journal(path, is_run=False)) as journal:
        found = {n: journal.find(key(n)) for n in range(10)}
    return {n: one.caption for n, one in found.items() if one is not None}


def texts(*numbers):
    return {n: f"caption {n}" for n in numbers}


class Machines:
    """A copy on a shared disk, and machines that each keep a journal of their own."""

    def __init__(self, folder):
        self.folder = folder
        self.copy = folder / "shared" / "out.jsonl.dataflow" / "journal.sqlite"

    def local(self, name, check=lambda: None):
        return LocalJournal(self.copy, local_path(self.copy, self.folder / name), check)


@pytest.fixture
def machines(tmp_path):
    return Machines(tmp_path)


def test_the_copy_knows_what_the_journal_knew_and_another_machine_goes_on_from_it(machines):
    one, two = machines.local("one"), machines.local("two")
    one.fetch()
    fill(one.path, 1, 2)
    one.save()
    assert known(machines.copy) == texts(1, 2)
    two.fetch()
    assert known(two.path) == texts(1, 2)


def test_the_copy_is_made_while_the_journal_is_written(machines):
    one = machines.local("one")
    one.fetch()
    with closing(Journal(one.path)) as journal:
        put(journal, 1)
        one.save()
        put(journal, 2)
        assert known(machines.copy) == texts(1)
        one.save()
    assert known(machines.copy) == texts(1, 2)
    assert sorted(path.name for path in machines.copy.parent.iterdir()) == ["journal.sqlite"]


def test_a_machine_that_was_killed_goes_on_from_its_own_journal(machines):
    one = machines.local("one")
    one.fetch()
    fill(one.path, 1)
    one.save()
    fill(one.path, 2)  # and no copy of that
    again = machines.local("one")
    again.fetch()
    assert known(again.path) == texts(1, 2)


def test_what_two_machines_answered_apart_is_united_and_nothing_is_deleted(machines):
    one, two = machines.local("one"), machines.local("two")
    one.fetch()
    fill(one.path, 1)
    one.save()
    fill(one.path, 2, 3)  # killed before the next copy
    two.fetch()
    fill(two.path, 3, 4, text="of two {}")
    two.save()
    again = machines.local("one")
    again.fetch()
    assert known(again.path) == {**texts(1, 2), 3: "of two 3", 4: "of two 4"}
    assert len(list(again.path.parent.glob("journal.sqlite.*"))) == 1
    again.save()
    third = machines.local("one")
    third.fetch()
    assert len(list(third.path.parent.glob("journal.sqlite.*"))) == 1, "once is enough"


def test_a_journal_that_was_beside_the_output_is_taken_over(machines):
    machines.copy.parent.mkdir(parents=True)
    fill(machines.copy, 1, 2)
    one = machines.local("one")
    one.fetch()
    assert known(one.path) == texts(1, 2)


def test_a_damaged_copy_is_saved_as_far_as_it_can_be_read(machines):
    machines.copy.parent.mkdir(parents=True)
    fill(machines.copy, *range(9))
    data = bytearray(machines.copy.read_bytes())
    data[100:140] = b"\xff" * 40
    machines.copy.write_bytes(data)
    one = machines.local("one")
    one.fetch()
    assert set(known(one.path)) <= set(range(9))
    assert list(machines.copy.parent.glob("journal.sqlite.*")), "the damaged file is kept"


def decision(text):
    return Decision(key(1), "caption", "edit", text, "somebody", time.time())


def edits(path):
    with closing(sqlite3.connect(path)) as db:
        return [text for (text,) in db.execute("SELECT text FROM decisions ORDER BY number")]


def decide(journal, *decisions):
    journal.decide(list(decisions))


def test_a_decision_in_the_copy_while_the_run_goes_is_not_lost(machines):
    one = machines.local("one")
    one.fetch()
    fill(one.path, 1)
    one.save()
    with closing(Journal(machines.copy, is_run=False)) as page:
        decide(page, decision("first"))
        one.save()
        assert edits(one.path) == edits(machines.copy) == ["first"]
        decide(page, decision("second"))
        one.save()
    one.save()
    assert edits(one.path) == edits(machines.copy) == ["first", "second"]
    assert not list(machines.copy.parent.glob("journal.sqlite.*")), "no file took another's place"


def test_a_run_that_lost_its_lock_leaves_the_copy_alone(machines):
    def lost():
        raise OutputError("another machine has it")

    fill(machines.local("two").path, 7)
    machines.local("two").save()
    one = machines.local("one", lost)
    fill(one.path, 1)
    one.save_or_say()
    assert known(machines.copy) == texts(7)


def test_a_copy_that_cannot_be_written_is_said_and_the_journal_has_everything(machines, caplog):
    one = machines.local("one")
    one.fetch()
    fill(one.path, 1)
    machines.copy.with_name("journal.sqlite.part").mkdir(parents=True)
    one.save_or_say()
    assert "cannot be renewed" in caplog.text
    assert known(one.path) == texts(1)


# --- by the command -------------------------------------------------------------------------


def test_a_run_with_its_journal_elsewhere_makes_the_same_output_and_resumes(tmp_path, server):
    scene = Scene(tmp_path, 30, 10)
    more = ["--journal", tmp_path / "local"]
    assert scene.run(server, *more) == 0, scene.log
    assert scene.judge() == scene.all_right()
    assert "the journal is kept in" in scene.log
    assert scene.run(server, *more) == 0
    assert scene.run(server) == 0, scene.log  # from the copy
    shutil.rmtree(tmp_path / "local")
    assert scene.run(server, *more) == 0, scene.log  # another machine
    assert scene.run_words("status", scene.output) == 0, scene.log
    assert server.asked == 30


def test_a_run_that_is_killed_goes_on_from_the_journal_of_its_machine(tmp_path):
    scene, more = Scene(tmp_path, 300, 10), ["--journal", tmp_path / "local", "--concurrency", 4]
    with HostileServer(asks_too=True, delay=0.02) as server:
        process = scene.start(server, *more)
        while server.asked < 60:
            time.sleep(0.01)
        process.kill()
        scene.end(process)
        assert scene.run(server, *more) == 0, scene.log
        assert server.asked <= 300 + 4
    assert scene.judge() == scene.all_right()


def test_a_restart_sets_both_journals_aside(tmp_path, server):
    scene, more = Scene(tmp_path, 6, 6), ["--journal", tmp_path / "local"]
    assert scene.run(server, *more) == 0
    assert scene.run(server, *more, "--restart") == 0, scene.log
    assert server.asked == 12
    assert scene.log.count("the former journal is kept as") == 2


def test_shards_of_machines_with_folders_of_their_own_merge(tmp_path, server):
    scene = Scene(tmp_path, 30, 10)
    for number in (1, 2, 3):
        more = ["--shard", f"{number}/3", "--journal", tmp_path / f"machine-{number}"]
        assert scene.run(server, *more) == 0, scene.log
    assert scene.run_words("merge", scene.output) == 0, scene.log
    assert scene.judge() == scene.all_right()
    assert server.asked == 30


@pytest.mark.parametrize(
    ("folder", "said"),
    [
        ("data.jsonl", "is no folder"),
        ("s3://bucket/x", "a folder of this machine"),
        ("shared/x", "lies on a network disk (NFS)"),
    ],
)
def test_a_folder_that_is_of_no_use_is_refused(tmp_path, server, monkeypatch, folder, said):
    table = tmp_path / "mountinfo"
    table.write_text(f"36 35 0:40 / {tmp_path}/shared rw - nfs server:/export rw\n")
    monkeypatch.setattr(mounts, "MOUNT_TABLE", table)
    scene = Scene(tmp_path, 2, 2)
    assert scene.run(server, "--journal", folder) == 2
    assert said in scene.log
    assert server.asked == 0


def test_an_output_on_a_network_disk_says_how_its_journal_is_kept(tmp_path, server, monkeypatch):
    table = tmp_path / "mountinfo"
    table.write_text(f"36 35 0:40 / {tmp_path}/shared rw - nfs4 server:/export rw\n")
    monkeypatch.setattr(mounts, "MOUNT_TABLE", table)
    (tmp_path / "shared").mkdir()
    scene = Scene(tmp_path, 6, 6, output=tmp_path / "shared")
    assert scene.run(server) == 0, scene.log
    assert "lies on a network disk (NFS)" in scene.log
    assert "--journal FOLDER keeps it on a disk of this machine" in scene.log
    journal = scene.beside(".dataflow") / "journal.sqlite"
    with closing(sqlite3.connect(journal)) as db:
        assert db.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    scene.log = ""
    assert scene.run(server, "--journal", tmp_path / "local") == 0, scene.log
    local = local_path(journal, tmp_path / "local")
    with closing(sqlite3.connect(local)) as db:
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert server.asked == 6
