"""A person's blind comparison: a picture and two captions whose origin the page does not know.

A small page of its own, served as the review page is: on loopback, with a token, and with a content
security policy under which nothing but its own script runs.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web

from dataflow.core.errors import RowError, UsageError
from dataflow.images.base.limits import Limits
from dataflow.review.server.access import Access
from dataflow.review.thumbnails import Thumbnails

LOOPBACK = "127.0.0.1"
CHOICES = ("first", "second", "tie")
_STATIC = Path(__file__).with_name("static")
_FILES = {
    "": ("blind.html", "text/html"),
    "blind.js": ("blind.js", "text/javascript"),
    "blind.css": ("blind.css", "text/css"),
}


@dataclass(frozen=True, slots=True)
class BlindPair:
    """What a person is shown.

    Attributes:
        picture: The picture's path or URL.
        first: The caption that stands first.
        second: The other one.
    """

    picture: str
    first: str
    second: str


class BlindPage:
    """The page.

    Args:
        pairs: What is shown, in this order.
        choices: What is decided already, for each pair; empty where nothing is.
        on_choice: Called with a pair's number and what was chosen, before the page is told.
        limits: What a picture may cost.
    """

    def __init__(
        self,
        pairs: Sequence[BlindPair],
        choices: Sequence[str],
        on_choice: Callable[[int, str], None],
        limits: Limits | None = None,
    ) -> None:
        self._pairs = pairs
        self._choices = list(choices)
        self._on_choice = on_choice
        self._thumbnails = Thumbnails(["."], limits or Limits())
        self._done: asyncio.Event | None = None

    async def serve(
        self, on_ready: Callable[[str], None], *, until: asyncio.Event, port: int = 0
    ) -> None:
        """Serve the page until every pair is decided, or `until` is set.

        Args:
            on_ready: Called with the page's address once it can be opened.
            until: Ends the server.
            port: The port; 0 for any that is free.

        Raises:
            UsageError: the port is taken.
        """
        self._done = done = asyncio.Event()
        listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            listening.bind((LOOPBACK, port))
        except OSError as error:
            listening.close()
            raise UsageError(f"port {port} cannot be had: {error.strerror}") from error
        number = listening.getsockname()[1]
        access = Access(frozenset({f"{LOOPBACK}:{number}", f"localhost:{number}"}))
        runner = web.AppRunner(self._application(access), access_log=None, shutdown_timeout=1)
        await runner.setup()
        try:
            await web.SockSite(runner, listening).start()
            on_ready(f"http://{LOOPBACK}:{number}/?token={access.token}")
            waiting = [asyncio.create_task(one.wait()) for one in (until, done)]
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in waiting:
                task.cancel()
        finally:
            await runner.cleanup()

    def _application(self, access: Access) -> web.Application:
        app = web.Application(middlewares=[access.middleware], client_max_size=64 * 1024)
        app.router.add_get("/", self._file)
        app.router.add_get("/static/{name}", self._file)
        app.router.add_get("/api/next", self._next)
        app.router.add_get("/picture/{number:\\d+}", self._picture)
        app.router.add_post("/api/choose", self._choose)
        app.cleanup_ctx.append(self._lifetime)
        return app

    async def _lifetime(self, _app: web.Application) -> AsyncIterator[None]:
        async with self._thumbnails:
            yield

    async def _file(self, request: web.Request) -> web.StreamResponse:
        found = _FILES.get(request.match_info.get("name", ""))
        if found is None:
            raise web.HTTPNotFound
        name, media_type = found
        body = (_STATIC / name).read_bytes()
        return web.Response(body=body, content_type=media_type, charset="utf-8")

    async def _next(self, _request: web.Request) -> web.StreamResponse:
        return web.json_response(self._state())

    def _state(self) -> dict[str, Any]:
        """The first pair that is not decided, without a word of whose captions they are."""
        decided = sum(map(bool, self._choices))
        state: dict[str, Any] = {"decided": decided, "count": len(self._pairs), "number": None}
        if "" in self._choices:
            number = self._choices.index("")
            pair = self._pairs[number]
            state |= {"number": number, "first": pair.first, "second": pair.second}
        return state

    async def _picture(self, request: web.Request) -> web.StreamResponse:
        number = int(request.match_info["number"])
        if number >= len(self._pairs):
            raise web.HTTPNotFound
        try:
            picture = await self._thumbnails.load(json.dumps(self._pairs[number].picture), "large")
        except RowError as error:
            raise web.HTTPNotFound(text=error.message) from error
        return web.Response(body=picture.data, content_type=picture.media_type)

    async def _choose(self, request: web.Request) -> web.StreamResponse:
        try:
            body = await request.json()
            number, choice = body["number"], body["choice"]
            is_known = choice in CHOICES and 0 <= number < len(self._pairs)
        except (ValueError, KeyError, TypeError):
            is_known = False
        if not is_known:
            raise web.HTTPBadRequest(text="a choice needs the number of a pair")
        await asyncio.to_thread(self._on_choice, number, choice)
        self._choices[number] = choice
        if all(self._choices) and self._done is not None:
            # the page is told first
            asyncio.get_running_loop().call_later(0.5, self._done.set)
        return web.json_response(self._state())
