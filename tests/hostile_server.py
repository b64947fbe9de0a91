"""An OpenAI-compatible server that does everything wrong on demand, over real sockets.

Its caption is derived from the very picture bytes it was sent, so that every mix-up shows. It runs
in a thread of its own, so that plain functions and child processes can use it. Its errors repeat
the key and the picture they were sent, as careless servers do.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import random
import socket
import struct
import threading
import time
from base64 import b64decode
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any, final

KEY = "sk-test-Zq8vKx31nTmP0wLr"
MODEL = "hostile-vlm"


def caption_of(*pictures: bytes) -> str:
    """What the server says about these pictures."""
    digests = " ".join(hashlib.sha256(data).hexdigest()[:16] for data in pictures)
    return f"A picture with the mark {digests}."


@dataclass
class Exchange:
    """One request, and the means to answer it well or badly."""

    writer: asyncio.StreamWriter
    headers: Mapping[str, str]
    body: dict[str, Any]
    number: int
    pictures: list[bytes] = field(default_factory=list)
    base64: str = ""
    caption: str = ""

    async def send(
        self, status: int, body: bytes | dict[str, Any], headers: Mapping[str, str] | None = None
    ) -> None:
        if isinstance(body, dict):
            body = json.dumps(body).encode()
        lines = {"Content-Type": "application/json", "Content-Length": str(len(body))}
        await self.write(self.head(status, {**lines, **(headers or {})}) + body)

    def head(self, status: int, headers: Mapping[str, str]) -> bytes:
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"HTTP/1.1 {status} Whatever\r\n{lines}\r\n".encode()

    async def write(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    def reset(self) -> None:
        """Close with a TCP reset."""
        sock = self.writer.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def error(
        self, status: int, message: str, headers: Mapping[str, str] | None = None, /, **more: Any
    ) -> None:
        leak = f" (you sent {self.headers.get('authorization', '')} and {self.base64[:200]})"
        await self.send(status, {"error": {"message": message + leak, **more}}, headers)

    def completion(self, content: Any, finish_reason: str | None = "stop") -> dict[str, Any]:
        message = {"role": "assistant", "content": content}
        return {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "model": self.body.get("model", MODEL),
            "choices": [{"index": 0, "message": message, "finish_reason": finish_reason}],
            "usage": {"prompt_tokens": 100, "completion_tokens": 9, "total_tokens": 109},
        }

    async def start_stream(self) -> None:
        head = {"Content-Type": "text/event-stream; charset=utf-8", "Connection": "close"}
        await self.write(self.head(200, head))

    async def event(self, data: dict[str, Any] | str) -> None:
        text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
        await self.write(f"data: {text}\n\n".encode())

    async def delta(self, text: str, finish_reason: str | None = None) -> None:
        choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish_reason}
        await self.event({"model": MODEL, "choices": [choice]})

    async def answer(self) -> None:
        """The right answer, in one body or as a stream, as it was asked for."""
        if not self.body.get("stream"):
            await self.send(200, self.completion(self.caption))
            return
        await self.start_stream()
        await self.write(b": a comment\r\n\r\n")
        for start in range(0, len(self.caption), 7):
            await self.delta(self.caption[start : start + 7])
        await self.delta("", "stop")
        usage = {"prompt_tokens": 100, "completion_tokens": 9}
        await self.event({"model": MODEL, "choices": [], "usage": usage})
        await self.event("[DONE]")
        self.writer.close()


Fault = Callable[[Exchange], Awaitable[None]]


def _error(status: int, message: str, headers: Any = None, /, **more: Any) -> Fault:
    async def fault(exchange: Exchange) -> None:
        extra = headers() if callable(headers) else headers
        await exchange.error(status, message, extra, **more)

    return fault


def _body(body: bytes | Callable[[Exchange], Any], status: int = 200, **headers: str) -> Fault:
    async def fault(exchange: Exchange) -> None:
        lines = {name.replace("_", "-"): value for name, value in headers.items()}
        await exchange.send(status, body(exchange) if callable(body) else body, lines)

    return fault


def _later(seconds: float) -> dict[str, str]:
    return {"Retry-After": formatdate(time.time() + seconds, usegmt=True)}


async def _reset_before(exchange: Exchange) -> None:
    exchange.reset()


async def _reset_in_headers(exchange: Exchange) -> None:
    await exchange.write(b"HTTP/1.1 200 OK\r\nContent-Ty")
    exchange.reset()


async def _reset_after_headers(exchange: Exchange) -> None:
    await exchange.write(exchange.head(200, {"Content-Length": "500"}))
    exchange.reset()


async def _cut_body(exchange: Exchange) -> None:
    whole = json.dumps(exchange.completion(exchange.caption)).encode()
    await exchange.write(exchange.head(200, {"Content-Length": str(len(whole))}) + whole[:-40])
    exchange.writer.close()


async def _garbage(exchange: Exchange) -> None:
    await exchange.write(b"\x00\x01\x02 this is no HTTP \xff\xfe\r\n\r\n")
    exchange.writer.close()


async def _hang(exchange: Exchange) -> None:
    await asyncio.sleep(3600)


async def _gigantic(exchange: Exchange) -> None:
    await exchange.write(exchange.head(200, {"Content-Type": "application/json"}))
    for _ in range(400):
        await exchange.write(b" " * 2**17)
    exchange.writer.close()


async def _drip(exchange: Exchange) -> None:
    await exchange.write(exchange.head(200, {"Content-Length": "4000"}))
    for _ in range(4000):
        await exchange.write(b" ")
        await asyncio.sleep(0.05)


async def _stream_stops(exchange: Exchange) -> None:
    await exchange.start_stream()
    await exchange.delta(exchange.caption[:9])
    exchange.writer.close()


async def _stream_resets(exchange: Exchange) -> None:
    await exchange.start_stream()
    await exchange.delta(exchange.caption[:9])
    await asyncio.sleep(0.02)
    exchange.reset()


async def _stream_endless(exchange: Exchange) -> None:
    await exchange.start_stream()
    while True:
        await exchange.delta("and on ")
        await asyncio.sleep(0.02)


async def _stream_error(exchange: Exchange) -> None:
    await exchange.start_stream()
    await exchange.delta(exchange.caption[:9])
    await exchange.event({"error": {"message": "engine died", "code": 500}})
    exchange.writer.close()


async def _stream_garbled(exchange: Exchange) -> None:
    await exchange.start_stream()
    await exchange.event('{"choices": [')
    exchange.writer.close()


async def _stream_lost_end(exchange: Exchange) -> None:
    """The answer is whole; only the stream's own end is lost."""
    await exchange.start_stream()
    await exchange.delta(exchange.caption, "stop")
    await asyncio.sleep(0.02)
    exchange.reset()


_LIMIT = "This model's maximum context length is 4096 tokens"
FAULTS: dict[str, Fault] = {
    "too_long_openai": _error(400, "Too long", code="context_length_exceeded"),
    "too_long_vllm": _error(400, _LIMIT, type="BadRequestError", code=400),
    "too_long_llamacpp": _error(400, "exceeds", type="exceed_context_size_error", code=400),
    "bad_picture": _error(400, "Failed to load image: cannot identify image file", code=400),
    "policy_openai": _error(400, "Rejected", code="content_policy_violation"),
    "policy_azure": _error(400, "Filtered", code="content_filter", status=400),
    "policy_dashscope": _error(400, "Unsafe input", code="data_inspection_failed"),
    "bad_request": _error(400, "Something else is wrong", code=None),
    "401": _error(401, "Incorrect API key provided", code="invalid_api_key"),
    "402": _error(402, "Insufficient Balance"),
    "403": _error(403, "Forbidden"),
    "403_policy": _error(403, "Your input was flagged by moderation", code=403),
    "404_model": _error(404, "The model `nope` does not exist.", code="model_not_found"),
    "404_path": _body(b"<html><body>Not Found</body></html>", 404, Content_Type="text/html"),
    "408": _error(408, "Timeout"),
    "409": _error(409, "Conflict"),
    "413": _error(413, "Entity too large"),
    "422": _body(b'{"detail":[{"msg":"Field required","input":{"x":"secret"}}]}', 422),
    "425": _error(425, "Too early"),
    "429_seconds": _error(429, "Slow down", {"Retry-After": "0.02"}, type="rate_limit_exceeded"),
    "429_date": _error(429, "Slow down", lambda: _later(2)),
    "429_ms": _error(429, "Slow down", {"retry-after-ms": "20"}),
    "429_bare": _error(429, "Slow down"),
    "429_no_money": _error(429, "You exceeded your current quota", code="insufficient_quota"),
    "500": _error(500, "Boom"),
    "502": _body(b"<html>Bad Gateway</html>", 502, Content_Type="text/html"),
    "503": _error(503, "Loading model", {"Retry-After": "0.02"}),
    "504": _body(b"", 504),
    "529": _error(529, "Overloaded", type="overloaded_error"),
    "reset_before": _reset_before,
    "reset_in_headers": _reset_in_headers,
    "reset_after_headers": _reset_after_headers,
    "cut_body": _cut_body,
    "garbage": _garbage,
    "html_200": _body(b"<html><body>Welcome to the proxy</body></html>", Content_Type="text/html"),
    "empty_200": _body(b""),
    "no_choices": _body(b'{"id":"1","choices":[]}'),
    "null_content": _body(lambda x: x.completion(None)),
    "length_no_text": _body(lambda x: x.completion(None, "length")),
    "length": _body(lambda x: x.completion(x.caption[:12], "length")),
    "filter": _body(lambda x: x.completion("", "content_filter")),
    "error_429_in_200": _body(b'{"error":{"message":"Slow down","code":429}}'),
    "error_in_200": _body(b'{"error":{"message":"Hm"}}'),
    "redirect": _body(b"", 307, Location="http://127.0.0.1:9/elsewhere"),
    "gigantic": _gigantic,
    "hang": _hang,
    "drip": _drip,
    "stream_stops": _stream_stops,
    "stream_resets": _stream_resets,
    "stream_endless": _stream_endless,
    "stream_error": _stream_error,
    "stream_garbled": _stream_garbled,
    "stream_lost_end": _stream_lost_end,
}
TRANSIENT = (
    "408", "409", "425", "429_seconds", "429_ms", "429_bare", "500", "502", "503", "504", "529",
    "reset_before", "reset_in_headers", "reset_after_headers", "cut_body", "garbage", "html_200",
    "empty_200", "no_choices", "error_429_in_200", "error_in_200",
)  # fmt: skip
"""Faults that are over when the same request is sent again."""


@final
class HostileServer:
    """The server, running while it is entered.

    Args:
        fault: A fault's name for every request; or a function of a request's number (from 0) that
            gives a name, or None for the right answer.
        rates: Name → share of requests that get this fault, at random from `seed`.
        seed: Of the faults drawn by `rates`.
        delay: Seconds before each answer.
        key: The bearer token that is wanted; None takes any and none.
        model: The one model that is known; None takes any.
        per_second: Requests answered in each second; the others get a 429.

    Attributes:
        asked: Captions asked for.
        faults: How often each fault was served.
        seen: How often the caption of each picture was given, by caption.
        bodies: The last 100 requests' bodies.
        most_in_flight: The most requests that were under way at one time.
    """

    def __init__(
        self,
        fault: str | Callable[[int], str | None] | None = None,
        *,
        rates: Mapping[str, float] | None = None,
        seed: int = 0,
        delay: float = 0.0,
        key: str | None = None,
        model: str | None = None,
        per_second: int | None = None,
    ) -> None:
        self.fault = fault
        self.rates = dict(rates or {})
        self.seed = seed
        self.delay = delay
        self.key = key
        self.model = model
        self.per_second = per_second
        self.asked = 0
        self.faults: Counter[str] = Counter()
        self.seen: Counter[str] = Counter()
        self.bodies: list[dict[str, Any]] = []
        self.most_in_flight = 0
        self._in_flight = 0
        self._window = (0, 0)
        self._port = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/v1"

    def __enter__(self) -> HostileServer:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._call(self._open())
        return self

    def __exit__(self, *_: object) -> None:
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    @contextlib.contextmanager
    def away(self) -> Iterator[None]:
        """The server is gone: its port is closed and its connections are cut."""
        self._call(self._close())
        try:
            yield
        finally:
            self._call(self._open())

    def _call(self, coroutine: Any) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)

    async def _open(self) -> None:
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", self._port, limit=2**26, backlog=1024
        )
        self._port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = self._loop.create_task(self._connection(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while not writer.is_closing():
                start = await reader.readexactly(1)
                if start == b"\x16":
                    break  # somebody speaks TLS
                head = (start + await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                first, *lines = head.split("\r\n")
                pairs = (line.partition(":") for line in lines if line)
                headers = {name.lower(): value.strip() for name, _, value in pairs}
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                await self._request(first, headers, body, writer)
        except asyncio.CancelledError:
            writer.transport.abort()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _request(
        self, first: str, headers: Mapping[str, str], body: bytes, writer: asyncio.StreamWriter
    ) -> None:
        if first.startswith("GET"):
            exchange = Exchange(writer, headers, {}, -1)
            if not self._knows_key(headers):
                await exchange.error(401, "Incorrect API key provided", code="invalid_api_key")
            else:
                await exchange.send(200, {"data": [{"id": self.model or MODEL}]})
            return
        exchange = Exchange(writer, headers, json.loads(body), self.asked)
        self.asked += 1
        self.bodies = [*self.bodies[-99:], exchange.body]
        self._look_at_pictures(exchange)
        self._in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self._in_flight)
        try:
            await asyncio.sleep(self.delay)
            name = self._choose(first, exchange)
            if name is not None:
                self.faults[name] += 1
                await FAULTS[name](exchange)
            else:
                self.seen[exchange.caption] += 1
                await exchange.answer()
        finally:
            self._in_flight -= 1

    def _choose(self, first: str, exchange: Exchange) -> str | None:
        if not self._knows_key(exchange.headers):
            return "401"
        if first.split()[1].partition("?")[0] != "/v1/chat/completions":
            return "404_path"
        if self.model is not None and exchange.body.get("model") != self.model:
            return "404_model"
        if self._is_over_limit():
            return "429_seconds"
        if callable(self.fault):
            return self.fault(exchange.number)
        if self.fault is not None:
            return self.fault
        draw = random.Random(f"{self.seed}:{exchange.number}").random()
        for name, rate in self.rates.items():
            draw -= rate
            if draw < 0:
                return name
        return None

    def _knows_key(self, headers: Mapping[str, str]) -> bool:
        return self.key is None or headers.get("authorization") == f"Bearer {self.key}"

    def _is_over_limit(self) -> bool:
        if self.per_second is None:
            return False
        second, count = self._window
        now = int(time.monotonic())
        self._window = (now, count + 1 if now == second else 1)
        return self._window[1] > self.per_second

    def _look_at_pictures(self, exchange: Exchange) -> None:
        for message in exchange.body.get("messages", ()):
            for part in message["content"]:
                if part["type"] == "image_url":
                    exchange.base64 = part["image_url"]["url"].partition("base64,")[2]
                    exchange.pictures.append(b64decode(exchange.base64, validate=True))
        exchange.caption = caption_of(*exchange.pictures)
