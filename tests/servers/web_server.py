"""A web server on loopback: files with or without ranges, private ones, and answers that fail."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from typing import final

from aiohttp import web

from tests.loop_thread import LoopThread

MODIFIED = "Mon, 05 Jan 2026 10:00:00 GMT"


@final
class WebServer:
    """Serves `files`: path → bytes.

    Args:
        files: What is there.
        ranges: Whether it gives parts of files.
        token: What the query must hold, if anything.

    Attributes:
        asked: Method, path and range of each request.
        answer: Called before each; a status that it gives is the answer.
    """

    def __init__(
        self, files: dict[str, bytes], *, ranges: bool = True, token: str | None = None
    ) -> None:
        self.files = files
        self.asked: list[tuple[str, str, str]] = []
        self.answer: Callable[[web.Request], int | None] = lambda _: None
        self._ranges = ranges
        self._token = token

    def put(self, name: str, data: bytes) -> str:
        """Serve one more file; returns its URL."""
        self.files[f"/{name}"] = data
        return f"{self.url}/{name}"

    def __enter__(self) -> WebServer:
        self._thread = LoopThread()
        self._thread.run(self._open(), 10)
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.run(self._runner.cleanup(), 10)
        self._thread.stop()

    async def _open(self) -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        span = request.headers.get("Range", "")
        self.asked.append((request.method, request.path, span))
        status = self.answer(request)
        if status is not None:
            return web.Response(status=status, text="refused")
        if self._token is not None and request.query.get("signature") != self._token:
            return web.Response(status=403)
        data = self.files.get(request.path)
        if data is None:
            return web.Response(status=404)
        headers = {"ETag": f'"{hashlib.sha1(data).hexdigest()}"', "Last-Modified": MODIFIED}
        if not self._ranges:
            response = web.StreamResponse(headers=headers)
            response.enable_chunked_encoding()
            await response.prepare(request)
            if request.method != "HEAD":
                await response.write(data)
            await response.write_eof()
            return response
        headers["Accept-Ranges"] = "bytes"
        if not span:
            return web.Response(body=data, headers=headers)
        start, _, end = span.removeprefix("bytes=").partition("-")
        last = min(int(end) if end else len(data) - 1, len(data) - 1)
        if int(start) >= len(data):
            return web.Response(status=416, headers=headers)
        headers["Content-Range"] = f"bytes {start}-{last}/{len(data)}"
        await asyncio.sleep(0)
        return web.Response(status=206, body=data[int(start) : last + 1], headers=headers)
