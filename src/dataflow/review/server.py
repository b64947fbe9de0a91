"""The routes of the review page, over aiohttp: items, pictures, decisions, and news of changes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

from aiohttp import web

from dataflow.core.errors import DataflowError, RowError, UsageError
from dataflow.review.access import Access
from dataflow.review.bulk import SHOWN, Bulk, changes_of, word_difference
from dataflow.review.changes import Applied, Change
from dataflow.review.decisions import DecisionStore
from dataflow.review.index import ReviewIndex
from dataflow.review.queries import Page, facets_of, page_of, shown
from dataflow.review.thumbnails import SIDES, Thumbnails
from dataflow.review.view import View, read_view

STATIC = Path(__file__).with_name("static")
TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css"}
MOST_IDS = 200
"""Items that are asked for by their ids at once."""
MOST_BYTES = 1024 * 1024
"""Of the body of a request; a caption is far shorter."""


class ReviewServer:
    """The page's server.

    Args:
        index: The items.
        decisions: Where decisions are kept.
        thumbnails: The pictures; entered while the server runs.
        access: Who may speak to it.
        title: What is reviewed, for the page's head.
    """

    def __init__(
        self,
        index: ReviewIndex,
        decisions: DecisionStore,
        thumbnails: Thumbnails,
        access: Access,
        *,
        title: str,
    ) -> None:
        self._index = index
        self._decisions = decisions
        self._thumbnails = thumbnails
        self._access = access
        self._title = title
        self._listeners: set[asyncio.Queue[str]] = set()

    def application(self) -> web.Application:
        """The application that a runner serves."""
        app = web.Application(
            middlewares=[self._access.middleware, _errors], client_max_size=MOST_BYTES
        )
        app.router.add_get("/", self._file)
        app.router.add_get("/static/{name}", self._file)
        app.router.add_get("/api/about", self._about)
        app.router.add_get("/api/items", self._items)
        app.router.add_get("/api/count", self._count)
        app.router.add_get("/api/items/{id:\\d+}", self._item)
        app.router.add_get("/picture/{id:\\d+}/{size}", self._picture)
        app.router.add_post("/api/decide", self._decide)
        app.router.add_post("/api/undo", self._undo)
        app.router.add_post("/api/preview", self._preview)
        app.router.add_post("/api/bulk", self._bulk)
        app.router.add_get("/api/news", self._news)
        app.cleanup_ctx.append(self._lifetime)
        return app

    async def _lifetime(self, _app: web.Application) -> AsyncIterator[None]:
        async with self._thumbnails:
            yield

    async def _file(self, request: web.Request) -> web.StreamResponse:
        path = STATIC / request.match_info.get("name", "index.html")
        media_type = TYPES.get(path.suffix)
        if media_type is None or path.parent != STATIC or not path.is_file():
            raise web.HTTPNotFound
        return web.Response(body=path.read_bytes(), content_type=media_type, charset="utf-8")

    async def _about(self, _request: web.Request) -> web.StreamResponse:
        facets = await asyncio.to_thread(facets_of, self._index, View())
        return web.json_response({"title": self._title, "facets": facets})

    async def _items(self, request: web.Request) -> web.StreamResponse:
        if "ids" in request.query:
            found = map(self._index.item, _ids(request.query["ids"]))
            return web.json_response({"items": [shown(row) for row in found if row is not None]})
        view = _view(request.query)
        page = Page(
            after=_whole(request.query, "after"),
            limit=min(200, _whole(request.query, "limit") or 50),
        )
        rows = await asyncio.to_thread(page_of, self._index, view, page)
        return web.json_response({"items": rows})

    async def _count(self, request: web.Request) -> web.StreamResponse:
        view = _view(request.query)
        facets = await asyncio.to_thread(facets_of, self._index, view)
        count = sum(facets["column"].values())
        return web.json_response({"count": count, "facets": facets})

    async def _item(self, request: web.Request) -> web.StreamResponse:
        row = self._index.item(int(request.match_info["id"]))
        if row is None:
            raise web.HTTPNotFound
        history = await asyncio.to_thread(self._decisions.history, row["id"])
        told = [
            {
                "decision": one.kind,
                "text": one.text,
                "author": one.author,
                "time": one.decided_at,
            }
            for one in history
        ]
        return web.json_response({**shown(row), "machine": row["machine"], "history": told})

    async def _picture(self, request: web.Request) -> web.StreamResponse:
        row = self._index.item(int(request.match_info["id"]))
        size = request.match_info["size"]
        if row is None or size not in SIDES:
            raise web.HTTPNotFound
        which = _whole(request.query, "which") or 0
        picture = await self._thumbnails.load(row["picture"], size, which=which)
        return web.Response(
            body=picture.data,
            content_type=picture.media_type,
            headers={"Cache-Control": "private, max-age=3600"},
        )

    async def _decide(self, request: web.Request) -> web.StreamResponse:
        body = await _body(request)
        changes = [_change(one) for one in body.get("changes", [])]
        return await self._applied(changes)

    async def _undo(self, request: web.Request) -> web.StreamResponse:
        action = (await _body(request)).get("action")
        if not isinstance(action, str) or not action:
            raise UsageError("undo needs the name of an action")
        applied = await asyncio.to_thread(self._decisions.undo, action)
        return self._answer(applied)

    async def _preview(self, request: web.Request) -> web.StreamResponse:
        view, bulk = _bulk(await _body(request))
        return web.json_response(await asyncio.to_thread(self._previewed, view, bulk))

    def _previewed(self, view: View, bulk: Bulk) -> dict[str, Any]:
        count = 0
        examples: list[dict[str, Any]] = []
        for change in changes_of(self._index, view, bulk):
            count += 1
            if len(examples) < SHOWN:
                before = change.seen or ""
                after = before if change.text is None else change.text
                examples.append({"id": change.item, "words": word_difference(before, after)})
        return {"count": count, "examples": examples}

    async def _bulk(self, request: web.Request) -> web.StreamResponse:
        view, bulk = _bulk(await _body(request))
        changes = await asyncio.to_thread(lambda: list(changes_of(self._index, view, bulk)))
        return await self._applied(changes)

    async def _applied(self, changes: list[Change]) -> web.StreamResponse:
        return self._answer(await asyncio.to_thread(self._decisions.apply, changes))

    def _answer(self, applied: Applied) -> web.StreamResponse:
        items, conflicts = applied.items[:MOST_IDS], applied.conflicts[:MOST_IDS]
        if items:
            self.announce({"items": items, "count": len(applied.items)})
        return web.json_response(
            {
                "action": applied.action,
                "items": items,
                "count": len(applied.items),
                "conflicts": conflicts,
            }
        )

    def announce(self, news: Mapping[str, Any]) -> None:
        """Say to every open page that items changed."""
        for queue in self._listeners:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(json.dumps(news))

    async def _news(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"}
        )
        await response.prepare(request)
        queue: asyncio.Queue[str] = asyncio.Queue(maxsize=100)
        self._listeners.add(queue)
        try:
            while True:
                news = ""
                with contextlib.suppress(asyncio.TimeoutError):
                    news = await asyncio.wait_for(queue.get(), timeout=15)
                line = f"data: {news}\n\n" if news else f": {time.time():.0f}\n\n"
                await response.write(line.encode())
        except ConnectionError:
            return response
        finally:
            self._listeners.discard(queue)


@web.middleware
async def _errors(request: web.Request, handler: Any) -> web.StreamResponse:
    """Our errors as JSON with their message; anything else is the framework's."""
    try:
        response: web.StreamResponse = await handler(request)
    except RowError as error:
        return web.json_response({"error": str(error)}, status=HTTPStatus.NOT_FOUND)
    except UsageError as error:
        return web.json_response({"error": str(error)}, status=HTTPStatus.BAD_REQUEST)
    except DataflowError as error:
        return web.json_response({"error": str(error)}, status=HTTPStatus.INSUFFICIENT_STORAGE)
    return response


def _view(query: Mapping[str, str]) -> View:
    return read_view(query.get("filter", ""), query.get("sort", "queue"))


def _whole(query: Mapping[str, str], name: str) -> int | None:
    text = query.get(name)
    if text is None:
        return None
    if not text.isascii() or not text.isdigit():
        raise UsageError(f"{name}={text!r}: a whole number is expected")
    return int(text)


def _ids(text: str) -> list[int]:
    parts = text.split(",")[:MOST_IDS]
    if not all(part.isascii() and part.isdigit() and len(part) < 19 for part in parts):
        raise UsageError(f"ids={text[:50]!r}: whole numbers with commas are expected")
    return [int(part) for part in parts]


async def _body(request: web.Request) -> dict[str, Any]:
    try:
        body = await request.json()
    except ValueError as error:
        raise UsageError("the request's body is no JSON") from error
    if not isinstance(body, dict):
        raise UsageError("the request's body is no JSON object")
    return body


def _change(given: Any) -> Change:
    if not isinstance(given, dict) or not isinstance(given.get("id"), int):
        raise UsageError("a change needs the id of an item")
    decision, text, seen = given.get("decision"), given.get("text"), given.get("seen")
    if decision not in ("edit", "accept", "reject"):
        raise UsageError(f"there is no decision {decision!r}")
    if (decision == "edit") != isinstance(text, str):
        raise UsageError("an edit needs a text, and nothing else has one")
    return Change(given["id"], decision, text, seen if isinstance(seen, str) else None)


def _bulk(body: Mapping[str, Any]) -> tuple[View, Bulk]:
    kind = body.get("kind")
    texts = {name: body.get(name, "") for name in ("find", "text", "filter", "sort")}
    if kind not in ("replace", "regex", "prepend", "append", "accept", "reject"):
        raise UsageError(f"there is no change {kind!r} for many")
    if not all(isinstance(text, str) for text in texts.values()):
        raise UsageError("find, text and filter are texts")
    return read_view(texts["filter"]), Bulk(kind, texts["find"], texts["text"])
