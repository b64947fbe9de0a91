"""Batches that ended, and whose answers cannot be fetched or read: they are not bought again."""

from __future__ import annotations

import json

import pytest
from aiohttp import web

from dataflow.core.errors import StopRunError
from dataflow.engine.batch import results
from dataflow.engine.runner import run
from tests.servers.batch_server import BatchServer


@pytest.fixture(autouse=True)
def _short_looks(monkeypatch):
    monkeypatch.setattr(results, "LOST_WAITS", (0.01, 0.02))


def requests_in(path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def completion(request: dict) -> dict:
    choice = {"message": {"role": "assistant", "content": "A boat."}, "finish_reason": "stop"}
    return {"id": request["custom_id"], "choices": [choice], "usage": {"prompt_tokens": 9}}


def readable(request: dict) -> bytes:
    response = {"status_code": 200, "body": completion(request)}
    return json.dumps({"custom_id": request["custom_id"], "response": response}).encode() + b"\n"


def in_another_shape(request: dict) -> bytes:
    line = {"custom_id": request["custom_id"], "response": completion(request)}
    return json.dumps(line).encode() + b"\n"


def empty_bodies(request: dict) -> bytes:
    response = {"status_code": 200, "body": {}}
    return json.dumps({"custom_id": request["custom_id"], "response": response}).encode() + b"\n"


@pytest.mark.parametrize("line", [in_another_shape, empty_bodies])
def test_a_batch_of_which_no_line_can_be_read_stops_the_run_and_is_read_by_the_next(
    scene, serving_for, line
):
    made = []

    def answer(path):
        made.append(path)
        return [line(request) for request in requests_in(path)]

    with BatchServer(answer=answer) as server:
        for _ in range(2):
            with pytest.raises(StopRunError, match="none of its 60 lines can be read"):
                run(scene.plan(serving_for(server, requests=60)))
        assert len(made) == 1, "not one request is bought twice"


def test_lines_that_are_missing_are_asked_once_more(scene, serving_for):
    asked = 0

    def answer(path):
        nonlocal asked
        requests = requests_in(path)
        asked += len(requests)
        return [readable(request) for request in requests[:-3]]

    with BatchServer(answer=answer) as server:
        summary = run(scene.plan(serving_for(server, requests=60)))
    assert summary.failed == {"garbled_reply": 3}
    assert asked == 60 + 3


def test_a_file_that_is_gone_stops_the_run_and_names_it(scene, serving_for):
    is_gone = True
    server = BatchServer()
    content = server._content

    async def answer(request):
        return web.json_response({}, status=404) if is_gone else await content(request)

    server._content = answer  # type: ignore[method-assign]
    with server:
        with pytest.raises(StopRunError, match=r"batch \S+ has ended.*cannot be had"):
            run(scene.plan(serving_for(server, requests=60)))
        is_gone = False
        assert run(scene.plan(serving_for(server, requests=60))).captioned == 60
        assert server.worked.total() == 60


def test_a_limit_on_calls_is_waited_for_and_no_row_fails(scene, serving_for):
    with BatchServer(rates={"create_429": 0.7}, seed=3) as server:
        assert run(scene.plan(serving_for(server))).captioned == 60
        assert server.worked.total() == 60
