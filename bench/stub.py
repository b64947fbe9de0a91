"""An OpenAI-compatible server that only answers, as a process of its own.

    python -m bench.stub --core 1 --latency 1.0

It reads requests as bytes and looks at nothing but their length, so that it is never what is
measured; ``GET /stats`` says what it did and how much CPU that took. One line, the ports as a JSON
list, goes to stdout; it ends when its stdin does.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import random
import re
import signal
import sys
import time
from array import array
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_BUFFER = memoryview(bytearray(1 << 18))  # filled and read within one call, so that all share it
_TOKENS = 60  # of each answer
_ANSWER = {
    "id": "chatcmpl-stub",
    "object": "chat.completion",
    "created": 0,
    "model": "stub",
    "choices": [
        {
            "index": 0,
            "finish_reason": "stop",
            "message": {
                "role": "assistant",
                "content": "A wooden table by a window with a bowl of green apples on it, two cups "
                "of coffee and an open book; soft morning light falls from the left, and a grey "
                "cat sleeps on the chair behind the table.",
            },
        }
    ],
    "usage": {"prompt_tokens": 400, "completion_tokens": _TOKENS, "total_tokens": 400 + _TOKENS},
}
_REFUSAL = {"error": {"message": "Rate limit reached for requests", "type": "rate_limit_error"}}


def _http(status: str, body: object) -> bytes:
    text = json.dumps(body).encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(text)}"
    return head.encode() + b"\r\n\r\n" + text


_OK, _REFUSED = _http("200 OK", _ANSWER), _http("429 Too Many Requests", _REFUSAL)


@dataclass
class Limit:
    """A rate limit that changes with time: a bucket that holds `BURST` seconds of it.

    Attributes:
        steps: From how many seconds after the first request on, how many requests (or tokens)
            per second.
        tokens: Whether tokens are counted instead of requests, 400 to 600 a request, as for
            captions of pictures of one size.
    """

    BURST = 1.0

    steps: list[tuple[float, float]]
    tokens: bool = False
    level: float = math.inf
    at: float | None = None
    first: float = 0.0

    def takes(self, now: float) -> bool:
        """Whether a request that comes `now` is taken."""
        if self.at is None:
            self.at = self.first = now
        rate = next(rate for since, rate in reversed(self.steps) if since <= now - self.first)
        # a bucket smaller than the largest request would turn that one down for ever
        room = max(self.BURST * rate, 600.0 if self.tokens else 1.0)
        self.level = min(room, self.level + (now - self.at) * rate)
        self.at = now
        cost = random.uniform(400, 600) if self.tokens else 1.0
        if self.level < cost:
            return False
        self.level -= cost
        return True


@dataclass
class Served:
    """What one port did.

    Attributes:
        arrived: When each request was there, in seconds of the monotonic clock.
        answered: When it was answered.
        refused: When it was turned down.
        delays: The sum of the delays drawn, in seconds.
        in_flight: Requests under way.
        most_in_flight: The most of them at one time.
        began: Clock and CPU seconds at the first request.
    """

    arrived: array[float] = field(default_factory=lambda: array("d"))
    answered: array[float] = field(default_factory=lambda: array("d"))
    refused: array[float] = field(default_factory=lambda: array("d"))
    delays: float = 0.0
    in_flight: int = 0
    most_in_flight: int = 0
    began: tuple[float, float] | None = None

    def stats(self) -> dict[str, object]:
        """All of it as JSON values; times in seconds since ``first``, of the monotonic clock."""
        began, cpu = self.began or (time.monotonic(), time.process_time())
        last = max([began, *self.answered[-1:], *self.refused[-1:]])
        busy = time.process_time() - cpu
        return {
            "first": began,
            "arrived": [round(at - began, 4) for at in self.arrived],
            "answered": [round(at - began, 4) for at in self.answered],
            "refused": [round(at - began, 4) for at in self.refused],
            "mean_delay": self.delays / max(1, len(self.answered)),
            "most_in_flight": self.most_in_flight,
            "cpu_share": busy / max(1e-9, last - began),
        }


class Slots:
    """Places in which requests are worked at; who finds none waits, first come first served.

    Args:
        count: So many; None for any number.
    """

    def __init__(self, count: int | None) -> None:
        self._free = math.inf if count is None else count
        self._waiting: deque[Callable[[], None]] = deque()

    def take(self, work: Callable[[], None]) -> None:
        """Call `work` as soon as there is a place."""
        if self._free > 0:
            self._free -= 1
            work()
        else:
            self._waiting.append(work)

    def give_back(self) -> None:
        """A place is free."""
        if self._waiting:
            self._waiting.popleft()()
        else:
            self._free += 1


class Connection(asyncio.BufferedProtocol):
    """One client's connection; requests come one after the other.

    Args:
        served: The port's log.
        delay: Draws seconds.
        limit: The rate limit, or None.
        slots: The places of the port.
        connections: Those of the port that are open; this one enters and leaves it.
    """

    def __init__(
        self,
        served: Served,
        delay: Callable[[], float],
        limit: Limit | None,
        slots: Slots,
        connections: set[asyncio.BaseTransport],
    ) -> None:
        self._served = served
        self._delay = delay
        self._limit = limit
        self._slots = slots
        self._connections = connections
        self._head = b""
        self._left = 0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is there."""
        self._transport = transport  # type: ignore[assignment]
        self._connections.add(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is closed."""
        if self._transport is not None:
            self._connections.discard(self._transport)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where to put what comes."""
        return _BUFFER

    def buffer_updated(self, nbytes: int) -> None:
        """So many bytes came."""
        if self._left > 0:
            self._left -= nbytes
        else:
            self._head += bytes(_BUFFER[:nbytes])
            end = self._head.find(b"\r\n\r\n")
            if end < 0:
                return
            length = _LENGTH.search(self._head, 0, end + 2)
            self._left = int(length[1]) - (len(self._head) - end - 4) if length else 0
        if self._left <= 0:
            head, self._head, self._left = self._head, b"", 0
            self._request(head)

    def _request(self, head: bytes) -> None:
        now = time.monotonic()
        served = self._served
        if head.startswith(b"GET"):
            self._send(_http("200 OK", served.stats()))
            return
        if served.began is None:
            served.began = (now, time.process_time())
        served.arrived.append(now)
        if self._limit is not None and not self._limit.takes(now):
            served.refused.append(now)
            self._send(_REFUSED)
            return
        served.in_flight += 1
        served.most_in_flight = max(served.most_in_flight, served.in_flight)
        self._slots.take(self._work)

    def _work(self) -> None:
        delay = self._delay()
        self._served.delays += delay
        if delay > 0:
            asyncio.get_running_loop().call_later(delay, self._answer)
        else:
            self._answer()

    def _answer(self) -> None:
        self._served.in_flight -= 1
        if self._transport is not None and not self._transport.is_closing():
            self._served.answered.append(time.monotonic())
            self._send(_OK)
        self._slots.give_back()

    def _send(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)


def delays(text: str) -> Callable[[], float]:
    """``"1.0"``: always one second; ``"lognormal:1.0"``: drawn, with that mean (sigma 0.5)."""
    kind, _, mean = text.rpartition(":")
    seconds = float(mean)
    if kind != "lognormal":
        return lambda: seconds
    sigma = 0.5
    mu = math.log(seconds) - sigma**2 / 2
    return lambda: random.lognormvariate(mu, sigma)


def steps(text: str) -> list[tuple[float, float]]:
    """``"0:50,60:25"``: 50 a second, from 60 s on 25."""
    pairs = (step.split(":") for step in text.split(","))
    return [(float(since), float(rate)) for since, rate in pairs]


async def serve(options: argparse.Namespace) -> None:
    """Listen on a port for each latency until stdin ends."""
    loop = asyncio.get_running_loop()
    ports = [Port(options, latency) for latency in options.latency or ["0"]]
    for port in ports:
        await port.open()
    sys.stdout.write(json.dumps([port.number for port in ports]) + "\n")
    sys.stdout.flush()
    away = [
        asyncio.create_task(port.go_away(away[1], away[2]))
        for number, port in enumerate(ports)
        if (away := options.away) and away[0] == number
    ]
    await loop.run_in_executor(None, sys.stdin.read)
    for task in away:
        task.cancel()


class Port:
    """One endpoint.

    Args:
        options: The arguments.
        latency: Its own.

    Attributes:
        number: Its TCP port, once it is open.
    """

    def __init__(self, options: argparse.Namespace, latency: str) -> None:
        self.number = 0
        self._limit = Limit(steps(options.limit), options.tokens) if options.limit else None
        self._served, self._delay = Served(), delays(latency)
        self._slots = Slots(options.slots)
        self._connections: set[asyncio.BaseTransport] = set()
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Listen."""
        self._server = await asyncio.get_running_loop().create_server(
            lambda: Connection(
                self._served, self._delay, self._limit, self._slots, self._connections
            ),
            "127.0.0.1",
            self.number,
            backlog=4096,
        )
        self.number = self._server.sockets[0].getsockname()[1]

    async def go_away(self, since: float, until: float) -> None:
        """Break every connection and hear no more, in these seconds after the first request."""
        while self._served.began is None:  # noqa: ASYNC110 - a moment of the bench
            await asyncio.sleep(0.01)
        await asyncio.sleep(since - (time.monotonic() - self._served.began[0]))
        if self._server is not None:
            self._server.close()
        for transport in [*self._connections]:
            transport.abort()  # type: ignore[attr-defined]
        await asyncio.sleep(until - since)
        await self.open()


def away(text: str) -> tuple[int, float, float]:
    """``"2:20:40"``: the third port is away from 20 s after its first request to 40 s."""
    port, since, until = text.split(":")
    return int(port), float(since), float(until)


def main() -> None:
    """Serve as the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--core", type=int, help="the one core to run on")
    parser.add_argument(
        "--latency", action="append", help="seconds, or lognormal:MEAN; once for each port"
    )
    parser.add_argument("--limit", help="SECONDS:RATE,… : requests a second from then on")
    parser.add_argument("--slots", type=int, help="requests that a port works at, others wait")
    parser.add_argument(
        "--away", type=away, help="PORT:SINCE:UNTIL, seconds after its first request"
    )
    parser.add_argument("--tokens", action="store_true", help="the limit counts tokens")
    options = parser.parse_args()
    if options.core is not None:
        os.sched_setaffinity(0, {options.core})
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    asyncio.run(serve(options))


if __name__ == "__main__":
    main()
