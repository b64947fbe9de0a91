"""The routes of the review page, over aiohttp: items, pictures, decisions, and news of changes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import asdict, dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

from aiohttp import web

from dataflow.core.errors import DataflowError, JournalError, RowError, UsageError
from dataflow.engine.journal.decisions import Decision
from dataflow.engine.journal.read_only import EarlierAnswer
from dataflow.review.asks import Asks
from dataflow.review.bulk import SHOWN, Bulk, changes_of, word_difference
from dataflow.review.changes import Applied, Change
from dataflow.review.decisions import DecisionStore
from dataflow.review.follow import RunFollower
from dataflow.review.index import ReviewIndex
from dataflow.review.queries import Page, facets_of, page_of, shown
from dataflow.review.server.access import Access
from dataflow.review.server.ask_routes import AskRoutes
from dataflow.review.server.requests import (
    MOST_IDS,
    body_of,
    bulk_of,
    change_of,
    ids_in,
    view_of,
    whole_number,
)
from dataflow.review.thumbnails import SIDES, Thumbnails
from dataflow.review.view import View

STATIC = Path(__file__).parent.with_name("static")
TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css"}
MOST_BYTES = 1024 * 1024
"""Of the body of a request; a caption is far shorter."""


@dataclass(frozen=True, slots=True)
class Sources:
    """What the page shows.

    Attributes:
        index: The items.
        decisions: Where decisions are kept.
        thumbnails: The pictures; entered while the server runs.
        follower: Brings captions in from a run that goes.
        asks: Captions that are asked for again; None where no model is named.
    """

    index: ReviewIndex
    decisions: DecisionStore
    thumbnails: Thumbnails
    follower: RunFollower
    asks: Asks | None = None


class ReviewServer:
    """The page's server.

    Args:
        sources: What it shows.
        access: Who may speak to it.
        title: What is reviewed, for the page's head.
    """

    def __init__(self, sources: Sources, access: Access, *, title: str) -> None:
        self._index = sources.index
        self._decisions = sources.decisions
        self._thumbnails = sources.thumbnails
        self._follower = sources.follower
        self._asks = sources.asks
        self._access = access
        self._title = title
        self._counting = asyncio.Semaphore(2)  # the other threads show pages meanwhile
        self._listeners: set[asyncio.Queue[str]] = set()
        self._ask_routes = AskRoutes(sources.asks, sources.index)

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
        self._ask_routes.add_to(app)
        app.cleanup_ctx.append(self._lifetime)
        return app

    async def _lifetime(self, _app: web.Application) -> AsyncIterator[None]:
        async with self._thumbnails:
            following = asyncio.create_task(self._follow())
            yield
            following.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await following

    async def _follow(self) -> None:
        """Show what a run and an ask have answered, as it comes."""
        due = 0.0
        while True:
            await asyncio.sleep(0.3)
            with contextlib.suppress(JournalError):  # the next look may read it
                await self._ask_routes.look(self.announce)
            if time.monotonic() >= due:
                with contextlib.suppress(JournalError):
                    changed = await asyncio.to_thread(self._follower.step)
                    if changed:
                        self.announce({"items": changed[:MOST_IDS], "count": len(changed)})
                due = time.monotonic() + self._follower.pause

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
            found = map(self._index.item, ids_in(request.query["ids"]))
            return web.json_response({"items": [shown(row) for row in found if row is not None]})
        view = view_of(request.query)
        page = Page(
            after=whole_number(request.query, "after"),
            limit=min(200, whole_number(request.query, "limit") or 50),
        )
        rows = await asyncio.to_thread(page_of, self._index, view, page)
        return web.json_response({"items": rows})

    async def _count(self, request: web.Request) -> web.StreamResponse:
        view = view_of(request.query)
        async with self._counting:
            facets = await self._counted(request, view)
        count = sum(facets["column"].values())
        return web.json_response({"count": count, "facets": facets})

    async def _counted(self, request: web.Request, view: View) -> dict[str, dict[str, int]]:
        """The facets; a page that has gone, or has another filter by now, is not counted for."""
        stale = threading.Event()
        counting = asyncio.create_task(
            asyncio.to_thread(facets_of, self._index, view, stale.is_set)
        )
        while not counting.done():
            await asyncio.wait({counting}, timeout=0.2)
            if request.transport is None or request.transport.is_closing():
                stale.set()
        try:
            return counting.result()
        except sqlite3.OperationalError:
            if not stale.is_set():
                raise
            return {"column": {}}

    async def _item(self, request: web.Request) -> web.StreamResponse:
        row = self._index.item(int(request.match_info["id"]))
        if row is None:
            raise web.HTTPNotFound
        history, answers = await asyncio.to_thread(self._history, row)
        decisions = [
            {
                "decision": one.kind,
                "text": one.text,
                "author": one.author,
                "time": one.decided_at,
            }
            for one in history
        ]
        return web.json_response(
            {
                **shown(row),
                "machine": row["machine"],
                "history": decisions,
                "answers": [asdict(answer) for answer in answers],
            }
        )

    def _history(self, row: sqlite3.Row) -> tuple[list[Decision], list[EarlierAnswer]]:
        answers = self._decisions.earlier_answers(row["key"])
        if self._asks is not None:
            answers += self._asks.answers(row["key"], row["column"])
        return self._decisions.history(row["id"]), answers

    async def _picture(self, request: web.Request) -> web.StreamResponse:
        row = self._index.item(int(request.match_info["id"]))
        size = request.match_info["size"]
        if row is None or size not in SIDES:
            raise web.HTTPNotFound
        which = whole_number(request.query, "which") or 0
        picture = await self._thumbnails.load(row["picture"], size, which=which)
        return web.Response(
            body=picture.data,
            content_type=picture.media_type,
            headers={"Cache-Control": "private, max-age=3600"},
        )

    async def _decide(self, request: web.Request) -> web.StreamResponse:
        body = await body_of(request)
        changes = [change_of(one) for one in body.get("changes", [])]
        return await self._applied(changes)

    async def _undo(self, request: web.Request) -> web.StreamResponse:
        action = (await body_of(request)).get("action")
        if not isinstance(action, str) or not action:
            raise UsageError("undo needs the name of an action")
        applied = await asyncio.to_thread(self._decisions.undo, action)
        return self._answer(applied)

    async def _preview(self, request: web.Request) -> web.StreamResponse:
        view, bulk = bulk_of(await body_of(request))
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
        view, bulk = bulk_of(await body_of(request))
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
