"""How far a run is: while it goes, after a crash, at the end."""

from __future__ import annotations

import json
import os
import signal
import time

import pytest

from tests.servers.hostile_server import MODEL, HostileServer
from tests.tariff import Tariff

PRICE = ("--price-in", 2.5, "--price-out", 10)

JOURNAL = "photos.captions.jsonl.dataflow/journal.sqlite"


def api(server):
    return ("--api-url", server.url, "--model", MODEL, "--max-tokens", "50", "--concurrency", 4)


def told(dataflow, output="photos.captions.jsonl") -> dict:
    done = dataflow("status", output, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def wait_until(condition, seconds=30.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_while_it_goes_after_a_crash_and_at_the_end(dataflow, pictures):
    folder = pictures(120)
    with HostileServer(delay=0.2, tariff=Tariff()) as server:
        process = dataflow.start("caption", "photos", *api(server), *PRICE)
        wait_until(lambda: server.asked >= 12)
        running = told(dataflow)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=20)
        asked = server.asked
        crashed = told(dataflow)
        again = dataflow("caption", "photos", *api(server), *PRICE)
        assert again.returncode == 0, again.stderr
        done = told(dataflow)
        charged = server.tariff

    assert (running["state"], running["rows"]) == ("running", 120)
    assert str(process.pid) in running["holder"]
    assert 0 < running["captioned"] < 120
    assert running["to_ask"] + running["unseen"] == 120 - running["captioned"]

    assert (crashed["state"], crashed["holder"], crashed["ended"]) == ("crashed", None, None)
    assert asked - 4 <= crashed["captioned"] <= asked
    left = asked + crashed["to_ask"] + crashed["unseen"] - server.asked
    assert 0 <= left <= 2, "what the resume asked: pictures of the same bytes are asked once"

    assert (done["state"], done["captioned"], done["to_ask"]) == ("done", 120, 0)
    assert done["attempts"] == 120 - left
    lost = charged.requests - 120  # in flight when it was killed: paid, and nobody told how much
    assert 0 <= lost <= 4
    assert done["cost"] <= float(charged.cost)
    assert done["usage"]["prompt_tokens"] == (120 - left) * 275
    assert sum(part["answered"] for part in done["speed"]) == 120 - crashed["captioned"]
    assert folder.with_name("photos.captions.jsonl").exists()


def test_looking_changes_nothing_and_holds_nobody_up(dataflow, pictures):
    pictures(30)
    with HostileServer(delay=0.05, tariff=Tariff()) as server:
        process = dataflow.start("caption", "photos", *api(server), *PRICE)
        wait_until(lambda: server.asked >= 2)
        while process.poll() is None:
            told(dataflow)
        _, err = process.communicate()
    assert process.returncode == 0, err
    before = sorted(os.listdir(dataflow.folder))
    stamp = (dataflow.folder / JOURNAL).stat().st_mtime_ns
    told(dataflow)
    assert sorted(os.listdir(dataflow.folder)) == before
    assert (
        dataflow.folder / "photos.captions.jsonl.dataflow/journal.sqlite"
    ).stat().st_mtime_ns == stamp


def test_failures_are_told_by_kind_and_whether_a_resume_asks_again(dataflow, pictures):
    folder = pictures(6)
    (folder / "00002.jpg").write_bytes(b"no picture")
    faults = {0: "policy_openai", 1: "filter"}
    with HostileServer(faults.get, tariff=Tariff()) as server:
        dataflow("caption", "photos", *api(server), *PRICE)
    found = told(dataflow)
    assert found["failed"] == {"refused": 2, "picture": 1}
    assert found["captioned"] == 3
    assert found["to_ask"] == 1, "the broken picture is looked at again, and a refusal is final"


def test_a_run_that_stopped_says_why(dataflow, pictures):
    pictures(40)
    with HostileServer(tariff=Tariff()) as server:
        done = dataflow("caption", "photos", *api(server), *PRICE, "--max-cost", 0.03)
        assert done.returncode == 4
    assert told(dataflow)["state"] == "limit"
    text = dataflow("status", "photos.captions.jsonl").stderr
    assert "stopped at its limit on money or tokens" in text
    assert "a second" in text


def test_without_a_price_the_cost_is_not_known(dataflow, pictures):
    pictures(2)
    with HostileServer() as server:
        dataflow("caption", "photos", *api(server))
    assert "cost       not known" in dataflow("status", "photos.captions.jsonl").stderr


@pytest.mark.parametrize("journal", [None, b"", b"not a database at all" * 100])
def test_where_there_is_nothing_to_read_one_clear_message(dataflow, tmp_path, journal):
    if journal is not None:
        (tmp_path / "out.jsonl.dataflow").mkdir()
        (tmp_path / "out.jsonl.dataflow/journal.sqlite").write_bytes(journal)
    done = dataflow("status", "out.jsonl")
    assert done.returncode == (2 if journal is None else 1)
    assert "out.jsonl.dataflow/journal.sqlite" in done.stderr
    assert "Traceback" not in done.stderr
