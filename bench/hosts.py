"""Ten picture hosts at once, nine of them with a fault: what the well one gives beside them."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.loop_thread import LoopThread
from tests.servers.certificate import self_signed
from tests.servers.hostile_server import KEY, MODEL, HostileServer
from tests.servers.picture_server import jpeg

from bench.dataset import say
from bench.report import Goal, Report

TITLE = "ten picture hosts at once, nine of them with a fault"
FAULTS = (
    "well",
    "429",
    "away",
    "hung",
    "slow",
    "redirecting",
    "certificate",
    "gzip",
    "html",
    "dead",
)
LOST = ("hung", "certificate", "html", "dead")
"""Hosts that give no picture whoever asks."""

AWAY_SECONDS = 20.0
SLOW_SECONDS = 2.0
WELL_SECONDS = 0.2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The bench's own options."""


def run(options: argparse.Namespace) -> Report:
    """The well host alone and among the ten, `options.runs` times."""
    rows = 150 if options.short else 400
    report = Report(
        "hosts", TITLE,
        ("pictures a second, alone", "among ten", "share", "rows lost by fault of ours",
         "connections at each host"),
    )  # fmt: skip
    shares, lost = [], []
    for number in range(options.runs):
        alone = _one(("well",), rows)
        among = _one(FAULTS, rows)
        shares.append(among["rate"] / alone["rate"])
        lost.append(among["lost"])
        say(f"run {number + 1}: {shares[-1]:.2f} of alone, {among}")
        report.rows.append(
            (f"{alone['rate']:.1f}", f"{among['rate']:.1f}", f"{shares[-1]:.2f}",
             f"{among['lost']}", str(among["peaks"]))
        )  # fmt: skip
    report.goals += [
        Goal("rate of the well host over its rate alone", 0.9, statistics.median(shares)),
        Goal("rows lost by fault of ours", 0, max(lost), at_least=False),
    ]
    return report


class _Hosts:
    """The hosts, each at an address of its own."""

    def __init__(self, kinds: tuple[str, ...], folder: Path) -> None:
        self.addresses = {kind: f"127.0.0.{2 + FAULTS.index(kind)}" for kind in kinds}
        self.peaks = dict.fromkeys(kinds, 0)
        self.times: list[float] = []
        self._live = dict.fromkeys(kinds, 0)
        self._first: dict[str, float] = {}
        self._tls = self_signed(folder)
        self.ports: dict[str, int] = {}
        self._servers: list[asyncio.Server] = []

    async def open(self) -> None:
        for kind, address in self.addresses.items():
            server = await asyncio.start_server(
                lambda r, w, kind=kind: self._serve(kind, r, w),
                address, 0, ssl=self._tls if kind == "certificate" else None,
            )  # fmt: skip
            self.ports[kind] = server.sockets[0].getsockname()[1]
            if kind == "dead":
                server.close()
            else:
                self._servers.append(server)

    async def close(self) -> None:
        for server in self._servers:
            server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    def url(self, kind: str, number: int) -> str:
        scheme = "https" if kind == "certificate" else "http"
        return f"{scheme}://{self.addresses[kind]}:{self.ports[kind]}/{number}.jpg"

    async def _serve(
        self, kind: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                path = head.split(b" ")[1].decode()
                self._live[kind] += 1
                self.peaks[kind] = max(self.peaks[kind], self._live[kind])
                try:
                    status, body, more = await self._answer(kind, path)
                finally:
                    self._live[kind] -= 1
                lines = f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n{more}\r\n"
                writer.write(lines.encode() + body)
                await writer.drain()

    async def _answer(self, kind: str, path: str) -> tuple[int, bytes, str]:
        number = int(path.strip("/").split(".")[0])
        began = self._first.setdefault(kind, time.monotonic())
        if kind == "well":
            await asyncio.sleep(WELL_SECONDS)
            self.times.append(time.monotonic())
        elif kind == "429" and self._live[kind] > 2:
            return 429, b"slow down", "Retry-After: 1\r\n"
        elif kind == "away" and time.monotonic() - began < AWAY_SECONDS:
            return 503, b"", ""
        elif kind == "hung":
            await asyncio.sleep(3600)
        elif kind == "slow":
            await asyncio.sleep(SLOW_SECONDS)
        elif kind == "redirecting" and not path.endswith("?b"):
            return 302, b"", f"Location: {path}?b\r\n"
        elif kind == "html":
            return 200, b"<html><body>Please log in</body></html>", "Content-Type: text/html\r\n"
        elif kind == "gzip":
            import gzip

            return 200, gzip.compress(jpeg(number)), "Content-Encoding: gzip\r\n"
        return 200, jpeg(number), "Content-Type: image/jpeg\r\n"


def _one(kinds: tuple[str, ...], rows: int) -> dict[str, Any]:
    """One run over `rows` pictures of the well host and a tenth of it of each other."""
    loop = LoopThread()
    with tempfile.TemporaryDirectory() as name, HostileServer() as server:
        folder = Path(name)
        hosts = _Hosts(kinds, folder)
        loop.run(hosts.open(), 10)
        lines = []
        for number in range(rows):
            lines.append({"image": hosts.url("well", number), "host": "well"})
            if number % 10 == 0:
                lines += [{"image": hosts.url(kind, number), "host": kind} for kind in kinds[1:]]
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (folder / "rows.jsonl").write_text(text, encoding="utf-8")
        command = [
            str(Path(sys.executable).with_name("dataflow")), "caption", "rows.jsonl", "-o",
            "out.jsonl", "--api-url", server.url, "--model", MODEL, "--allow-private-urls", "-q",
        ]  # fmt: skip
        subprocess.run(command, cwd=folder, env={**os.environ, "DF_API_KEY": KEY}, check=False)
        text = (folder / "out.jsonl").read_text(encoding="utf-8")
        found = [json.loads(line) for line in text.splitlines()]
        loop.run(hosts.close(), 10)
        loop.stop()
    lost = [row for row in found if row["caption"] is None and row["host"] not in LOST]
    seconds = hosts.times[-1] - hosts.times[0]
    return {"rate": len(hosts.times) / seconds, "lost": len(lost), "peaks": hosts.peaks}
