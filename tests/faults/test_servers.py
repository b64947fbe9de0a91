"""Whole runs of the command against a server that goes wrong."""

from __future__ import annotations

import signal
import time

import pytest

from dataflow.core import errors
from dataflow.engine.runner import run
from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai
from tests.faults.scene import leaks
from tests.servers.hostile_server import FAULTS, KEY, MODEL, HostileServer, RateLimit
from tests.serving.outcomes import OUTCOMES

EVERY = 5
"""Each fault is met by one request of so many."""

SLOW = {"gigantic", "429_date"}


STRAY = ("401", "402", "403", "404_model", "404_path", "429_no_money", "redirect")
"""Once among good answers it passes: the row is asked again. Only what repeats stops a run."""


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_now_and_then_costs_at_most_its_own_rows(
    scene, fault, short_waits, monkeypatch, tmp_path
):
    monkeypatch.setenv("DF_API_KEY", KEY)
    outcome = OUTCOMES[fault]
    timeout = 0.5 if outcome is errors.AskTimeoutError else 20.0
    rows = 10 if fault in SLOW or outcome is errors.AskTimeoutError else 40
    there = scene(rows)
    with HostileServer(lambda n: fault if n % EVERY == 1 else None, asks_too=True) as server:
        serving = APIVLMServing_openai(
            server.url, model_name=MODEL, timeout=timeout, max_workers=10
        )
        if fault in STRAY:
            assert run(there.plan(serving)).failed == {}
        elif issubclass(outcome, errors.StopRunError):
            with pytest.raises(outcome) as stopped:
                run(there.plan(serving))
            assert server.asked <= 2 * serving.max_workers
            assert KEY not in str(stopped.value)
            assert not there.output.exists() or "wrong" not in there.judge()
            server.fault = None
        run(there.plan(serving))
    verdict = there.judge()
    if fault == "length":
        assert verdict == {"right": rows - rows // EVERY, "wrong": rows // EVERY}  # cut short
    elif fault not in STRAY and (issubclass(outcome, errors.RowError) or fault == "null_content"):
        kind = "empty" if fault == "null_content" else outcome.kind
        assert verdict == {"right": rows - rows // EVERY, "none": rows // EVERY}
        assert [error["kind"] for error in there.errors()] == [kind] * (rows // EVERY)
    else:
        assert verdict == there.all_right(), there.errors()
    assert leaks(tmp_path) == []


@pytest.mark.parametrize("fault", ["401", "404_model"])
def test_what_only_a_person_can_mend_stops_the_run_before_more_is_spent(scene, fault):
    there, in_flight = scene(200), 8
    with HostileServer(fault, asks_too=True, delay=0.01) as server:
        assert there.run(server, "--concurrency", in_flight) == 1
        assert server.asked <= in_flight
        assert not there.output.exists()
        assert "Traceback" not in there.log
        server.fault = None
        assert there.run(server) == 0
    assert there.judge() == there.all_right()


def test_a_server_that_is_away_for_some_seconds_pauses_the_run_and_costs_no_row_anything(scene):
    there = scene(300)
    with HostileServer(asks_too=True, delay=0.02) as server:
        process = there.start(server, "--concurrency", 32)
        while server.asked < 100:
            time.sleep(0.01)
        with server.away():
            time.sleep(4)
        assert there.end(process) == 0, there.log
        assert 300 <= server.asked <= 300 + 32
    assert there.judge() == there.all_right()
    assert there.log.count("waiting for the engine") == 1
    assert there.log.count("the engine answers again") == 1
    assert max(_attempts(there)) <= 3


def _attempts(there) -> list[int]:
    import sqlite3

    db = sqlite3.connect(there.beside(".dataflow/journal.sqlite"))
    try:
        return [attempts for (attempts,) in db.execute("SELECT attempts FROM results")]
    finally:
        db.close()


def test_a_server_that_stays_away_is_given_up_and_all_answers_are_kept(scene):
    there = scene(300)
    with HostileServer(asks_too=True, delay=0.02) as server:
        process = there.start(server, "--concurrency", 8, "--give-up-after", 2)
        while server.asked < 100:
            time.sleep(0.01)
        with server.away():
            began = time.monotonic()
            assert there.end(process) == 1
            assert 1.5 < time.monotonic() - began < 15
        assert "run the same command again" in there.log
        verdicts = there.judge()
        assert {*verdicts} == {"right", "none"}, "what is answered so far, and null"
        assert there.run(server) == 0
        assert 300 <= server.asked <= 300 + 8
    assert there.judge() == there.all_right()


def test_a_server_that_restarts_again_and_again_costs_no_row(scene):
    there = scene(400)
    with HostileServer(asks_too=True, delay=0.02) as server:
        process = there.start(server, "--concurrency", 16)
        for stop in (60, 160, 260):
            while server.asked < stop:
                time.sleep(0.005)
            with server.away():
                time.sleep(0.7)
        assert there.end(process) == 0, there.log
    assert there.judge() == there.all_right()


@pytest.mark.parametrize("kind", ["requests", "tokens"])
def test_a_rate_limit_is_waited_out_in_whatever_words_it_is_told(scene, kind):
    there = scene(60)
    limit = RateLimit(requests=12) if kind == "requests" else RateLimit(tokens=12 * 109)
    with HostileServer(asks_too=True, limit=limit) as server:
        assert there.run(server, "--concurrency", 32) == 0, there.log
    assert limit.refused > 0
    assert there.judge() == there.all_right()


def test_connections_that_are_listened_to_late_are_only_slow(scene):
    there = scene(40)
    with HostileServer(asks_too=True, accept_delay=1.5) as server:
        assert there.run(server, "--concurrency", 8) == 0, there.log
        assert server.asked == 40
    assert there.judge() == there.all_right()


def test_two_ctrl_c_end_it_at_once_and_keep_what_was_answered(scene):

    there, in_flight = scene(100), 4
    with HostileServer(lambda n: "hang" if n >= 50 else None, asks_too=True) as server:
        process = there.start(server, "--concurrency", in_flight)
        while server.asked < 50 + in_flight:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        time.sleep(0.5)
        assert process.poll() is None, "the first one waits for what is in flight"
        process.send_signal(signal.SIGINT)
        assert there.end(process, timeout=20) == 130
        server.fault = None
        assert there.run(server) == 0
        assert server.asked == 100 + in_flight
    assert there.judge() == there.all_right()


def test_too_few_open_files_stop_the_run_and_are_no_rows_fault(scene):
    there = scene(100)
    with HostileServer(asks_too=True, delay=0.5) as server:
        process = there.start(server, "--concurrency", 64, before=limited(40))
        assert there.end(process, timeout=60) == 1, there.log
        assert "ulimit -n" in there.log
        assert there.errors() == []
        assert there.run(server, "--concurrency", 64) == 0, there.log
    assert there.judge() == there.all_right()


def limited(files: int) -> list[str]:
    return ["sh", "-c", f'ulimit -n {files}; exec "$0" "$@"']
