"""Model files from a hub on loopback: fetched once, and every failure said at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import pytest

from tests.servers.model_hub import FakeHub

pytest.importorskip("huggingface_hub")

REPO = "someone/Eyes-GGUF"
FILES = {
    "README.md": b"read me",
    "Eyes-F16.gguf": b"GGUF" + b"f" * 900,
    "Eyes-Q8_0.gguf": b"GGUF" + b"q" * 3_000_000,
    "mmproj-Eyes-Q8_0.gguf": b"GGUF" + b"m" * 500,
}
ASK = """
import json, logging, sys
from pathlib import Path
from dataflow.core.errors import DataflowError
from dataflow.serving.llamacpp.model_files import read_model_name
from dataflow.serving.weights.model_hub import fetch, find
told = []
pair = read_model_name(sys.argv[1], None)
try:
    files = find(pair.repo, pair.choose, "huggingface") or fetch(
        pair.repo, pair.choose, hub="huggingface", progress=lambda *news: told.append(news),
        stop=lambda: len(told) > int(sys.argv[2]))
    print(json.dumps({"files": [str(f) for f in files], "told": told}))
except DataflowError as error:
    print(json.dumps({"kind": error.kind, "message": error.message}))
"""


@pytest.fixture
def ask(tmp_path):
    """Fetch a model in a process of its own: the hub library reads its address when imported."""

    def run(model, endpoint, stop_after=10**9, **environment):
        variables = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HTTP"))}
        variables |= {"HF_ENDPOINT": endpoint, "HF_HOME": str(tmp_path / "hf"), **environment}
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", ASK, model, str(stop_after)],
            env=variables,
            capture_output=True,
            check=True,
            timeout=60,
        )
        return json.loads(done.stdout)

    return run


def test_the_pair_is_fetched_once_with_progress_and_then_asks_nothing(ask):
    with FakeHub({REPO: FILES}) as hub:
        got = ask(REPO, hub.url)
        assert [f.rpartition("/")[2] for f in got["files"]] == [
            "Eyes-Q8_0.gguf",
            "mmproj-Eyes-Q8_0.gguf",
        ]
        with open(got["files"][0], "rb") as file:
            assert file.read() == FILES["Eyes-Q8_0.gguf"]
        assert got["told"][-1] == [REPO, 3_000_508, 3_000_508]
        hub.asked.clear()
        assert ask(REPO, hub.url)["files"] == got["files"]
        assert hub.asked == []
    # … and needs no hub any more
    assert ask(REPO, hub.url)["files"] == got["files"]
    assert ask(REPO, hub.url, HF_HUB_OFFLINE="1")["files"] == got["files"]


def test_another_file_can_be_asked_for(ask):
    with FakeHub({REPO: FILES}) as hub:
        assert ask(f"{REPO}:f16", hub.url)["files"][0].endswith("/Eyes-F16.gguf")
        assert ask(f"{REPO}:Eyes-Q8_0.gguf", hub.url)["files"][0].endswith("/Eyes-Q8_0.gguf")
        failed = ask(f"{REPO}:q2", hub.url)
    assert failed["kind"] == "unknown_model"
    assert "it has Eyes-F16.gguf, Eyes-Q8_0.gguf" in failed["message"]


def test_a_download_that_is_given_up_leaves_nothing_that_looks_whole(ask):
    with FakeHub({REPO: FILES}) as hub:
        stopped = ask(REPO, hub.url, stop_after=-1)
        assert stopped == {
            "kind": "engine_failed",
            "message": f"fetching {REPO} was given up",
        }
        with open(ask(REPO, hub.url)["files"][0], "rb") as file:
            assert file.read() == FILES["Eyes-Q8_0.gguf"]


def test_a_connection_that_breaks_is_taken_up_again(ask):
    large = b"GGUF" + bytes(range(256)) * 100_000  # the library reads ten megabytes at a time
    with FakeHub({REPO: {**FILES, "Eyes-Q8_0.gguf": large}}, break_after=15_000_000) as hub:
        got = ask(REPO, hub.url)
        assert any("Q8_0.gguf bytes=" in line for line in hub.asked)
        with open(got["files"][0], "rb") as file:
            assert file.read() == large


@pytest.mark.parametrize(
    ("model", "kind", "words"),
    [
        ("someone/else", "unknown_model", "no model someone/else"),
        ("closed/model", "unknown_model", "accept them on its page"),
        ("someone/blind", "unknown_model", "cannot see pictures"),
        ("someone/empty", "unknown_model", "no .gguf model"),
    ],
)
def test_what_the_hub_does_not_give(ask, model, kind, words):
    repos = {"someone/blind": {"a.gguf": b"GGUF"}, "someone/empty": {"a.safetensors": b""}}
    with FakeHub(repos, gated=("closed/model",)) as hub:
        failed = ask(model, hub.url)
    assert failed["kind"] == kind
    assert words in failed["message"]


@pytest.mark.parametrize(
    ("endpoint", "environment"),
    [
        ("http://127.0.0.1:9", {}),
        ("http://no-such-host.invalid", {}),
        ("http://127.0.0.1:9", {"HF_HUB_OFFLINE": "1"}),
    ],
    ids=["refused", "no name", "offline"],
)
def test_no_hub_is_said_at_once_with_the_ways_on(ask, endpoint, environment):
    began = time.monotonic()
    failed = ask(REPO, endpoint, **environment)
    assert time.monotonic() - began < 10
    assert failed["kind"] == "unreachable"
    for way in ("--model demo", "--mmproj", "--api-url"):
        assert way in failed["message"]
