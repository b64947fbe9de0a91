"""`dataflow serve`: an engine for other machines, in a folder while it is up."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
import urllib.error
import urllib.request

import pytest

from dataflow.app import serve as module
from dataflow.app.options.commands.serve import ServeOptions
from dataflow.app.serve import serve
from dataflow.core.errors import UsageError

KEY = "a-key-of-the-cluster"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("DF_API_KEY", KEY)
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.02)
    return tmp_path / "servers"


@pytest.fixture
def made(monkeypatch):
    """The servings that were made."""
    found, real = [], module._serving_of

    def make(options):
        found.append(real(options))
        return found[-1]

    monkeypatch.setattr(module, "_serving_of", make)
    return found


@pytest.fixture
def server(folder, made):
    """The demo engine, served until the test ends."""
    pytest.importorskip("xllamacpp")
    over, errors = threading.Event(), []
    options = ServeOptions(model="demo", register=str(folder), host="127.0.0.1", drain=0.0)

    def run():
        try:
            serve(options, stop=over.is_set)
        except Exception as error:  # noqa: BLE001 - shown by the test
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    yield lambda: wait_for_entry(folder, errors)
    over.set()
    thread.join(60)
    assert not errors
    assert list(folder.iterdir()) == []


def wait_for_entry(folder, errors, former=None):
    until = time.monotonic() + 90
    while time.monotonic() < until and not errors:
        for path in folder.glob("*.server.json"):
            entry = json.loads(path.read_text())
            if entry["url"] != former:
                return entry
        time.sleep(0.02)
    raise AssertionError(errors or "no server is entered")


def models(url, key):
    request = urllib.request.Request(f"{url}/models", headers={"Authorization": f"Bearer {key}"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read())["data"]


def test_the_server_is_entered_once_it_answers_and_asks_for_the_key(server, folder):
    entry = server()
    assert models(entry["url"], KEY)
    assert KEY not in "".join(path.read_text() for path in folder.iterdir())
    request = urllib.request.Request(
        f"{entry['url']}/chat/completions", data=b"{}", headers={"Authorization": "Bearer other"}
    )
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(request, timeout=30)


def test_without_a_key_nothing_is_served(folder, monkeypatch):
    monkeypatch.delenv("DF_API_KEY")
    with pytest.raises(UsageError, match="set DF_API_KEY"):
        serve(ServeOptions(model="demo", register=str(folder)))
    assert not folder.exists()


def test_an_engine_that_dies_is_started_again_and_entered_again(server, folder, made):
    first = server()
    os.kill(made[0].child().engine_pid, signal.SIGKILL)
    second = wait_for_entry(folder, [], former=first["url"])
    assert models(second["url"], KEY)
