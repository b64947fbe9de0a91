"""What the page asks of the index: a page of items, how many there are, and of which kinds."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dataflow.review.index import ReviewIndex
from dataflow.review.view import View

FEW = 2_000
"""Hits of the trigram index up to which it finds a page faster than reading texts in order."""
MANY = 200_000
"""Hits up to which it counts faster than reading all texts."""
STEPS = 10_000
"""Instructions of SQLite between two looks whether anybody waits."""
_SHORTEST = 3  # characters that the trigram index can find
FIELDS = ("decision", "column", "model")
MOST_VALUES = 50
"""Values of one facet."""


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a view.

    Attributes:
        after: The id of the last item of the page before; None for the first page.
        limit: Items at most.
    """

    after: int | None = None
    limit: int = 50


def page_of(index: ReviewIndex, view: View, page: Page) -> list[dict[str, Any]]:
    """The items of a page, in the view's order."""
    condition, values = _narrowed(index, view, FEW)
    if page.after is not None and (last := index.item(page.after)) is not None:
        keys = view.order
        condition += f" AND ({keys}) > ({', '.join('?' * (keys.count(',') + 1))})"
        values += _position(view, last)
    rows = index.db.execute(
        f"SELECT * FROM items WHERE {condition} ORDER BY {view.order} LIMIT ?",  # noqa: S608
        (*values, page.limit),
    )
    return [shown(row) for row in rows]


def count_of(index: ReviewIndex, view: View) -> int:
    """How many items a view has."""
    condition, values = _narrowed(index, view, MANY)
    [count] = index.db.execute(f"SELECT count(*) FROM items WHERE {condition}", values).fetchone()  # noqa: S608
    return int(count)


def ids_of(index: ReviewIndex, view: View, most: int) -> list[int]:
    """The ids of a view's items, and one more than `most` where there are more."""
    condition, values = _narrowed(index, view, MANY)
    rows = index.db.execute(
        f"SELECT id FROM items WHERE {condition} ORDER BY id LIMIT ?",  # noqa: S608
        (*values, most + 1),
    )
    return [int(row["id"]) for row in rows]


def facets_of(
    index: ReviewIndex, view: View, is_stale: Callable[[], bool] = lambda: False
) -> dict[str, dict[str, int]]:
    """Field → value → items of the view that have it, the commonest first; in one pass.

    Args:
        index: The items.
        view: What is counted.
        is_stale: Whether nobody waits for it any more; it is asked all the time.

    Raises:
        sqlite3.OperationalError: nobody waited for it any more.
    """
    index.db.set_progress_handler(is_stale, STEPS)
    try:
        return _facets(index, view)
    finally:
        index.db.set_progress_handler(None, 0)


def _facets(index: ReviewIndex, view: View) -> dict[str, dict[str, int]]:
    condition, values = _narrowed(index, view, MANY)
    counts: dict[str, Counter[str]] = {name: Counter() for name in (*FIELDS, "kind")}
    for *found, kinds, number in index.db.execute(
        f"SELECT {', '.join(FIELDS)}, kinds, count(*) FROM items WHERE {condition}"  # noqa: S608
        f" GROUP BY {', '.join(FIELDS)}, kinds",
        values,
    ):
        for name, value in zip(FIELDS, found, strict=True):
            counts[name][value] += number
        for kind in kinds.split(",") if kinds else ():
            counts["kind"][kind] += number
    return {name: dict(counted.most_common(MOST_VALUES)) for name, counted in counts.items()}


def shown(row: sqlite3.Row) -> dict[str, Any]:
    """An item as the page gets it."""
    reference = json.loads(row["picture"]) if row["picture"] else None
    return {
        "id": row["id"],
        "row": row["row"],
        "column": row["column"],
        "number": row["number"],
        "source": row["source"],
        "text": row["text"],
        "kinds": row["kinds"].split(",") if row["kinds"] else [],
        "reasons": json.loads(row["reasons"]),
        "words": row["words"],
        "model": row["model"],
        "copies": row["copies"],
        "decision": row["decision"],
        "version": row["changed"],
        "pictures": len(reference) if isinstance(reference, list) else int(reference is not None),
    }


def _position(view: View, row: sqlite3.Row) -> list[Any]:
    first: dict[str, list[Any]] = {
        "queue": [int(bool(row["decision"])), -row["severity"]],
        "order": [],
        "short": [row["words"]],
        "long": [-row["words"]],
    }
    return [*first[view.sort], row["id"]]


def _narrowed(index: ReviewIndex, view: View, few: int) -> tuple[str, list[Any]]:
    """A view's condition, by way of the trigram index where that finds few enough."""
    condition, values = view.condition, list(view.values)
    texts = [text for text in view.contains if len(text) >= _SHORTEST and text.isprintable()]
    if not texts:
        return condition, values
    phrases = " AND ".join('"' + text.replace('"', '""') + '"' for text in texts)
    [hits] = index.db.execute(
        "SELECT count(*) FROM (SELECT 1 FROM texts WHERE texts MATCH ? LIMIT ?)",
        (phrases, few + 1),
    ).fetchone()
    if hits > few:
        return condition, values
    found = "SELECT rowid FROM texts WHERE texts MATCH ?"
    return f"{condition} AND id IN ({found})", [*values, phrases]
