"""The Batch API over real sockets, doing everything wrong on demand.

Files go up, batches pass through their states, answers come down. Each caption is derived from the
very picture bytes and question of its line, so that every mix-up shows, and each request that was
worked on is counted, so that everything that is paid twice shows. It runs in a thread of its own.
"""

from __future__ import annotations

import asyncio
import json
import random
import socket
import struct
import tempfile
import time
from base64 import b64decode
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

from aiohttp import web

from tests.loop_thread import LoopThread
from tests.servers.hostile_faults import KEY, MODEL, caption_of
from tests.servers.messages import all_parts

__all__ = ["CALL_FAULTS", "FATES", "KEY", "MODEL", "BatchServer"]

CALL_FAULTS = (
    "upload_reset",
    "upload_lost",
    "upload_500",
    "create_lost",
    "create_500",
    "create_429",
    "poll_500",
    "poll_reset",
    "list_500",
    "content_cut",
    "content_500",
)
"""What goes wrong with one call; a lost one is done, and its reply never comes."""

FATES = (
    "completed",
    "expired",
    "cancelled",
    "all_failed",
    "late_files",
    "strange_lines",
    "failing",
)
"""What comes of a batch: all answered; half of it; none; the files' names a while after the end;
lines that are none of it; a quarter of the requests failed for reasons that pass."""


@dataclass
class Made:
    """A batch."""

    id: str
    number: int
    file: str
    metadata: dict[str, str]
    created: float
    requests: int
    fate: str
    status: str = "validating"
    errors: list[dict[str, Any]] = field(default_factory=list)
    output: str | None = None
    error: str | None = None
    done: int = 0
    is_late: bool = False
    cancel_asked: bool = False


@final
class BatchServer:
    """The server, running while it is entered.

    Args:
        fates: What comes of the first, second … batch that gets beyond validation; then the last.
        rates: Name of a call's fault → share of these calls that meet it.
        seed: Of everything drawn.
        seconds: Between two states of a batch.
        most: Requests enqueued at most, over all batches.
        refuses: Whether a request's question is refused by the content filter, for good.
        answer: Makes the output of a file of requests, instead of the captions.
        has_batches: Whether it has a Batch API at all.
        key: The bearer token that is wanted.

    Attributes:
        worked: How often each custom id was answered with a caption, which is what costs money.
        asked: How often each custom id was worked on.
        met: How often each fault was met, and each fate.
        calls: How often each kind of call came in.
        most_enqueued: The most requests that were enqueued at one time.
        largest_file: Bytes of the largest file that was uploaded.
        lines: The first lines of the last files that were uploaded, parsed.
    """

    def __init__(
        self,
        fates: Sequence[str] = ("completed",),
        *,
        rates: dict[str, float] | None = None,
        seed: int = 0,
        seconds: float = 0.05,
        most: int | None = None,
        refuses: Callable[[str], bool] = lambda _: False,
        answer: Callable[[Path], list[bytes]] | None = None,
        has_batches: bool = True,
        key: str = KEY,
    ) -> None:
        self.key = key
        self.has_batches = has_batches
        self.fates = list(fates)
        self.rates = dict(rates or {})
        self.seconds = seconds
        self.most = most
        self.refuses = refuses
        self.answer = answer
        self.worked: Counter[str] = Counter()
        self.asked: Counter[str] = Counter()
        self.met: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()
        self.lines: list[dict[str, Any]] = []
        self.batches: dict[str, Made] = {}
        self.files: dict[str, dict[str, Any]] = {}
        self.most_enqueued = 0
        self.largest_file = 0
        self._rng = random.Random(seed)
        self._tasks: set[asyncio.Task[None]] = set()
        self._numbers = iter(range(1, 10**9))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/v1"

    def __enter__(self) -> BatchServer:
        self._folder = tempfile.TemporaryDirectory()
        self._thread = LoopThread()
        self._thread.run(self._open(), 30)
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.run(self._close(), 30)
        self._thread.stop()
        self._folder.cleanup()

    async def _open(self) -> None:
        app = web.Application(client_max_size=2**32)
        app.add_routes([web.post("/v1/chat/completions", self._live)])
        batches = (
            [
                web.post("/v1/files", self._upload),
                web.get("/v1/files", self._list_files),
                web.delete("/v1/files/{id}", self._delete),
                web.get("/v1/files/{id}/content", self._content),
                web.post("/v1/batches", self._create),
                web.get("/v1/batches", self._list_batches),
                web.get("/v1/batches/{id}", self._state),
                web.post("/v1/batches/{id}/cancel", self._cancel),
            ]
            if self.has_batches
            else []
        )
        app.add_routes(batches)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self._port = self._runner.addresses[0][1]

    async def _close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._runner.cleanup()

    def _meets(self, request: web.Request, fault: str) -> bool:
        if request.headers.get("Authorization") != f"Bearer {self.key}":
            raise web.HTTPUnauthorized(text='{"error": {"message": "wrong key"}}')
        rate = self.rates.get(fault, 0.0)
        # the first chance is always taken, so that no fault is left out by luck
        is_met = self._rng.random() < rate or (rate > 0 and not self.met[fault])
        self.met[fault] += is_met
        return is_met

    # --- files ---------------------------------------------------------------------------------

    async def _upload(self, request: web.Request) -> web.StreamResponse:
        self.calls["upload"] += 1
        is_reset = self._meets(request, "upload_reset")
        identity = f"file-{next(self._numbers)}"
        path = Path(self._folder.name) / identity
        name, purpose, size = "", "", 0
        async for part in await request.multipart():
            if part.name == "purpose":
                purpose = (await part.read()).decode()
                continue
            name = part.filename
            with path.open("wb") as file:
                while piece := await part.read_chunk(65536):
                    file.write(piece)
                    size += len(piece)
                    if is_reset:
                        return _reset(request)
        assert purpose == "batch"
        if self._meets(request, "upload_500"):
            return _error(500, "try later")
        self._store(identity, name, "batch", size)
        self.largest_file = max(self.largest_file, size)
        with path.open("rb") as file:
            self.lines = [*self.lines[-9:], json.loads(file.readline())]
        return (
            _reset(request) if self._meets(request, "upload_lost") else _json(self.files[identity])
        )

    def _store(self, identity: str, name: str, purpose: str, size: int) -> None:
        self.files[identity] = {
            "id": identity,
            "object": "file",
            "filename": name,
            "purpose": purpose,
            "bytes": size,
            "created_at": int(time.time()),
        }

    async def _list_files(self, request: web.Request) -> web.StreamResponse:
        self.calls["list files"] += 1
        if self._meets(request, "list_500"):
            return _error(500, "try later")
        files = [f for f in self.files.values() if f["purpose"] == request.query["purpose"]]
        return _page(request, files[::-1])

    async def _delete(self, request: web.Request) -> web.StreamResponse:
        self.calls["delete"] += 1
        if self.files.pop(request.match_info["id"], None) is None:
            return _error(404, "no such file")
        (Path(self._folder.name) / request.match_info["id"]).unlink()
        return _json({"deleted": True})

    async def _content(self, request: web.Request) -> web.StreamResponse:
        self.calls["content"] += 1
        if self._meets(request, "content_500"):
            return _error(500, "try later")
        identity = request.match_info["id"]
        if identity not in self.files:
            return _error(404, "no such file")
        path = Path(self._folder.name) / identity
        if not self._meets(request, "content_cut"):
            return web.FileResponse(path)
        response = web.StreamResponse(headers={"Content-Length": str(path.stat().st_size)})
        await response.prepare(request)
        data = path.read_bytes()
        await response.write(data[: self._rng.randrange(len(data))])
        return _reset(request)

    # --- batches -------------------------------------------------------------------------------

    async def _create(self, request: web.Request) -> web.StreamResponse:
        self.calls["create"] += 1
        if self._meets(request, "create_500"):
            return _error(500, "try later")
        if self._meets(request, "create_429"):
            return _error(429, "too many batches")
        wanted = await request.json()
        assert wanted["endpoint"] == "/v1/chat/completions"
        if wanted["input_file_id"] not in self.files:
            return _error(400, "no such input file")
        with (Path(self._folder.name) / wanted["input_file_id"]).open("rb") as file:
            requests = sum(1 for _ in file)
        number = next(self._numbers)
        made = Made(
            f"batch_{number}",
            number,
            wanted["input_file_id"],
            wanted.get("metadata", {}),
            time.time(),
            requests,
            "",
        )
        self.batches[made.id] = made
        task = asyncio.create_task(self._work(made))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if self._meets(request, "create_lost"):
            return _reset(request)
        return _json(_shown(made))

    async def _list_batches(self, request: web.Request) -> web.StreamResponse:
        self.calls["list batches"] += 1
        if self._meets(request, "list_500"):
            return _error(500, "try later")
        return _page(request, [_shown(made) for made in self.batches.values()][::-1])

    async def _state(self, request: web.Request) -> web.StreamResponse:
        self.calls["poll"] += 1
        if self._meets(request, "poll_500"):
            return _error(500, "try later")
        if self._meets(request, "poll_reset"):
            return _reset(request)
        made = self.batches.get(request.match_info["id"])
        if made is None:
            return _error(404, "no such batch")
        shown = _shown(made)
        if made.is_late and made.status == "completed":
            made.is_late = False
            shown |= {"output_file_id": None, "error_file_id": None}
        return _json(shown)

    async def _cancel(self, request: web.Request) -> web.StreamResponse:
        self.calls["cancel"] += 1
        made = self.batches[request.match_info["id"]]
        if made.status not in ("validating", "in_progress"):
            return _error(409, "it has ended")
        made.status, made.cancel_asked = "cancelling", True
        return _json(_shown(made))

    def enqueued(self) -> int:
        working = ("in_progress", "finalizing", "cancelling")
        return sum(m.requests for m in self.batches.values() if m.status in working)

    async def _work(self, made: Made) -> None:
        await asyncio.sleep(self.seconds)
        if self.most is not None and self.enqueued() + made.requests > self.most:
            self.met["token_limit_exceeded"] += 1
            made.status = "failed"
            message = "Enqueued token limit reached for the model. Please try again later."
            made.errors = [{"code": "token_limit_exceeded", "message": message, "line": None}]
            return
        made.fate = self.fates.pop(0) if len(self.fates) > 1 else self.fates[0]
        made.status = "in_progress"
        self.most_enqueued = max(self.most_enqueued, self.enqueued())
        await asyncio.sleep(self.seconds)
        if made.cancel_asked:
            made.fate = "cancelled"
        self.met[made.fate] += 1
        output, errors = await asyncio.to_thread(self._answers, made)
        made.status = "finalizing"
        await asyncio.sleep(self.seconds)
        made.output = self._write(made, "output", output)
        made.error = self._write(made, "error", errors)
        made.done = len(output) + len(errors)
        made.is_late = made.fate == "late_files"
        half = {"expired": "expired", "cancelled": "cancelled"}
        made.status = half.get(made.fate, "completed")

    def _write(self, made: Made, name: str, lines: list[bytes]) -> str | None:
        if not lines:
            return None
        identity = f"file-{made.id}-{name}"
        data = b"".join(lines)
        (Path(self._folder.name) / identity).write_bytes(data)
        self._store(identity, f"{made.id}_{name}.jsonl", "batch_output", len(data))
        return identity

    def _answers(self, made: Made) -> tuple[list[bytes], list[bytes]]:
        """The lines of the output file and of the error file."""
        path = Path(self._folder.name) / made.file
        if self.answer is not None:
            return self.answer(path), []
        rng = random.Random(made.number)
        output: list[bytes] = []
        errors: list[bytes] = []
        with open(path, "rb") as file:
            for line in file:
                self._one(json.loads(line), made.fate, rng, output, errors)
        if made.fate == "strange_lines":
            output += [b'{"custom_id": "nobody", "response": null}\n', b"no JSON\n", b"\n"]
            output += [_line("ab" * 16, 200, _completion("of another")), output[0]]
        rng.shuffle(output)
        rng.shuffle(errors)
        return output, errors

    def _one(
        self,
        asked: dict[str, Any],
        fate: str,
        rng: random.Random,
        output: list[bytes],
        errors: list[bytes],
    ) -> None:
        name = asked["custom_id"]
        if fate in ("expired", "cancelled") and rng.random() < 0.5:
            if fate == "expired":  # cancelled batches leave out what they did not reach
                told = {"code": "batch_expired", "message": "not executed in the time window"}
                errors.append(_line(name, None, None, told))
            return
        self.asked[name] += 1
        caption, question = _caption(asked["body"])
        if self.refuses(question):
            body = {"error": {"code": "content_policy_violation", "message": "flagged"}}
            errors.append(_line(name, 400, body))
        elif fate == "all_failed" or (fate == "failing" and rng.random() < 0.25):
            status = rng.choice([429, 500, 503])
            errors.append(_line(name, status, {"error": {"message": "try later"}}))
        else:
            self.worked[name] += 1
            output.append(_line(name, 200, _completion(caption)))

    async def _live(self, request: web.Request) -> web.StreamResponse:
        self.calls["live"] += 1
        body = await request.json()
        return _json(_completion(_caption(body)[0]))


def _caption(body: dict[str, Any]) -> tuple[str, str]:
    """What the picture and the question of a chat completion's body get, and the question."""
    pictures, question = [], ""
    for part in all_parts(body):
        if part["type"] == "image_url":
            pictures.append(b64decode(part["image_url"]["url"].partition("base64,")[2]))
        else:
            question = part["text"]
    return caption_of(*pictures, question=question), question


def _completion(text: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    return {
        "object": "chat.completion",
        "model": MODEL,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 9, "total_tokens": 109},
    }


def _line(name: str, status: int | None, body: Any, error: Any = None) -> bytes:
    response = None
    if status is not None:
        response = {"status_code": status, "request_id": "req_1", "body": body}
    line = {"id": "batch_req_1", "custom_id": name, "response": response, "error": error}
    return json.dumps(line).encode() + b"\n"


def _shown(made: Made) -> dict[str, Any]:
    return {
        "id": made.id,
        "object": "batch",
        "endpoint": "/v1/chat/completions",
        "errors": {"object": "list", "data": made.errors} if made.errors else None,
        "input_file_id": made.file,
        "completion_window": "24h",
        "status": made.status,
        "output_file_id": made.output,
        "error_file_id": made.error or "",
        "created_at": int(made.created),
        "request_counts": {"total": made.requests, "completed": made.done, "failed": 0},
        "metadata": made.metadata,
    }


PAGE = 10
"""Objects on one page of a list, fewer than are asked for."""


def _page(request: web.Request, found: list[dict[str, Any]]) -> web.Response:
    """Some of a list, in pages smaller than what is asked for, so that there are several."""
    names = [item["id"] for item in found]
    begin = names.index(request.query["after"]) + 1 if "after" in request.query else 0
    page = found[begin : begin + PAGE]
    more = len(found) > begin + PAGE
    return _json({"object": "list", "data": page, "has_more": more})


def _json(value: Any) -> web.Response:
    return web.json_response(value)


def _error(status: int, message: str) -> web.Response:
    return web.json_response({"error": {"message": message}}, status=status)


def _reset(request: web.Request) -> web.Response:
    """Close the connection with a TCP reset."""
    transport = request.transport
    if transport is not None:
        sock = transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    return web.Response(status=500)
