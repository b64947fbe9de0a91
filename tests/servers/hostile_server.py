"""An OpenAI-compatible server that does everything wrong on demand, over real sockets.

Its caption is derived from the very picture bytes it was sent, so that every mix-up shows. It runs
in a thread of its own, so that plain functions and child processes can use it. Its errors repeat
the key and the picture they were sent, as careless servers do. Chance comes from a seed.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import time
from base64 import b64decode
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any, final

from tests.loop_thread import LoopThread
from tests.servers.hostile_faults import FAULTS, KEY, MODEL, TRANSIENT, Exchange, caption_of
from tests.servers.messages import all_parts
from tests.tariff import UNPAID, Tariff

__all__ = ["FAULTS", "KEY", "MODEL", "TRANSIENT", "HostileServer", "RateLimit", "caption_of"]


def transient(rate: float) -> dict[str, float]:
    """Every fault that passes, at `rate` each."""
    return dict.fromkeys(TRANSIENT, rate)


@dataclass
class RateLimit:
    """So many requests and tokens in each window; the others get a 429.

    The refusals say when to come back in turn as ``Retry-After`` in seconds and as a date, as
    ``retry-after-ms``, and not at all; every reply has OpenAI's ``x-ratelimit-…`` headers.

    Attributes:
        requests: In a window.
        tokens: In a window, `per_request` each.
        seconds: How long a window is.
        per_request: Tokens of one request.
        refused: How many requests got a 429.
    """

    requests: int = 10**9
    tokens: int = 10**9
    seconds: float = 1.0
    per_request: int = 109
    refused: int = 0
    _window: int = -1
    _used: int = 0

    def take(self) -> bool:
        """Whether one more request may be answered now."""
        window = int(time.monotonic() / self.seconds)
        if window != self._window:
            self._window, self._used = window, 0
        if self._used >= min(self.requests, self.tokens // self.per_request):
            self.refused += 1
            return False
        self._used += 1
        return True

    def headers(self) -> dict[str, str]:
        left = self.seconds * (self._window + 1) - time.monotonic()
        return {
            "x-ratelimit-limit-requests": str(self.requests),
            "x-ratelimit-remaining-requests": str(self.requests - self._used),
            "x-ratelimit-reset-requests": f"{left * 1000:.0f}ms",
            "x-ratelimit-limit-tokens": str(self.tokens),
            "x-ratelimit-remaining-tokens": str(self.tokens - self._used * self.per_request),
            "x-ratelimit-reset-tokens": f"{left:.3f}s",
        }

    def refusal(self) -> dict[str, str]:
        left = max(0.0, self.seconds * (self._window + 1) - time.monotonic())
        words = (
            {"Retry-After": f"{left:.2f}"},
            {"Retry-After": formatdate(time.time() + left + 1, usegmt=True)},
            {"retry-after-ms": f"{left * 1000:.0f}"},
            {},
        )
        return {**self.headers(), **words[self.refused % len(words)]}


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
        limit: How many requests and tokens it takes in a time.
        accept_delay: Seconds before a new connection is listened to.
        asks_too: Whether the caption tells the question, too, by a mark.
        tariff: What it charges, and tells in its usage; None for nothing.

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
        limit: RateLimit | None = None,
        accept_delay: float = 0.0,
        asks_too: bool = False,
        tariff: Tariff | None = None,
    ) -> None:
        self.fault = fault
        self.rates = dict(rates or {})
        self.seed = seed
        self.delay = delay
        self.key = key
        self.model = model
        self.limit = limit
        self.accept_delay = accept_delay
        self.asks_too = asks_too
        self.tariff = tariff
        self.asked = 0
        self.faults: Counter[str] = Counter()
        self.seen: Counter[str] = Counter()
        self.bodies: list[dict[str, Any]] = []
        self.most_in_flight = 0
        self._in_flight = 0
        self._port = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/v1"

    def __enter__(self) -> HostileServer:
        self._thread = LoopThread()
        self._thread.run(self._open(), 10)
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.run(self._close(), 10)
        self._thread.stop()

    @contextlib.contextmanager
    def away(self) -> Iterator[None]:
        """The server is gone: its port is closed and its connections are cut."""
        self._thread.run(self._close(), 10)
        try:
            yield
        finally:
            self._thread.run(self._open(), 10)

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
        task = asyncio.create_task(self._connection(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        # one that is cancelled before it began has closed nothing
        task.add_done_callback(lambda done: writer.transport.abort() if done.cancelled() else None)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await asyncio.sleep(self.accept_delay)
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
            name = self._choose(first, exchange)
            if self.tariff is not None and name not in UNPAID:
                exchange.usage = self.tariff.charge(exchange)
            await asyncio.sleep(self.delay)
            if name is not None:
                self.faults[name] += 1
                await FAULTS[name].serve(exchange)
            elif self.limit is not None and not self.limit.take():
                headers = self.limit.refusal()
                await exchange.error(429, "Slow down", headers, type="rate_limit_exceeded")
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

    def _look_at_pictures(self, exchange: Exchange) -> None:
        for part in all_parts(exchange.body):
            if part["type"] == "image_url":
                exchange.base64 = part["image_url"]["url"].partition("base64,")[2]
                exchange.pictures.append(b64decode(exchange.base64, validate=True))
            elif self.asks_too:
                exchange.question = part["text"]
        exchange.caption = caption_of(*exchange.pictures, question=exchange.question)
        if self.limit is not None:
            exchange.more_headers = self.limit.headers()
