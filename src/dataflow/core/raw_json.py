"""A JSON value that keeps its own text, so that no digit and no order of it is lost on its way."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

_line_break = re.compile(r"[\r\n][ \t\r\n]*")
_half = re.compile(r"[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class RawJson:
    """A value of JSON (RFC 8259), as the text that says it.

    Formats that are JSON write the text; the others write `value`.

    Attributes:
        text: One whole JSON value on one line.
    """

    text: str

    @property
    def value(self) -> Any:
        """The value in Python's types; 1.10 and 1e400 are no more what they were."""
        return json.loads(self.text)

    @staticmethod
    def of(text: str) -> RawJson:
        """The value that `text` says, on one line; JSON has no line breaks inside its strings."""
        return RawJson(_line_break.sub("", text.strip(" \t\r\n")))


def plain(value: Any) -> Any:
    """`value` in Python's types: a `RawJson`, or those in a list."""
    if isinstance(value, RawJson):
        return value.value
    if isinstance(value, list) and any(isinstance(item, RawJson) for item in value):
        return [plain(item) for item in value]
    return value


def parse_json(text: str | bytes) -> Any:
    """The value of a text of JSON that comes from outside.

    Raises:
        ValueError: it is no JSON, or is nested deeper than Python's parser can follow.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def parse_strict(text: str) -> Any:
    """The value of a text of JSON that any reader takes (RFC 8259 and RFC 7493, I-JSON).

    Raises:
        ValueError: it is no JSON, holds NaN or an infinity, a key twice in one object, or half of a
            surrogate pair, or is nested deeper than Python's parser can follow.
    """
    try:
        value = json.loads(
            text, parse_constant=_refuse_constant, object_pairs_hook=_without_duplicates
        )
        has_half = _half.search(text) or (
            "\\ud" in text.lower() and _half.search(json.dumps(value, ensure_ascii=False))
        )
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if has_half:
        raise ValueError("it holds half of a surrogate pair, which is no character")
    return value


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {twice!r} stands twice in one object")
    return found


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON (RFC 8259)")
