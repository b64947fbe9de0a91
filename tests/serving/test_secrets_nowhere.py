"""Secrets planted at every entry are at no exit: a table, entries × exits."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator

import pytest
from aiohttp import web

from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai
from tests.loop_thread import LoopThread

KEY = "sk-planted-KEY-0123456789"
HEADER = "planted-HEADER-0123456789"
QUERY = "planted-QUERY-0123456789"
SIGNATURE = "planted-SIGNATURE-0123456789"
PASSWORD = "planted-PASSWORD-0123456789"
PLANTED = {
    "the API key": KEY,
    "a header": HEADER,
    "the URL's query": QUERY,
    "a redirect's signature": SIGNATURE,
    "a proxy's password": PASSWORD,
}


@pytest.fixture
def parrot() -> Iterator[str]:
    """A server that repeats whatever it was sent, in good replies and in bad ones."""
    thread = LoopThread()
    ports = []

    async def answer(request: web.Request) -> web.StreamResponse:
        body = await request.json()
        sent = f"{dict(request.headers)} {request.url}"
        mode = body["model"]
        if mode == "redirect":
            raise web.HTTPFound(f"https://login.example/x?sig={SIGNATURE}&key={KEY}")
        if mode.isdigit():
            hours = {"Retry-After": "86400"} if mode == "429" else {}
            return web.json_response({"error": {"message": sent}}, status=int(mode), headers=hours)
        choice = {
            "message": {"content": f"A photo. {sent}"},
            "finish_reason": "stop" if mode == "good" else f"odd {KEY}",
        }
        return web.json_response({"id": sent, "model": sent, "choices": [choice]})

    async def start() -> None:
        app = web.Application()
        app.router.add_post("/v1/chat/completions", answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        ports.append(site._server.sockets[0].getsockname()[1])  # type: ignore[union-attr]
        thread.runner = runner  # type: ignore[attr-defined]

    thread.run(start(), 10)
    yield f"http://127.0.0.1:{ports[0]}/v1?code={QUERY}"
    thread.run(thread.runner.cleanup(), 10)  # type: ignore[attr-defined]
    thread.stop()


def everything(folder) -> bytes:
    """All that a run left behind."""
    return b"".join(
        file.read_bytes() for file in folder.rglob("*") if file.is_file() and file.suffix != ".jpg"
    )


@pytest.mark.parametrize("mode", ["good", "odd", "redirect", "400", "401", "429", "500"])
def test_no_planted_secret_is_shown_or_kept(mode, parrot, photos, tmp_path):
    """Exits: standard output and error, output with its meta, errors file, journal, status."""
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "in.jsonl").write_text(
        "".join(json.dumps({"image": str(path)}) + "\n" for path in photos[:3])
    )
    environment = {
        **os.environ,
        "DF_API_KEY": KEY,
        "MY_HEADER": HEADER,
        "HTTPS_PROXY": f"http://user:{PASSWORD}@127.0.0.1:9",
    }
    command = [sys.executable, "-m", "dataflow"]
    caption = ["caption", "in.jsonl", "-o", "out.jsonl", "--api-url", parrot, "--model", mode,
               "--header", "X-Mine: $MY_HEADER", "--meta", "--give-up-after", "0.1",
               "--no-checks"]  # fmt: skip
    seen = b""
    for arguments in (caption, ["status", "out.jsonl"]):
        done = subprocess.run(
            [*command, *arguments], cwd=folder, env=environment, capture_output=True, timeout=60
        )
        seen += done.stdout + done.stderr
    seen += everything(folder)
    assert [name for name, secret in PLANTED.items() if secret.encode() in seen] == []


def test_a_pickled_serving_holds_no_secret_and_finds_its_key_again(monkeypatch):
    monkeypatch.setenv("MY_KEY", KEY)
    monkeypatch.setenv("MY_HEADER", HEADER)
    serving = APIVLMServing_openai(
        "https://host.example/v1", "MY_KEY", "m", headers={"X-Mine": "$MY_HEADER"}
    )
    pickled = pickle.dumps(serving)
    assert KEY.encode() not in pickled
    assert HEADER.encode() not in pickled
    copy = pickle.loads(pickled)
    assert copy._credentials.headers == serving._credentials.headers
    assert KEY not in f"{serving!r}{vars(serving)!r}"
