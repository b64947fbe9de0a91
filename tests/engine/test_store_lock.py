"""Two machines with one output in an object store: one writes, the other hears of it."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import replace

import pytest

from dataflow.core.errors import OutputError
from dataflow.engine.runner import run
from dataflow.engine.store_lock import RENEW_SECONDS, STALE_SECONDS, StoreLock
from dataflow.remote import filesystem
from dataflow.remote.errors import RemoteError
from dataflow.remote.path import RemotePath
from dataflow.serving.fake import FakeServing

LOCK = "en/.out.jsonl.lock"


@pytest.fixture(params=["s3", "gs"])
def store(request):
    server = request.getfixturevalue(request.param)
    return RemotePath(f"{request.param}://bucket/en/out.jsonl"), server


@pytest.fixture
def machine(tmp_path):
    """Makes the lock of a run on a machine of this name; the clock is shared."""
    now, locks = [1_000_000.0], []

    def make(name, url):
        lock = StoreLock(url, tmp_path / name, clock=lambda: now[0], pause=lambda _: None)
        locks.append(lock)
        return lock

    make.now = now
    yield make
    for lock in locks:
        lock._over.set()


def test_the_second_machine_is_told_who_writes_and_may_write_afterwards(store, machine):
    url, server = store
    first = machine("one", url)
    with pytest.raises(OutputError, match=r"process \d+ on .* is writing .*out\.jsonl"):
        machine("two", url)
    first.check()
    first.release()
    assert LOCK not in server.listed()
    machine("two", url).release()
    assert server.listed() == []


def test_of_many_that_begin_at_once_one_writes(s3, machine):
    url, got, refused = RemotePath("s3://bucket/en/out.jsonl"), [], []

    def begin(name):
        try:
            got.append(machine(name, url))
        except OutputError:
            refused.append(name)

    threads = [threading.Thread(target=begin, args=(str(n),)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(got), len(refused)) == (1, 5)


def test_the_next_run_of_a_machine_whose_run_was_killed_need_not_wait(store, machine):
    url, _ = store
    killed = machine("one", url)
    again = machine("one", url)
    again.check()
    with pytest.raises(OutputError, match="is writing"):
        killed.check()


def test_the_lock_of_a_machine_that_is_gone_ends_by_itself(store, machine):
    url, _ = store
    gone = machine("one", url)
    machine.now[0] += STALE_SECONDS - 1
    with pytest.raises(OutputError, match="is writing"):
        machine("two", url)
    machine.now[0] += 2
    machine("two", url).check()
    gone.renew()  # it comes back, and leaves the other's alone
    with pytest.raises(OutputError, match="did not renew its lock"):
        gone.check()
    gone.release()
    with pytest.raises(OutputError, match="is writing"):
        machine("three", url)


def test_a_lock_that_is_renewed_does_not_end(store, machine):
    url, _ = store
    lock = machine("one", url)
    for _ in range(int(2 * STALE_SECONDS / RENEW_SECONDS)):
        machine.now[0] += RENEW_SECONDS
        lock.renew()
    with pytest.raises(OutputError, match="is writing"):
        machine("two", url)


def test_a_lock_that_somebody_removed_is_made_again(store, machine):
    url, server = store
    lock = machine("one", url)
    filesystem.remove(lock.url)
    lock.check()
    assert LOCK in server.listed()


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b"somebody's"])
def test_an_object_that_is_no_lock_counts_as_stale(s3, machine, text):
    s3.put(LOCK, text)
    machine("one", RemotePath("s3://bucket/en/out.jsonl")).check()


def test_a_store_without_conditions_is_asked_without_them(s3, machine, monkeypatch):
    ask = filesystem.ask

    def refusing(place, method, *arguments, **options):
        if options.get("mode") == "create":
            raise RemoteError(place, "the server answers 501", status=501)
        return ask(place, method, *arguments, **options)

    monkeypatch.setattr(filesystem, "ask", refusing)
    url = RemotePath("s3://bucket/en/out.jsonl")
    machine("one", url).check()
    with pytest.raises(OutputError, match="is writing"):
        machine("two", url)


def test_a_run_into_a_store_is_refused_before_it_asks_anything(s3, dataset):
    serving = FakeServing("A boat.")
    plan = dataset.add(2).plan(serving)
    url = RemotePath("s3://bucket/out.jsonl")
    plan = replace(plan, output=replace(plan.output, url=url))
    other = {"run": "x", "host": "other", "process": 7, "renewed": time.time()}
    s3.put(".out.jsonl.lock", json.dumps(other).encode())
    with pytest.raises(OutputError, match="process 7 on other is writing s3:"):
        run(plan)
    assert s3.listed() == [".out.jsonl.lock"]
    s3.client.delete_object(Bucket="bucket", Key=".out.jsonl.lock")
    run(plan)
    assert s3.listed() == ["out.jsonl"]


def test_a_run_whose_lock_was_taken_over_leaves_the_output_alone(s3, dataset):
    url = RemotePath("s3://bucket/out.jsonl")

    def answer(request, pictures):
        other = {"run": "x", "host": "other", "process": 7, "renewed": time.time()}
        s3.put(".out.jsonl.lock", json.dumps(other).encode())
        s3.put("out.jsonl", b"theirs")
        return "A boat."

    plan = dataset.add(2).plan(FakeServing(answer))
    plan = replace(plan, output=replace(plan.output, url=url))
    with pytest.raises(OutputError, match="process 7 on other is writing"):
        run(plan)
    assert s3.get("out.jsonl") == b"theirs"
    assert ".out.jsonl.lock" in s3.listed()
