"""A run in shards: each its part, and one output of all, whatever happens to them."""

from __future__ import annotations

import json
import random
import signal
import time

import pytest

from dataflow.engine.paths import SideFiles
from dataflow.engine.selection.shard import Shard
from tests.faults.scene import Scene
from tests.servers.hostile_server import HostileServer


@pytest.fixture
def server():
    with HostileServer(asks_too=True) as running:
        yield running


def merged(scene, dataflow):
    done = dataflow("merge", scene.output)
    return done.returncode, done.stderr


def shards(count):
    return [f"{n}/{count}" for n in range(1, count + 1)]


def test_shards_make_the_output_of_one_run_and_ask_each_row_once(tmp_path, dataflow, server):
    scene = Scene(tmp_path, 60, 20)
    for shard in shards(3):
        assert scene.run(server, "--shard", shard) == 0, scene.log
        assert not scene.output.exists()
    assert server.asked == 60
    assert merged(scene, dataflow)[0] == 0
    assert scene.judge() == scene.all_right()
    in_shards = scene.output.read_bytes()
    scene.output = tmp_path / "one.jsonl"
    assert scene.run(server) == 0
    assert scene.output.read_bytes() == in_shards


def test_after_a_merge_only_what_is_missing_is_asked_whatever_the_count(tmp_path, dataflow, server):
    scene = Scene(tmp_path, 60, 20)
    for shard in ("1/8", "2/8", "5/8"):
        assert scene.run(server, "--shard", shard) == 0, scene.log
    code, said = merged(scene, dataflow)
    assert code == 3
    assert "no shard began: 3/8, 4/8, 6/8, 7/8, 8/8" in said
    asked = server.asked
    assert scene.judge() == {"right": asked, "none": 60 - asked}
    for shard in ("1/3", "2/3"):
        assert scene.run(server, "--shard", shard) == 0, scene.log
    assert merged(scene, dataflow)[0] == 3
    assert scene.run(server) == 0, scene.log
    assert server.asked == 60
    assert scene.judge() == scene.all_right()


def test_a_shard_with_other_settings_refuses_and_names_the_difference(tmp_path, server):
    scene = Scene(tmp_path, 12, 4)
    assert scene.run(server, "--shard", "1/2") == 0, scene.log
    asked = server.asked
    assert scene.run(server, "--shard", "2/2", "--max-side", 512) == 2
    assert "max_side: '1024' → '512'" in scene.log
    assert scene.run(server, "--shard", "2/3") == 2
    assert "begun in 2 shards" in scene.log
    assert server.asked == asked


def test_a_run_of_the_whole_waits_for_the_merge(tmp_path, dataflow, server):
    scene = Scene(tmp_path, 12, 4)
    assert scene.run(server, "--shard", "1/2") == 0, scene.log
    asked = server.asked
    assert scene.run(server) == 2
    assert "dataflow merge" in scene.log
    assert server.asked == asked


def test_a_merge_waits_for_a_shard_at_work(tmp_path, dataflow):
    scene = Scene(tmp_path, 1_000, 4)
    with HostileServer(asks_too=True, delay=0.3) as server:
        process = scene.start(server, "--shard", "1/1", "--concurrency", 2)
        while server.asked < 4:
            time.sleep(0.01)
        code, said = merged(scene, dataflow)
        process.kill()
        scene.end(process)
    assert code == 1
    assert "shard 1/1 is still at work" in said


def test_status_adds_the_shards_up_and_its_line_runs_those_that_are_missing(
    tmp_path, dataflow, server
):
    scene = Scene(tmp_path, 30, 10)
    for shard in ("1/3", "3/3"):
        assert scene.run(server, "--shard", shard) == 0, scene.log
    told = json.loads(dataflow("status", scene.output, "--json").stdout)
    assert told["captioned"] == server.asked
    assert told["unseen"] == 30 - server.asked
    assert [line["state"] for line in told["shards"]] == ["done", "missing", "done"]
    again = told["retry"].split()
    assert again[-2:] == ["--shard", "2/3"]
    assert dataflow(*again[1:], DF_API_KEY="x").returncode == 0
    told = json.loads(dataflow("status", scene.output, "--json").stdout)
    assert (told["state"], told["captioned"], told["retry"]) == ("done", 30, None)
    assert merged(scene, dataflow)[0] == 0
    assert scene.judge() == scene.all_right()


def test_a_row_that_failed_in_a_shard_is_asked_again_after_the_merge(tmp_path, dataflow):
    scene = Scene(tmp_path, 12, 12)
    (tmp_path / "3.jpg").rename(tmp_path / "away.jpg")
    with HostileServer(asks_too=True) as server:
        assert {scene.run(server, "--shard", shard) for shard in shards(2)} == {0, 3}
        code, said = merged(scene, dataflow)
        assert code == 3, said
        assert [error["kind"] for error in scene.errors()] == ["picture_missing"]
        (tmp_path / "away.jpg").rename(tmp_path / "3.jpg")
        assert scene.run(server) == 0, scene.log
        assert server.asked == 12
    assert scene.judge() == scene.all_right()


def kill_shards(scene, server, count, kills, seed, concurrency):
    """All shards at once, killed at random instants and started again, until all have ended."""
    rng = random.Random(seed)
    left = {
        shard: scene.start(server, "--shard", shard, "--concurrency", concurrency)
        for shard in shards(count)
    }
    killed = 0
    while left:
        time.sleep(rng.uniform(0.1, 0.6))
        if killed < kills:
            shard = rng.choice(list(left))
            if left[shard].poll() is None:
                left[shard].kill()
                killed += 1
        for shard, process in list(left.items()):
            if process.poll() is None:
                continue
            code = scene.end(process)
            del left[shard]
            if code != 0:
                assert code == -signal.SIGKILL, scene.log
                left[shard] = scene.start(server, "--shard", shard, "--concurrency", concurrency)
    return killed


def leave_lock(scene, shard):
    """A lock as the shard of another machine leaves it that is gone for an hour."""
    lock = SideFiles(scene.output, shard=shard.name).lock
    lock.parent.mkdir(parents=True)
    lease = {"host": "a-node-that-is-gone", "process": 7, "renewed": time.time() - 3600}
    lock.write_text(json.dumps(lease))


@pytest.mark.parametrize(
    ("rows", "count", "kills"),
    [
        (200, 3, 3),
        pytest.param(20_000, 8, 30, marks=[pytest.mark.slow, pytest.mark.timeout(900)]),
    ],
)
def test_shards_that_are_killed_lose_nothing_and_pay_what_was_in_flight(
    tmp_path, dataflow, rows, count, kills
):
    scene, concurrency = Scene(tmp_path, rows, 20), 4
    with HostileServer(asks_too=True, delay=0.01) as server:
        for shard in (Shard(1, count), Shard(2, count)):
            leave_lock(scene, shard)
        killed = kill_shards(scene, server, count, kills, 7, concurrency)
        assert killed == kills
        assert scene.run(server, "--shard", f"{count}/{count}", "--max-side", 512) == 2
        assert merged(scene, dataflow)[0] == 0
        assert scene.judge() == scene.all_right()
        assert server.asked <= rows + killed * concurrency
        in_shards = scene.output.read_bytes()
        scene.output = tmp_path / "one.jsonl"
        assert scene.end(scene.start(server, "--concurrency", 32), 600) == 0, scene.log
    assert scene.output.read_bytes() == in_shards
