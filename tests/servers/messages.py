"""The parts of a request's messages, whether their contents are texts or lists."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def parts_of(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One message's parts; a text is one part."""
    content = message["content"]
    return content if isinstance(content, list) else [{"type": "text", "text": content}]


def all_parts(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The parts of all messages of a request, in their order."""
    return [part for message in body.get("messages", ()) for part in parts_of(message)]
