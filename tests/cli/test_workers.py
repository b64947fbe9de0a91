"""`--workers N`: processes load pictures and ask, one process decides and keeps everything."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest

from tests.faults.scene import Scene
from tests.servers.hostile_server import HostileServer


@pytest.fixture
def server():
    with HostileServer(asks_too=True) as running:
        yield running


def workers_of(process):
    """The process ids of a run's workers."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                words = (folder / "cmdline").read_bytes().split(b"\0")
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            if parent == process.pid and b"dataflow.serving.workers.process" in words:
                found.append(int(folder.name))
    return found


def wait_for(condition, seconds=60):
    until = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.01)
    return found


def test_workers_make_the_output_of_one_process_and_ask_each_row_once(tmp_path, server):
    scene = Scene(tmp_path, 60, 20)
    assert scene.run(server, "--workers", 2) == 0, scene.log
    assert server.asked == 60
    assert scene.judge() == scene.all_right()
    assert scene.run(server) == 0, scene.log  # what workers answered, one process knows
    assert server.asked == 60


def test_a_picture_that_is_missing_or_broken_fails_its_row_as_without_workers(tmp_path, server):
    scene = Scene(tmp_path, 12, 12)
    (tmp_path / "3.jpg").unlink()
    (tmp_path / "5.jpg").write_bytes(b"\xff\xd8\xff broken")
    assert scene.run(server, "--workers", 1) == 3
    errors = scene.errors()
    scene.beside(".errors.jsonl").unlink()
    scene.output = tmp_path / "one.jsonl"
    assert scene.run(server) == 3
    plain = scene.errors()
    assert [(e["row"], e["kind"], e["message"]) for e in errors] == [
        (e["row"], e["kind"], e["message"]) for e in plain
    ]


def test_the_limits_of_the_run_hold_for_all_workers_together(tmp_path, server):
    scene = Scene(tmp_path, 30, 10)
    with HostileServer(asks_too=True, delay=0.02) as server:
        assert scene.run(server, "--workers", 2, "--concurrency", 3) == 0, scene.log
        assert server.most_in_flight <= 3


def test_an_error_that_a_person_must_mend_stops_the_run(tmp_path):
    scene = Scene(tmp_path, 12, 4)
    with HostileServer("401") as server:
        assert scene.run(server, "--workers", 2) == 1
        assert server.asked <= 12
    assert "key" in scene.log


def test_a_worker_that_is_killed_loses_nothing_and_what_it_had_is_asked_once_more(tmp_path):
    scene, concurrency, kills = Scene(tmp_path, 400, 20), 6, 3
    with HostileServer(asks_too=True, delay=0.02) as server:
        process = scene.start(server, "--workers", 2, "--concurrency", concurrency)
        for number in range(1, kills + 1):
            wait_for(lambda at=number: server.asked > at * 80)
            os.kill(wait_for(lambda: workers_of(process))[0], signal.SIGKILL)
        assert scene.end(process) == 0, scene.log
        assert scene.judge() == scene.all_right()
        assert server.asked <= 400 + kills * concurrency
    assert "was lost (ended by SIGKILL)" in scene.log
    assert "3 workers were lost" in scene.log


def test_workers_end_with_the_run_however_it_ends(tmp_path):
    scene = Scene(tmp_path, 1_000, 4)
    with HostileServer(asks_too=True, delay=0.05) as server:
        process = scene.start(server, "--workers", 2, "--concurrency", 4)
        wait_for(lambda: server.asked > 8)
        found = workers_of(process)
        assert len(found) == 2
        process.kill()
        scene.end(process)
        wait_for(lambda: not any(Path(f"/proc/{one}").exists() for one in found), 20)
        asked = server.asked
        assert scene.run(server, "--workers", 2) == 0, scene.log
        assert server.asked <= 1_000 + 4
        assert asked > 8
    assert scene.judge() == scene.all_right()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--batch"], "--workers and --batch exclude each other"),
        (["--fallback-model", "other"], "--workers and --fallback-model exclude each other"),
    ],
)
def test_what_workers_cannot_do_is_refused(tmp_path, server, more, said):
    scene = Scene(tmp_path, 2, 2)
    assert scene.run(server, "--workers", 2, *more) == 2
    assert said in scene.log


def test_a_run_with_workers_leaves_no_key_behind(tmp_path):
    from tests.faults.scene import KEY, leaks

    scene = Scene(tmp_path, 12, 4)
    with HostileServer(asks_too=True, key=KEY) as server:
        assert scene.run(server, "--workers", 2) == 0, scene.log
    assert leaks(tmp_path, scene.log) == []
    assert json.loads(scene.output.read_text().splitlines()[0])["caption"]
