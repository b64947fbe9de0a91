"""`--ray`: actors of a cluster load pictures and ask; nodes, actors and the driver may die.

Ray takes seconds to start and memory for each node, so all of this runs with the slow tests.
"""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import time

import pytest

from dataflow.core.errors import JournalError
from dataflow.engine.journal.read_only import JournalView
from tests.faults.scene import COMMAND, Scene
from tests.paths import ROOT
from tests.servers.hostile_server import HostileServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


# --- before there is a cluster on this machine


def test_without_an_address_a_cluster_of_this_machine_is_started(tmp_path):
    pytest.importorskip("ray")
    scene = Scene(tmp_path, 60, 20)
    with HostileServer(asks_too=True) as server:
        process = scene.start(server, "--ray", "--replicas", 2)
        assert scene.end(process, 200) == 0, scene.log
        assert scene.judge() == scene.all_right()
        assert server.asked == 60


def test_no_cluster_at_the_address_is_said(tmp_path):
    pytest.importorskip("ray")
    scene = Scene(tmp_path, 2, 2)
    with HostileServer() as server:
        process = scene.start(server, "--ray=127.0.0.1:1")
        assert scene.end(process) == 1
    assert "no Ray cluster at 127.0.0.1:1" in scene.log


# --- on a cluster


@pytest.fixture(scope="module")
def cluster():
    cluster_utils = pytest.importorskip("ray.cluster_utils")
    node = {"num_cpus": 1, "object_store_memory": 80 * 2**20, "include_dashboard": False}
    made = cluster_utils.Cluster(initialize_head=True, head_node_args={**node, "num_cpus": 0})
    made.node_args = {name: value for name, value in node.items() if name != "include_dashboard"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "disabled")  # as this cluster has it
        yield made
    made.shutdown()


@pytest.fixture
def nodes(cluster):
    """Three nodes of one actor each."""
    made = [cluster.add_node(**cluster.node_args) for _ in range(3)]
    cluster.wait_for_nodes()
    yield made
    for node in made:
        if node in cluster.worker_nodes:
            cluster.remove_node(node)


def actors():
    """The process ids of the actors of this program."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdecimal():
            try:
                with open(f"/proc/{name}/cmdline", "rb") as file:
                    words = file.read()
            except OSError:
                continue
            if b"ray::" in words and b"RayWorker" in words:
                found.append(int(name))
    return found


def kill_some(scene, server, process, cluster, nodes, kills, rows):
    """Kill actors and nodes at random while the run goes; returns how often."""
    rng, killed = random.Random(3), 0
    while process.poll() is None and killed < kills:
        time.sleep(rng.uniform(0.3, 1.0))
        if server.asked < rows * (killed + 1) / (kills + 2):
            continue
        if killed % 5 == 4:
            node = rng.choice(nodes)
            cluster.remove_node(node, allow_graceful=False)
            nodes.remove(node)
            nodes.append(cluster.add_node(**cluster.node_args))
        elif found := actors():
            os.kill(rng.choice(found), signal.SIGKILL)
        else:
            continue
        killed += 1
    return killed


def test_actors_and_nodes_that_are_killed_lose_nothing(tmp_path, cluster, nodes):
    scene, concurrency, kills, rows = Scene(tmp_path, 3_000, 20), 6, 10, 3_000
    with HostileServer(asks_too=True, delay=0.05) as server:
        process = scene.start(
            server, f"--ray={cluster.address}", "--replicas", 3, "--concurrency", concurrency
        )
        killed = kill_some(scene, server, process, cluster, nodes, kills, rows)
        assert scene.end(process, 300) == 0, scene.log
        assert killed == kills
        assert scene.judge() == scene.all_right()
        assert server.asked <= rows + kills * concurrency


def test_a_driver_that_is_killed_goes_on_where_it_was(tmp_path, cluster, nodes):
    scene, concurrency, rows = Scene(tmp_path, 600, 20), 6, 600
    with HostileServer(asks_too=True, delay=0.05) as server:
        for until in (150, 350):
            process = scene.start(
                server, f"--ray={cluster.address}", "--replicas", 2, "--concurrency", concurrency
            )
            while server.asked < until:
                time.sleep(0.02)
                assert process.poll() is None, scene.end(process) or scene.log
            process.kill()
            scene.end(process)
        process = scene.start(server, f"--ray={cluster.address}", "--replicas", 2)
        assert scene.end(process) == 0, scene.log
        assert scene.judge() == scene.all_right()
        assert server.asked <= rows + 2 * concurrency


def started_and_let_go(log):
    """The workers that were added and let go, in the order in which the run says it."""
    found = re.findall(r"worker (\d+) (of at most|has nothing to do and is let go)", log)
    return [int(number) if said == "of at most" else -1 for number, said in found]


def test_actors_follow_what_waits_from_one_to_three_and_back(tmp_path, cluster, nodes):
    scene, rows = Scene(tmp_path, 240, 20), 240
    with HostileServer(asks_too=True, delay=0.5) as server:
        process = scene.start(
            server, f"--ray={cluster.address}", "--replicas", "1..3", "--concurrency", 6
        )
        while server.asked < rows - 1:
            time.sleep(0.005)
            assert process.poll() is None, scene.end(process) or scene.log
        server.delay = 25.0  # one row keeps the run, and two actors have nothing to do
        assert scene.end(process, 200) == 0, scene.log
    assert started_and_let_go(scene.log) == [2, 3, -1, -1], scene.log
    assert scene.judge() == scene.all_right()
    assert server.asked == rows


def memory_of(process):
    """The driver's resident memory in MB."""
    with open(f"/proc/{process.pid}/status") as file:
        return next(int(line.split()[1]) / 1024 for line in file if line.startswith("VmRSS"))


def test_the_drivers_memory_does_not_grow_with_the_rows(tmp_path, cluster, nodes):
    scene, rows, found = Scene(tmp_path, 6_000, 20), 6_000, []
    with HostileServer(asks_too=True) as server:
        process = scene.start(
            server, f"--ray={cluster.address}", "--replicas", 3, "--concurrency", 24
        )
        for share in (0.25, 0.5, 0.75, 0.95):
            while server.asked < rows * share:
                time.sleep(0.01)
                assert process.poll() is None, scene.end(process) or scene.log
            found.append(memory_of(process))
        assert scene.end(process, 300) == 0, scene.log
    assert scene.judge() == scene.all_right()
    print("driver, MB at a quarter, half, three quarters and the end:", [round(x) for x in found])
    assert found[-1] - found[0] < 20, found


def test_each_actor_has_a_llamacpp_engine_of_its_own_and_may_die(tmp_path, cluster, nodes):
    pytest.importorskip("xllamacpp")
    count, kills = 300, 3
    draw = [sys.executable, ROOT / "demo" / "scenes.py", tmp_path / "scenes", "--count", count]
    subprocess.run([*map(str, draw), "--seed", "7000000"], check=True, capture_output=True)
    lines = (tmp_path / "scenes" / "truth.jsonl").read_text().splitlines()
    (tmp_path / "scenes" / "truth.jsonl").unlink()
    truth = {row["image"]: row["caption"] for row in map(json.loads, lines)}
    words = [COMMAND, "caption", "scenes", "-o", "out.jsonl", "--model", "demo"]
    words += [f"--ray={cluster.address}", "--replicas", "3"]
    process = subprocess.Popen(words, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    journal, killed = JournalView(tmp_path / "out.jsonl.dataflow" / "journal.sqlite"), 0
    while killed < kills:
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
        if len(answers(journal)) > count * (killed + 1) / (kills + 2):
            os.kill(random.Random(killed).choice(actors()), signal.SIGKILL)
            killed += 1
    said = process.communicate(timeout=300)[1]
    assert process.returncode == 0, said
    found = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert len(found) == count
    right = sum(row["caption"] == truth[os.path.basename(row["image"])] for row in found)
    print(f"{right} of {count} scenes are described exactly, after {killed} kills")
    assert right >= 0.97 * count


def answers(journal):
    """The results so far; none while the journal is made."""
    try:
        return journal.new_results(0)
    except JournalError:
        return []
