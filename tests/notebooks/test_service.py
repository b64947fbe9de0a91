"""A web service that captions: a real uvicorn over a socket, callers who hang up, many runs."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import socket
import threading
import time
from pathlib import Path

import aiohttp
import pytest
from PIL import Image

from dataflow.operators.core_vision import ImageCaptionGenerator
from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai
from dataflow.serving.fake import FakeServing
from tests.memory_storage import Memory

uvicorn = pytest.importorskip("uvicorn")

WORKERS = 4
ROWS = 40


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    for number in range(ROWS):
        Image.new("RGB", (20 + number, 10)).save(folder / f"{number}.png")
    return folder


class Service:
    """``POST /N`` captions N rows; who hangs up cancels the run. Served in a thread."""

    def __init__(self, serving, folder) -> None:
        self.operator = ImageCaptionGenerator(serving, "")
        self.folder = folder
        self.cancelled = 0
        listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        config = uvicorn.Config(self, log_level="critical", lifespan="off")
        self.server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=lambda: self.server.run(sockets=[listener]), daemon=True
        )

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.server.should_exit = True
        self._thread.join(20)

    async def __call__(self, scope, receive, send):
        who, count = scope["path"].strip("/").split("/")
        rows = [
            # each caller has questions of its own, so that no answer serves for two
            {"image": str(self.folder / f"{n}.png"), "conversation": question(f"{who} {n}")}
            for n in range(int(count))
        ]
        storage = Memory(rows)
        run = asyncio.ensure_future(self.operator.arun(storage, output_key="caption"))
        gone = asyncio.ensure_future(self._gone(receive))
        await asyncio.wait([run, gone], return_when=asyncio.FIRST_COMPLETED)
        if not run.done():
            run.cancel()
            await asyncio.gather(run, return_exceptions=True)
            self.cancelled += 1
            return
        gone.cancel()
        body = json.dumps([row["caption"] for row in storage.data]).encode()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})

    async def _gone(self, receive):
        while (await receive())["type"] != "http.disconnect":
            pass


def question(text):
    return [{"from": "human", "value": text}]


async def post(session, url, timeout=60.0):
    async with session.post(url, timeout=aiohttp.ClientTimeout(total=timeout)) as answer:
        return await answer.json(content_type=None)


def test_twenty_callers_of_whom_five_hang_up(pictures):
    from tests.servers.hostile_server import MODEL, HostileServer

    with HostileServer(delay=0.05) as server:
        serving = APIVLMServing_openai(server.url, model_name=MODEL, max_workers=WORKERS)
        with Service(serving, pictures) as service:
            found = asyncio.run(twenty(service, server))
    complete = [one for one in found["answers"] if isinstance(one, list)]
    assert len(complete) == 15
    assert all(len(one) == 5 and all(one) for one in complete)
    assert service.cancelled == 5
    assert server.most_in_flight <= WORKERS
    # nobody but those in flight was asked for one who had hung up
    assert server.asked <= 15 * 5 + found["asked_when_cancelled"] + WORKERS


async def twenty(service, server):
    async with aiohttp.ClientSession() as session:
        leaving = [
            asyncio.ensure_future(post(session, f"{service.url}/gone{n}/{ROWS}")) for n in range(5)
        ]
        await until(lambda: server.asked >= WORKERS)
        for one in leaving:
            one.cancel()
        asked = server.asked
        await until(lambda: service.cancelled == 5)
        staying = [post(session, f"{service.url}/stays{n}/5") for n in range(15)]
        answers = await asyncio.gather(*staying, *leaving, return_exceptions=True)
    return {"answers": answers, "asked_when_cancelled": asked}


async def until(condition):
    while not condition():  # noqa: ASYNC110 - it comes true in another thread
        await asyncio.sleep(0.01)


def measured():
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return {
        "threads": threading.active_count(),
        "descriptors": len(os.listdir("/proc/self/fd")),
        "megabytes": pages * os.sysconf("SC_PAGE_SIZE") / 1e6,
    }


def settled(before, after):
    """Whether what was opened is closed again."""
    is_closed = after["descriptors"] <= before["descriptors"] + 2
    return is_closed and after["threads"] <= before["threads"]


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc")
def test_many_runs_leave_no_threads_descriptors_or_memory(pictures):
    runs = int(os.environ.get("SERVICE_RUNS", "120"))

    async def many(service, count):
        async with aiohttp.ClientSession() as session:
            for _ in range(count // 10):
                await asyncio.gather(*(post(session, f"{service.url}/x/2") for _ in range(10)))

    with Service(FakeServing("A cat."), pictures) as service:
        asyncio.run(many(service, 30))
        time.sleep(0.5)
        before = measured()
        asyncio.run(many(service, runs))
        until = time.monotonic() + 20
        while not settled(before, after := measured()) and time.monotonic() < until:
            time.sleep(0.1)
    assert settled(before, after), (before, after)
    assert after["megabytes"] <= before["megabytes"] + 10, (before, after)
    print(runs, before, after)
