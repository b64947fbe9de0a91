"""A server's entry in a folder: there while it lives, and dead once it is renewed no more."""

from __future__ import annotations

import json
import time

import pytest

from dataflow.core.errors import OutputError
from dataflow.serving import registration
from dataflow.serving.registration import STALE_SECONDS, RegisteredServers, registered

URL = "http://node-7:8000/v1"


class Clock:
    def __init__(self, at=1000.0):
        self.at = at

    def __call__(self):
        return self.at


def addresses(servers):
    return [one.url for one in servers.living()]


def test_an_entry_stands_during_the_block_alone(tmp_path):
    servers = RegisteredServers(tmp_path / "servers")
    assert addresses(servers) == []
    with registered(tmp_path / "servers", URL, "m") as path:
        assert addresses(servers) == [URL]
        assert servers.living()[0].model == "m"
    assert addresses(servers) == []
    assert list(path.parent.iterdir()) == []


def test_an_entry_goes_when_the_block_ends_with_an_error(tmp_path):
    with pytest.raises(ZeroDivisionError), registered(tmp_path, URL, "m"):
        1 / 0  # noqa: B018
    assert list(tmp_path.iterdir()) == []


def test_two_servers_of_one_machine_have_an_entry_each(tmp_path):
    with registered(tmp_path, URL, "m"), registered(tmp_path, "http://node-7:8001/v1", "m"):
        assert addresses(RegisteredServers(tmp_path)) == [URL, "http://node-7:8001/v1"]


def test_the_heartbeat_renews_the_entry(tmp_path, monkeypatch):
    monkeypatch.setattr(registration, "BEAT_SECONDS", 0.01)
    with registered(tmp_path, URL, "m") as path:
        while json.loads(path.read_text())["beat"] < 3:
            time.sleep(0.01)


def test_an_entry_that_is_renewed_no_more_is_stale_by_the_readers_clock(tmp_path):
    clock, watch = Clock(), Clock(0.0)
    servers = RegisteredServers(tmp_path, clock=clock, watch=watch)
    with registered(tmp_path, URL, "m", clock=clock):
        assert addresses(servers) == [URL]
        watch.at += STALE_SECONDS - 1
        assert addresses(servers) == [URL]
        watch.at += 2
        assert addresses(servers) == []


@pytest.mark.parametrize("skew", [-86_400.0, 86_400.0])
def test_a_server_whose_clock_is_wrong_counts_once_a_heartbeat_is_seen(tmp_path, skew):
    servers = RegisteredServers(tmp_path, clock=Clock())
    with registered(tmp_path, URL, "m", clock=Clock(1000.0 + skew)) as path:
        assert addresses(servers) == []
        entry = json.loads(path.read_text())
        path.write_text(json.dumps({**entry, "beat": 1}))
        assert addresses(servers) == [URL]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"url": 5}', "\x00\xff"])
def test_a_file_that_holds_no_entry_is_passed_over(tmp_path, text):
    (tmp_path / "x.server.json").write_text(text)
    (tmp_path / "notes.txt").write_text("http://nobody")
    with registered(tmp_path, URL, "m"):
        assert addresses(RegisteredServers(tmp_path)) == [URL]


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write"), registered(tmp_path / "file", URL, "m"):
        pass
