"""What the page's requests say, as values; what makes no sense is refused with a reason."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from dataflow.core.errors import UsageError
from dataflow.review.asks import AskRequest
from dataflow.review.bulk import Bulk
from dataflow.review.changes import Change
from dataflow.review.view import View, read_view

MOST_IDS = 200
"""Items that are asked for, or told of, by their ids at once."""


def view_of(query: Mapping[str, str]) -> View:
    """What a request wants to see.

    Raises:
        UsageError: it makes no sense; the message says what is expected.
    """
    return read_view(query.get("filter", ""), query.get("sort", "queue"))


def whole_number(query: Mapping[str, str], name: str) -> int | None:
    """A whole number of the query; None where it is not given.

    Raises:
        UsageError: it makes no sense; the message says what is expected.
    """
    text = query.get(name)
    if text is None:
        return None
    if not text.isascii() or not text.isdigit():
        raise UsageError(f"{name}={text!r}: a whole number is expected")
    return int(text)


def ids_in(text: str) -> list[int]:
    """The ids in a list with commas, `MOST_IDS` at most.

    Raises:
        UsageError: it makes no sense; the message says what is expected.
    """
    parts = text.split(",")[:MOST_IDS]
    if not all(part.isascii() and part.isdigit() and len(part) < 19 for part in parts):
        raise UsageError(f"ids={text[:50]!r}: whole numbers with commas are expected")
    return [int(part) for part in parts]


async def body_of(request: web.Request) -> dict[str, Any]:
    """The JSON object that a request bears.

    Raises:
        UsageError: it makes no sense; the message says what is expected.
    """
    try:
        body = await request.json()
    except ValueError as error:
        raise UsageError("the request's body is no JSON") from error
    if not isinstance(body, dict):
        raise UsageError("the request's body is no JSON object")
    return body


def change_of(given: Any) -> Change:
    """A decision about one item.

    Raises:
        UsageError: it makes no sense; the message says what is expected.
    """
    if not isinstance(given, dict) or not isinstance(given.get("id"), int):
        raise UsageError("a change needs the id of an item")
    decision, text, seen = given.get("decision"), given.get("text"), given.get("seen")
    if decision not in ("edit", "accept", "reject"):
        raise UsageError(f"there is no decision {decision!r}")
    if (decision == "edit") != isinstance(text, str):
        raise UsageError("an edit needs a text, and nothing else has one")
    return Change(given["id"], decision, text, seen if isinstance(seen, str) else None)


def ask_of(body: Mapping[str, Any]) -> AskRequest:
    """What is asked, of which model, for how much.

    Raises:
        UsageError: it makes no sense; the message says what is expected.
    """
    prompt, model, cost = body.get("prompt"), body.get("model"), body.get("max_cost")
    if not isinstance(prompt, str) or not prompt.strip() or not isinstance(model, str):
        raise UsageError("say what is asked, and of which model")
    if cost is not None and (not isinstance(cost, (int, float)) or not 0 <= cost < math.inf):
        raise UsageError("the limit is a number of US dollars")
    return AskRequest(prompt, model.strip(), cost)


def bulk_of(body: Mapping[str, Any]) -> tuple[View, Bulk]:
    """A change for many, and the view that it is for.

    Raises:
        UsageError: it makes no sense; the message says what is expected.
    """
    kind = body.get("kind")
    texts = {name: body.get(name, "") for name in ("find", "text", "filter", "sort")}
    if kind not in ("replace", "regex", "prepend", "append", "accept", "reject"):
        raise UsageError(f"there is no change {kind!r} for many")
    if not all(isinstance(text, str) for text in texts.values()):
        raise UsageError("find, text and filter are texts")
    return read_view(texts["filter"]), Bulk(kind, texts["find"], texts["text"])
