"""The review server over its socket: who may speak to it, and what outlives a kill."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from dataflow.engine.paths import SideFiles
from dataflow.review.session import ReviewSession, ReviewSpec
from tests.paths import ROOT
from tests.review.running import TEXTS, RunningReview, make_dataset


@pytest.fixture
def review(tmp_path: Path) -> Iterator[RunningReview]:
    running = RunningReview(ReviewSpec(path=str(make_dataset(tmp_path)), author="ada"))
    yield running
    running.stop()


def call(address: str, path: str, *, body=None, headers=None, token: bool = True):
    """Status, headers and body of one request."""
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=20)
    if token:
        path += ("&" if "?" in path else "?") + parts.query
    sent = {"Origin": f"http://{parts.netloc}", **(headers or {})}
    data = None if body is None else json.dumps(body)
    connection.request("GET" if body is None else "POST", path, data, sent)
    response = connection.getresponse()
    answer = response.status, dict(response.getheaders()), response.read()
    connection.close()
    return answer


EDIT = {"changes": [{"id": 1, "decision": "edit", "text": "Mine.", "seen": TEXTS[0]}]}


def test_without_the_token_nothing_is_shown_or_changed(review):
    for path, body in (("/", None), ("/api/items", None), ("/api/decide", EDIT)):
        assert call(review.address, path, body=body, token=False)[0] == 403
    assert review.session.index.item(1)["text"] == TEXTS[0]


def test_another_name_for_the_server_is_refused(review):
    assert call(review.address, "/api/items", headers={"Host": "evil.example"})[0] == 403


@pytest.mark.parametrize("origin", ["http://evil.example", "null", ""])
def test_another_page_cannot_change_anything(review, origin):
    status, _, _ = call(review.address, "/api/decide", body=EDIT, headers={"Origin": origin})
    assert status == 403
    assert review.session.index.item(1)["text"] == TEXTS[0]


def test_nothing_but_the_servers_own_files_may_run(review):
    _, headers, _ = call(review.address, "/")
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


@pytest.mark.parametrize(
    "path", ["/static/../server.py", "/static/%2e%2e%2fserver.py", "/picture/1/huge"]
)
def test_no_other_file_is_handed_out(review, path):
    assert call(review.address, path)[0] == 404


def test_a_picture_comes_by_the_row_only_and_small(review):
    status, headers, data = call(review.address, "/picture/1/small")
    assert status == 200
    assert headers["Content-Type"] in ("image/png", "image/jpeg")
    assert len(data) < 20_000


@pytest.mark.parametrize(
    "body",
    [
        {"changes": [{"id": 1, "decision": "edit"}]},
        {"changes": [{"id": "1", "decision": "accept"}]},
        {"changes": [{"id": 1, "decision": "publish"}]},
        [],
    ],
)
def test_a_change_that_makes_no_sense_is_refused_with_a_reason(review, body):
    status, _, data = call(review.address, "/api/decide", body=body)
    assert status == 400
    assert json.loads(data)["error"]


def test_an_edit_is_there_after_the_server_was_started_again(tmp_path):
    path = make_dataset(tmp_path)
    running = RunningReview(ReviewSpec(path=str(path), author="ada"))
    assert call(running.address, "/api/decide", body=EDIT)[0] == 200
    running.stop()
    with ReviewSession(ReviewSpec(path=str(path))) as session:
        assert session.index.item(1)["text"] == "Mine."
        assert session.decisions.history(1)[0].author == "ada"
    assert json.loads(path.read_text().splitlines()[0])["caption"] == TEXTS[0]


def test_an_index_that_is_lost_takes_the_decisions_from_the_journal(tmp_path):
    path = make_dataset(tmp_path)
    running = RunningReview(ReviewSpec(path=str(path), author="ada"))
    call(running.address, "/api/decide", body=EDIT)
    running.stop()
    for file in SideFiles(path).folder.glob("review.sqlite*"):
        file.unlink()
    with ReviewSession(ReviewSpec(path=str(path))) as session:
        assert session.index.item(1)["text"] == "Mine."


SERVER = """
import asyncio, sys
from dataflow.review.session import ReviewSession, ReviewSpec
session = ReviewSession(ReviewSpec(path=sys.argv[1], author="ada"))
asyncio.run(session.serve(lambda address: print(address, flush=True), until=asyncio.Event()))
"""


def test_a_kill_in_the_middle_of_a_bulk_change_leaves_all_of_it_or_nothing(tmp_path):
    path = make_dataset(tmp_path, tuple(f"A red car {n}." for n in range(300)))
    outcomes = set()
    for attempt in range(4):
        process = subprocess.Popen(
            [sys.executable, "-c", SERVER, str(path)], stdout=subprocess.PIPE, text=True, cwd=ROOT
        )
        address = process.stdout.readline().strip()
        parts = urlsplit(address)
        connection = http.client.HTTPConnection(parts.hostname, parts.port)
        body = json.dumps({"kind": "append", "text": f" {attempt}", "filter": ""})
        headers = {"Origin": f"http://{parts.netloc}"}
        connection.request("POST", f"/api/bulk?{parts.query}", body, headers)
        time.sleep(0.02 * attempt)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
        connection.close()
        with ReviewSession(ReviewSpec(path=str(path))) as session:
            rows = session.index.db.execute("SELECT text FROM items ORDER BY id").fetchall()
        ends = {row["text"].endswith(f" {attempt}") for row in rows}
        assert len(ends) == 1
        outcomes |= ends
    assert outcomes
