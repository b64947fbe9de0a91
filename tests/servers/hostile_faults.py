"""The ways in which a server goes wrong, each by name; see `tests.servers.hostile_server`.

Every fault is a sentence about the server, for `docs/errors.md`, and the code that does it.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import socket
import struct
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any

KEY = "sk-test-Zq8vKx31nTmP0wLr"
MODEL = "hostile-vlm"


USAGE = {"prompt_tokens": 100, "completion_tokens": 9, "total_tokens": 109}


def caption_of(*pictures: bytes, question: str = "") -> str:
    """What the server says about these pictures, and about the question where it tells that."""
    digests = " ".join(hashlib.sha256(data).hexdigest()[:16] for data in pictures)
    asked = f" Asked {hashlib.sha256(question.encode()).hexdigest()[:16]}." if question else ""
    return f"A picture with the mark {digests}.{asked}"


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
    question: str = ""
    more_headers: Mapping[str, str] = field(default_factory=dict)
    usage: Mapping[str, Any] = field(default_factory=lambda: USAGE)

    async def send(
        self, status: int, body: bytes | dict[str, Any], headers: Mapping[str, str] | None = None
    ) -> None:
        if isinstance(body, dict):
            body = json.dumps(body).encode()
        lines = {"Content-Type": "application/json", "Content-Length": str(len(body))}
        await self.write(
            self.head(status, {**lines, **self.more_headers, **(headers or {})}) + body
        )

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
            "usage": dict(self.usage),
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
        await self.event({"model": MODEL, "choices": [], "usage": dict(self.usage)})
        await self.event("[DONE]")
        self.writer.close()


Serve = Callable[[Exchange], Awaitable[None]]


@dataclass(frozen=True)
class Fault:
    """One way to go wrong.

    Attributes:
        what: What the server does.
        serve: Does it, in place of the right answer.
    """

    what: str
    serve: Serve


def _error(status: int, message: str, headers: Any = None, /, **more: Any) -> Serve:
    async def fault(exchange: Exchange) -> None:
        extra = headers() if callable(headers) else headers
        await exchange.error(status, message, extra, **more)

    return fault


def _body(body: bytes | Callable[[Exchange], Any], status: int = 200, **headers: str) -> Serve:
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


async def _stream_drip(exchange: Exchange) -> None:
    await exchange.start_stream()
    for letter in exchange.caption * 100:
        await exchange.delta(letter)
        await asyncio.sleep(0.05)


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
    "too_long_openai": Fault(
        "400 `context_length_exceeded`", _error(400, "Too long", code="context_length_exceeded")
    ),
    "too_long_vllm": Fault(
        "400 “maximum context length is …”", _error(400, _LIMIT, type="BadRequestError", code=400)
    ),
    "too_long_llamacpp": Fault(
        "400 `exceed_context_size_error`",
        _error(400, "exceeds", type="exceed_context_size_error", code=400),
    ),
    "bad_picture": Fault(
        "400 “Failed to load image”",
        _error(400, "Failed to load image: cannot identify image file", code=400),
    ),
    "policy_openai": Fault(
        "400 `content_policy_violation`", _error(400, "Rejected", code="content_policy_violation")
    ),
    "policy_azure": Fault(
        "400 `content_filter`", _error(400, "Filtered", code="content_filter", status=400)
    ),
    "policy_dashscope": Fault(
        "400 `data_inspection_failed`", _error(400, "Unsafe input", code="data_inspection_failed")
    ),
    "bad_request": Fault(
        "400 for another reason", _error(400, "Something else is wrong", code=None)
    ),
    "401": Fault("401", _error(401, "Incorrect API key provided", code="invalid_api_key")),
    "402": Fault("402", _error(402, "Insufficient Balance")),
    "403": Fault("403", _error(403, "Forbidden")),
    "403_policy": Fault(
        "403 “flagged by moderation”", _error(403, "Your input was flagged by moderation", code=403)
    ),
    "404_model": Fault(
        "404 `model_not_found`",
        _error(404, "The model `nope` does not exist.", code="model_not_found"),
    ),
    "404_path": Fault(
        "404 for the path",
        _body(b"<html><body>Not Found</body></html>", 404, Content_Type="text/html"),
    ),
    "408": Fault("408", _error(408, "Timeout")),
    "409": Fault("409", _error(409, "Conflict")),
    "413": Fault("413", _error(413, "Entity too large")),
    "422": Fault(
        "422", _body(b'{"detail":[{"msg":"Field required","input":{"x":"secret"}}]}', 422)
    ),
    "425": Fault("425", _error(425, "Too early")),
    "429_seconds": Fault(
        "429, `Retry-After` in seconds",
        _error(429, "Slow down", {"Retry-After": "0.02"}, type="rate_limit_exceeded"),
    ),
    "429_date": Fault("429, `Retry-After` as a date", _error(429, "Slow down", lambda: _later(2))),
    "429_ms": Fault("429, `retry-after-ms`", _error(429, "Slow down", {"retry-after-ms": "20"})),
    "429_bare": Fault("429 without a word on when", _error(429, "Slow down")),
    "429_no_money": Fault(
        "429 `insufficient_quota`",
        _error(429, "You exceeded your current quota", code="insufficient_quota"),
    ),
    "500": Fault("500", _error(500, "Boom")),
    "502": Fault(
        "502, with an HTML page", _body(b"<html>Bad Gateway</html>", 502, Content_Type="text/html")
    ),
    "503": Fault("503, `Retry-After`", _error(503, "Loading model", {"Retry-After": "0.02"})),
    "504": Fault("504, empty", _body(b"", 504)),
    "529": Fault("529", _error(529, "Overloaded", type="overloaded_error")),
    "reset_before": Fault("a TCP reset before the reply", _reset_before),
    "reset_in_headers": Fault("a TCP reset in the reply's headers", _reset_in_headers),
    "reset_after_headers": Fault("a TCP reset after the reply's headers", _reset_after_headers),
    "cut_body": Fault("a body cut short", _cut_body),
    "garbage": Fault("no HTTP at all", _garbage),
    "html_200": Fault(
        "200 with an HTML page",
        _body(b"<html><body>Welcome to the proxy</body></html>", Content_Type="text/html"),
    ),
    "empty_200": Fault("200 with nothing", _body(b"")),
    "no_choices": Fault("200, JSON without choices", _body(b'{"id":"1","choices":[]}')),
    "null_content": Fault("200, content null", _body(lambda x: x.completion(None))),
    "length_no_text": Fault(
        "200, `finish_reason: length` and no text", _body(lambda x: x.completion(None, "length"))
    ),
    "length": Fault(
        "200, `finish_reason: length`", _body(lambda x: x.completion(x.caption[:12], "length"))
    ),
    "filter": Fault(
        "200, `finish_reason: content_filter`", _body(lambda x: x.completion("", "content_filter"))
    ),
    "error_429_in_200": Fault(
        "200, an error with code 429 inside", _body(b'{"error":{"message":"Slow down","code":429}}')
    ),
    "error_in_200": Fault(
        "200, an error without a code inside", _body(b'{"error":{"message":"Hm"}}')
    ),
    "redirect": Fault(
        "307 to another address", _body(b"", 307, Location="http://127.0.0.1:9/elsewhere")
    ),
    "gigantic": Fault("200, a body of 50 MB", _gigantic),
    "hang": Fault("no reply at all", _hang),
    "drip": Fault("a body that drips byte by byte", _drip),
    "stream_stops": Fault("a stream that stops", _stream_stops),
    "stream_resets": Fault("a stream broken by a TCP reset", _stream_resets),
    "stream_endless": Fault("a stream that never ends", _stream_endless),
    "stream_error": Fault("a stream with an error inside", _stream_error),
    "stream_garbled": Fault("a stream with broken JSON", _stream_garbled),
    "stream_lost_end": Fault(
        "a stream whose last word came, and whose end did not", _stream_lost_end
    ),
    "stream_drip": Fault("a stream that drips letter by letter", _stream_drip),
}
TRANSIENT = (
    "408", "409", "425", "429_seconds", "429_ms", "429_bare", "500", "502", "503", "504", "529",
    "reset_before", "reset_in_headers", "reset_after_headers", "cut_body", "garbage", "html_200",
    "empty_200", "no_choices", "error_429_in_200", "error_in_200", "hang",
)  # fmt: skip
"""Faults that are over when the same request is sent again."""
