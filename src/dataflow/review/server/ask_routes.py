"""The routes by which captions are asked for again: the price, the ask, and how it gets on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from dataflow.core.errors import UsageError
from dataflow.review.asks import MOST_ITEMS, AskRequest, Asks
from dataflow.review.bulk import word_difference
from dataflow.review.index import ReviewIndex
from dataflow.review.queries import ids_of
from dataflow.review.server.requests import MOST_IDS, ask_of, body_of
from dataflow.review.view import read_view


class AskRoutes:
    """The routes of one server.

    Args:
        asks: What asks; None where no model is named.
        index: The items.
    """

    def __init__(self, asks: Asks | None, index: ReviewIndex) -> None:
        self._asks = asks
        self._index = index
        self._was_asking = False

    def add_to(self, app: web.Application) -> None:
        """Add the routes to an application."""
        app.router.add_get("/api/ask", self._ask_state)
        app.router.add_post("/api/ask/price", self._price)
        app.router.add_post("/api/ask", self._ask)

    async def look(self, announce: Callable[[Mapping[str, Any]], None]) -> None:
        """Announce what an ask that goes has answered since the last look."""
        asks = self._asks
        if asks is None or not (asks.is_running or self._was_asking):
            return
        is_running = asks.is_running
        changed = await asyncio.to_thread(asks.look)
        self._was_asking = is_running
        if changed or not is_running:
            announce({"items": changed[:MOST_IDS], "ask": True})

    async def _ask_state(self, _request: web.Request) -> web.StreamResponse:
        asks = self._asks
        if asks is None:
            return web.json_response({"can_ask": False})
        asker, state = asks.asker, asks.state
        known = {"can_ask": True, "prompt": asker.prompt, "model": asker.model}
        if state is None:
            return web.json_response(known)
        examples = [
            {
                "id": item,
                "text": answer.text,
                "seen": row["text"],
                "reason": answer.reason,
                "words": word_difference(row["text"], answer.text),
            }
            for item, answer in state.answers.items()
            if (row := self._index.item(item)) is not None
        ]
        running = {
            "running": asks.is_running and not state.outcome,
            "outcome": state.outcome,
            "failed": state.has_failed,
            "wanted": len(state.items),
            "answers": examples,
        }
        return web.json_response({**known, **running})

    async def _price(self, request: web.Request) -> web.StreamResponse:
        asks, items, question = await self._question(request)
        words = await asyncio.to_thread(asks.price, items, question)
        return web.json_response({"count": len(items), "price": words})

    async def _ask(self, request: web.Request) -> web.StreamResponse:
        asks, items, question = await self._question(request)
        await asyncio.to_thread(asks.start, items, question)
        self._was_asking = True
        return web.json_response({"count": len(items)})

    async def _question(self, request: web.Request) -> tuple[Asks, list[int], AskRequest]:
        body = await body_of(request)
        if self._asks is None:
            raise UsageError("name a model when you start dataflow review: --model or --api-url")
        question = ask_of(body)
        ids = body.get("ids")
        if isinstance(ids, list) and all(isinstance(one, int) for one in ids):
            return self._asks, ids, question
        view = read_view(str(body.get("filter", "")))
        return self._asks, await asyncio.to_thread(ids_of, self._index, view, MOST_ITEMS), question
