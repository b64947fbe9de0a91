"""Servers that join and leave while a run works: no row fails, none is asked twice."""

from __future__ import annotations

import contextlib
import threading
import time

import pytest

from dataflow.serving import load_balancer
from dataflow.serving.registration import registered
from tests.faults.scene import Scene
from tests.servers.hostile_server import MODEL, HostileServer


@pytest.fixture(autouse=True)
def _at_once(monkeypatch):
    monkeypatch.setattr(load_balancer, "WATCH_SECONDS", 0.02)


@contextlib.contextmanager
def meanwhile(changes):
    """Make `changes` in a thread; the run is in the block."""
    thread = threading.Thread(target=changes, daemon=True)
    thread.start()
    yield
    thread.join(60)


def caption(scene, endpoints):
    words = ["caption", scene.data, "-o", scene.output, "--endpoints", endpoints]
    return scene.run_words(*words, "--model", MODEL)


def wait_for(condition):
    while not condition():
        time.sleep(0.005)


def two_servers(delay):
    return HostileServer(asks_too=True, delay=delay), HostileServer(asks_too=True, delay=0.002)


def test_servers_of_a_file_that_join_and_leave_answer_each_row_once(tmp_path):
    scene, servers = Scene(tmp_path, 200, 20), tmp_path / "servers.txt"
    first, second = two_servers(0.05)
    with first as one, second as other:
        servers.write_text(f"{one.url}\n")

        def changes():
            wait_for(lambda: one.asked > 20)
            servers.write_text(f"{one.url}\n{other.url}\n")
            wait_for(lambda: other.asked > 20)
            servers.write_text(f"{other.url}\n\n")

        with meanwhile(changes):
            assert caption(scene, servers) == 0, scene.log
        assert scene.judge() == scene.all_right()
        assert one.asked + other.asked == 200


def test_a_run_waits_for_a_server_that_registers_later(tmp_path):
    scene, folder = Scene(tmp_path, 120, 20), tmp_path / "servers"
    folder.mkdir()
    first, second = two_servers(0.02)
    over = threading.Event()
    with first as one, second as other:

        def changes():
            time.sleep(0.1)
            with registered(folder, one.url, MODEL):
                wait_for(lambda: one.asked > 20)
                with registered(folder, other.url, MODEL):
                    over.wait(60)

        with meanwhile(changes):
            code = caption(scene, folder)
            over.set()
        assert code == 0, scene.log
        assert scene.judge() == scene.all_right()
        assert one.asked + other.asked == 120


def test_a_server_that_is_cut_off_costs_no_row(tmp_path):
    scene, servers = Scene(tmp_path, 200, 20), tmp_path / "servers.txt"
    first, second = two_servers(0.05)
    over = threading.Event()
    with first as one, second as other:
        servers.write_text(f"{one.url}\n{other.url}\n")

        def changes():
            wait_for(lambda: one.asked > 3)
            with one.away():
                servers.write_text(f"{other.url}\n")
                over.wait(60)

        with meanwhile(changes):
            code = caption(scene, servers)
            over.set()
        assert code == 0, scene.log
        assert scene.judge() == scene.all_right()
