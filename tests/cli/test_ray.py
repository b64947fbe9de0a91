"""`--ray`: actors of a cluster load pictures and ask; nodes, actors and the driver may die.

Ray takes seconds to start and memory for each node, so all of this runs with the slow tests.
"""

from __future__ import annotations

import os
import random
import signal
import time

import pytest

from tests.faults.scene import Scene
from tests.servers.hostile_server import HostileServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def cluster():
    cluster_utils = pytest.importorskip("ray.cluster_utils")
    node = {"num_cpus": 1, "object_store_memory": 80 * 2**20, "include_dashboard": False}
    made = cluster_utils.Cluster(initialize_head=True, head_node_args={**node, "num_cpus": 0})
    made.node_args = {name: value for name, value in node.items() if name != "include_dashboard"}
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
