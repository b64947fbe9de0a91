"""Rows as a small HTML table, picture beside texts, as notebooks show objects.

Bounded in every direction: rows, pictures, characters, bytes and seconds. Pictures are made small
in the same pipeline that makes them safe to send, those behind a URL are named and not fetched, and
all text is escaped. There is no script in it.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import Any

from dataflow.core.errors import RowError
from dataflow.core.picture import ImageRef, Picture
from dataflow.core.text import short_text
from dataflow.images.base.limits import Limits
from dataflow.images.loader import Loader
from dataflow.images.reference import parse_reference

ROWS = 10
"""Rows that are shown."""

_SIDE = 160
_PICTURES = 3
_COLUMNS = 8
_CHARACTERS = 1_000
_PICTURE_BYTES = 200_000
_SECONDS = 5.0

_CELL = "padding:.4em .8em;text-align:left;vertical-align:top;border-top:1px solid #8884"
_SOFT = "opacity:.65;font-size:.9em"


@dataclass(frozen=True, slots=True)
class GalleryRow:
    """A row to show.

    Attributes:
        picture: The value of its picture column; None for no picture.
        texts: Its other columns; None for a caption that failed.
    """

    picture: Any
    texts: Mapping[str, Any]


def gallery(
    rows: Iterable[GalleryRow],
    folders: Sequence[str],
    *,
    title: str,
    limits: Limits | None = None,
) -> str:
    """The first of `rows` as an HTML table.

    Args:
        rows: What is shown; no more than `ROWS` of them are taken.
        folders: Where relative picture paths are looked up.
        title: What stands above the table.
        limits: What a picture may cost.
    """
    shown = list(itertools.islice(rows, ROWS))
    made: list[str] = []
    limits = replace(limits or Limits(), max_side=_SIDE, max_seconds=_SECONDS)

    def work() -> None:
        made.extend(asyncio.run(_cells(shown, folders, limits)))

    # a thread of its own: a notebook has an event loop running
    thread = threading.Thread(target=work, name="dataflow-gallery", daemon=True)
    thread.start()
    thread.join(2 * _SECONDS)
    cells = [*made, *[_note("not ready")] * (len(shown) - len(made))]
    lines = [
        f'<tr><td style="{_CELL};width:{_SIDE}px">{cell}</td>'
        f'<td style="{_CELL}">{_texts(row.texts)}</td></tr>'
        for cell, row in zip(cells, shown, strict=False)
    ]
    return (
        f'<div><p dir="auto">{escape(short_text(title, 300))}</p>'
        f'<table style="border-collapse:collapse">{"".join(lines)}</table></div>'
    )


async def _cells(rows: Sequence[GalleryRow], folders: Sequence[str], limits: Limits) -> list[str]:
    async with Loader(limits) as loader:
        cells = [_pictures(row.picture, folders, loader, limits) for row in rows]
        return list(await asyncio.gather(*cells))


async def _pictures(value: Any, folders: Sequence[str], loader: Loader, limits: Limits) -> str:
    try:
        refs = parse_reference(value, folders, image_root=limits.image_root)
    except RowError as error:
        return _note(error.message)
    found = [await _one(ref, loader) for ref in refs[:_PICTURES]]
    more = len(refs) - _PICTURES
    return "".join(found) + (_note(f"and {more} more") if more > 0 else "")


async def _one(ref: ImageRef, loader: Loader) -> str:
    if ref.kind == "url":
        return _note(f"{ref.name}: at a URL")
    try:
        return _image(await asyncio.wait_for(loader.load(ref), _SECONDS), ref.name)
    except RowError as error:
        return _note(error.message)
    except asyncio.TimeoutError:
        return _note(f"{ref.name}: takes too long")


def _image(picture: Picture, name: str) -> str:
    if len(picture.data) > _PICTURE_BYTES:
        return _note(f"{name}: too large to show here")
    data = base64.b64encode(picture.data).decode("ascii")
    return (
        f'<img alt="{escape(name)}" title="{escape(name)}" width="{picture.width}" '
        f'height="{picture.height}" src="data:{picture.media_type};base64,{data}">'
    )


def _texts(texts: Mapping[str, Any]) -> str:
    shown = list(texts.items())[:_COLUMNS]
    parts = [
        f'<div><span style="{_SOFT}">{escape(short_text(name, 60))}</span>{_value(value)}</div>'
        for name, value in shown
    ]
    more = len(texts) - len(shown)
    return "".join(parts) + (_note(f"and {more} more columns") if more else "")


def _value(value: Any) -> str:
    if value is None:
        return '<div style="color:#b3261e">none</div>'
    if isinstance(value, (bytes, bytearray)):
        return _note(f"{len(value):,} bytes")
    text = value if isinstance(value, str) else repr(value)
    cut = text if len(text) <= _CHARACTERS else f"{text[:_CHARACTERS]}…"
    clean = cut.encode("utf-8", "replace").decode("utf-8")
    return (
        '<div dir="auto" style="white-space:pre-wrap;overflow-wrap:anywhere;max-width:60em">'
        f"{escape(clean)}</div>"
    )


def _note(text: str) -> str:
    return f'<div style="{_SOFT}">{escape(short_text(text, 200))}</div>'
