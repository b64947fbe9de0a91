"""Locks on a network disk: two machines, whose locks are not seen by each other."""

from __future__ import annotations

import errno
import json
import os

import pytest

from dataflow.core.errors import OutputError
from dataflow.engine.locks import lease, run_lock
from dataflow.engine.locks.lease import LEASE_SECONDS, holder_of, living_holder
from dataflow.engine.locks.run_lock import RunLock
from dataflow.remote import mounts


@pytest.fixture
def disk(tmp_path, monkeypatch):
    """A folder that the mount table calls NFS, on which no machine sees the other's ``flock``."""
    folder = tmp_path / "shared"
    folder.mkdir()
    table = tmp_path / "mountinfo"
    table.write_text(f"36 35 0:40 / {folder} rw - nfs4 server:/export rw\n")
    monkeypatch.setattr(mounts, "MOUNT_TABLE", table)
    monkeypatch.setattr(run_lock, "try_lock", lambda file: True)
    monkeypatch.setattr(lease, "is_locked", lambda file: False)
    return folder


class Host:
    """One machine: its name, its clock, and what happens elsewhere while it waits."""

    def __init__(self, name, *, clock=1000.0, meanwhile=lambda: None):
        self.name, self.now, self.waited, self.meanwhile = name, clock, 0.0, meanwhile

    def pause(self, seconds):
        self.waited += seconds
        self.now += seconds
        self.meanwhile()

    def tick(self):
        self.now += 0.001
        return self.now

    def lock(self, path, **more):
        return RunLock(
            path, host=self.name, machine=f"{self.name}:1", clock=self.tick,
            pause=self.pause, **more,
        )  # fmt: skip


@pytest.mark.parametrize("skew", [0, 3600, -3600, 1e9], ids=["none", "ahead", "behind", "absurd"])
def test_a_living_lock_of_another_machine_is_found_whatever_its_clock_says(disk, skew):
    one = Host("one", clock=1000.0 + skew)
    first = one.lock(disk / "lock")
    two = Host("two", meanwhile=first.renew)
    one.now += 10
    with pytest.raises(OutputError, match=r"process \d+ on one is writing this output"):
        two.lock(disk / "lock")
    assert two.waited <= LEASE_SECONDS
    first.check()
    first.release()
    two.lock(disk / "lock").release()


@pytest.mark.parametrize("skew", [0, 3600, -3600])
def test_a_lock_that_its_machine_left_is_taken_when_it_was_not_renewed_for_long(disk, skew):
    first = Host("one", clock=1000.0 + skew).lock(disk / "lock")
    first._over.set()  # its machine is gone
    two = Host("two")
    lock = two.lock(disk / "lock")
    assert LEASE_SECONDS <= two.waited <= LEASE_SECONDS + run_lock.SETTLE_SECONDS
    lock.release()


def test_a_machine_that_comes_back_hears_that_its_lock_was_taken_and_leaves_the_new_one(disk):
    one = Host("one")
    first = one.lock(disk / "lock")
    second = Host("two").lock(disk / "lock")
    one.now += 1000  # it slept
    with pytest.raises(OutputError, match=r"on two is writing this output now .* same command"):
        first.check()
    first.release()
    assert holder_of(disk / "lock", lambda: 1100.0) == f"process {os.getpid()} on two"
    second.check()
    second.release()
    assert not (disk / "lock").exists()


def test_of_two_machines_that_take_a_lock_at_one_moment_one_gets_it(disk):
    locks = []

    def take_too():
        if not locks:
            locks.append(None)
            (disk / "lock").write_text("")  # as the other one saw it: nobody's yet
            locks[0] = Host("two").lock(disk / "lock")

    with pytest.raises(OutputError, match="on two is writing"):
        Host("one", meanwhile=take_too).lock(disk / "lock")
    locks[0].check()
    locks[0].release()


def test_a_lock_that_is_released_while_it_is_watched_is_free_at_once(disk):
    first = Host("one").lock(disk / "lock")
    two = Host("two", meanwhile=first.release)
    two.lock(disk / "lock").release()
    assert two.waited < 10


def test_the_next_run_of_the_same_machine_waits_for_nothing(disk):
    first = Host("one").lock(disk / "lock")
    first._over.set()  # as after kill -9
    one = Host("one")
    one.lock(disk / "lock").release()
    assert one.waited == run_lock.SETTLE_SECONDS


def test_two_containers_of_one_name_are_two_machines(disk):
    first = RunLock(disk / "lock", host="worker", machine="boot:1", pause=lambda s: None)
    waited = []

    def pause(seconds):
        waited.append(seconds)
        first.renew()

    with pytest.raises(OutputError, match="on worker is writing"):
        RunLock(disk / "lock", host="worker", machine="boot:2", pause=pause)
    assert waited
    first.release()


def test_a_wait_for_another_machine_ends_with_the_run(disk):
    Host("one").lock(disk / "lock")._over.set()
    with pytest.raises(KeyboardInterrupt):
        Host("two").lock(disk / "lock", stop=lambda: True)


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_network_disk_without_locks_has_leases(disk, monkeypatch, number):
    def none(file):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(run_lock, "try_lock", none)
    monkeypatch.setattr(lease, "is_locked", none)
    first = Host("one").lock(disk / "lock")
    with pytest.raises(OutputError, match="on one is writing"):
        Host("two", meanwhile=first.renew).lock(disk / "lock")
    with pytest.raises(OutputError, match="on one is writing"):
        Host("one", meanwhile=first.renew).lock(disk / "lock")  # this machine has no locks either
    first.release()


def test_a_disk_of_this_machine_without_locks_is_an_error(tmp_path, monkeypatch):
    def none(file):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(run_lock, "try_lock", none)
    with pytest.raises(OutputError, match="No locks available"):
        RunLock(tmp_path / "lock")


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"null", b'{"host": 1}', b"\xff\xfe"])
def test_a_lock_file_of_no_sense_is_taken(disk, text):
    (disk / "lock").write_bytes(text)
    lock = Host("one").lock(disk / "lock")
    assert json.loads((disk / "lock").read_text())["host"] == "one"
    lock.release()


def test_many_locks_are_watched_together_and_the_living_one_is_named(disk):
    paths = [disk / f"{number}" for number in range(5)]
    hosts = [Host(f"host-{number}").lock(path) for number, path in enumerate(paths)]
    waited, said = [], []

    def pause(seconds):
        waited.append(seconds)
        if len(waited) == 3:
            hosts[3]._clock = lambda: 2000.0
            hosts[3].renew()

    assert living_holder(paths, pause=pause, on_wait=said.append) == (
        paths[3],
        f"process {os.getpid()} on host-3",
    )
    assert len(said) == 1
    waited.clear()
    for one in hosts:
        one._over.set()
    hosts[3]._file = None
    assert living_holder(paths, pause=lambda s: waited.append(s)) is None
    assert sum(waited) == LEASE_SECONDS, "all at once, not one after another"


def test_on_a_disk_of_this_machine_a_lock_that_was_left_is_free_at_once(tmp_path):
    (tmp_path / "lock").write_text(json.dumps({"host": "x", "process": 7, "renewed": 9e9}))
    assert living_holder([tmp_path / "lock"], pause=pytest.fail) is None
    RunLock(tmp_path / "lock", pause=pytest.fail).release()
