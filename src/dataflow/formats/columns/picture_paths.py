"""The names of a row's pictures, for formats that name pictures and do not hold them."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from typing import Any

from dataflow.core.picture import is_turn, turn_pictures


def named_in(value: Any) -> list[str]:
    """The paths and URLs of the pictures that `value`, from the picture column, stands for.

    Args:
        value: What `images.reference` takes: a path, an object with ``path`` or ``url``, a list of
            these, which may also stand as JSON text, or a conversation whose turns hold such. What
            is no text, as bytes are, is left out.
    """
    if isinstance(value, str):
        value = _unpacked(value)
    if hasattr(value, "tolist"):
        value = value.tolist()
    items = value if isinstance(value, (list, tuple)) else [value]
    if items and all(map(is_turn, items)):
        items = turn_pictures(items)
    return [name for item in items if (name := _name(item))]


def holds_picture(value: Any) -> bool:
    """Whether `value` is a picture's bytes, or an object that has a place for them."""
    return isinstance(value, bytes) or (isinstance(value, Mapping) and "bytes" in value)


def _unpacked(text: str) -> Any:
    """The list or object that `text` is as JSON, as CSV cells hold them; else `text`."""
    if text[:1] in ("[", "{"):
        with contextlib.suppress(ValueError, RecursionError):
            return json.loads(text)
    return text


def _name(item: Any) -> str:
    if isinstance(item, Mapping):
        item = item.get("path") or item.get("url")
    if isinstance(item, os.PathLike):
        item = os.fsdecode(item)
    return item if isinstance(item, str) else ""
