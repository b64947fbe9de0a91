"""A JSON object of any size whose large members are arrays, one piece at a time.

That is what COCO's files are (https://cocodataset.org/#format-data): ``images`` and
``annotations`` may be gigabytes, the others are small.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

from dataflow.formats.text.json_window import JsonWindow


class ObjectMember(NamedTuple):
    """A member of the object, or an element of one of its arrays.

    Attributes:
        name: The member's name.
        is_element: Whether it is an element; else the member's whole value, or, of an array whose
            elements come one by one, its end.
        value: Its value; None for an array's end.
        raw: Its text; empty for an array's end.
    """

    name: str
    is_element: bool
    value: Any
    raw: bytes


def pieces(window: JsonWindow, arrays: Collection[str]) -> Iterator[ObjectMember]:
    """The members of the object in `window`, those called as in `arrays` element by element.

    Raises:
        InputError: the text is no such object; the message names line and column.
    """
    if window.peek() != "{":
        raise window.error("this must be an object {…}")
    window.move(window.at + 1)
    if window.peek() == "}":
        window.move(window.at + 1)
    else:
        more = True
        while more:
            yield from _member(window, arrays)
            more = _goes_on(window, "}")
    if window.peek():
        raise window.error("there is more text after the end of the object")


def _member(window: JsonWindow, arrays: Collection[str]) -> Iterator[ObjectMember]:
    if window.peek() != '"':
        raise window.error("invalid JSON (a member's name is expected)")
    name, end = window.value()
    window.move(end)
    if window.peek() != ":":
        raise window.error("invalid JSON (expected :)")
    window.move(window.at + 1)
    first = window.peek()
    if name not in arrays:
        yield _taken(window, name, is_element=False)
        return
    if first != "[":
        raise window.error(f"{name!r} must be an array")
    window.move(window.at + 1)
    if window.peek() == "]":
        window.move(window.at + 1)
    else:
        more = True
        while more:
            window.peek()
            yield _taken(window, name, is_element=True)
            more = _goes_on(window, "]")
    yield ObjectMember(name, is_element=False, value=None, raw=b"")


def _taken(window: JsonWindow, name: str, *, is_element: bool) -> ObjectMember:
    value, end = window.value()
    raw = window.text[window.at : end].encode("utf-8")
    piece = ObjectMember(name, is_element, value, raw)
    if is_element and not isinstance(value, dict):
        raise window.error(f"each element of {name!r} must be an object")
    window.move(end)
    return piece


def _goes_on(window: JsonWindow, end: str) -> bool:
    after = window.peek()
    if after not in {",", end}:
        reason = "the file ends inside" if not after else f"expected , or {end}"
        raise window.error(f"invalid JSON ({reason})")
    window.move(window.at + 1)
    return after == ","
