"""One JSON text at a time: parsing it truly, and adding fields without touching the rest."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import orjson

from dataflow.core.errors import OutputError
from dataflow.core.raw_json import RawJson
from dataflow.core.row import RawTexts, Row
from dataflow.formats.base.json_values import dump_bytes

_SPACE = b" \t\r\n"
_space = re.compile(r"[ \t\r\n]*").match
_indent = re.compile(rb"\{([ \t\r\n]*)").match
_line_break = re.compile(rb"[\r\n][ \t\r\n]*")
_SHOWN = 40  # signs of a number in a message
_WHOLE_LIMIT = float(2**63)  # from here on orjson gives whole numbers as rounded floats


def _int(digits: str) -> int | float:
    try:
        return int(digits)
    except ValueError:  # Python refuses thousands of digits (CVE-2020-10735)
        return float(digits)


_DECODER = json.JSONDecoder()
_LONG_INT_DECODER = json.JSONDecoder(parse_int=_int)
_SPAN_DECODER = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str)


def decode_at(text: str, start: int) -> tuple[Any, int]:
    """The JSON value that begins at `text[start]`, and where it ends.

    NaN, Infinity and half surrogates are taken as Python's own json takes them.

    Raises:
        json.JSONDecodeError: there is no JSON value, or one nested too deeply.
    """
    try:
        return _DECODER.raw_decode(text, start)
    except json.JSONDecodeError:
        raise
    except ValueError:
        return _LONG_INT_DECODER.raw_decode(text, start)
    except RecursionError:
        raise json.JSONDecodeError("Nested too deeply", text, start) from None


def parse(raw: bytes) -> Any:
    """The value of the JSON text `raw`, which has no space around it.

    orjson does it where it can do it exactly; Python's json where orjson rounds (whole numbers
    beyond 64 bits) or refuses (NaN, 1e400, half surrogates).

    Raises:
        json.JSONDecodeError: `raw` is not JSON.
        UnicodeDecodeError: `raw` is not UTF-8.
    """
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError:
        pass
    else:
        if not _has_rounded(value):
            return value
    text = raw.decode("utf-8")
    value, end = decode_at(text, 0)
    if end != len(text):
        raise json.JSONDecodeError("Extra data", text, end)
    return value


def too_large(value: RawJson) -> str | None:
    """The first number in `value` that is larger than any double, at most 40 signs of it."""
    found: list[str] = []

    def noted(number: str) -> None:
        if math.isinf(float(number)):
            found.append(number if len(number) <= _SHOWN else f"{number[:_SHOWN]}…")

    json.loads(value.text, parse_float=noted, parse_int=noted)
    return found[0] if found else None


def no_object(value: Any) -> str:
    """What is wrong with a row that is `value`."""
    return f"a row must be a JSON object {{…}}, this is a {type(value).__name__}"


def _has_rounded(value: Any) -> bool:
    waiting = [value]
    while waiting:
        item = waiting.pop()
        kind = type(item)
        if kind is float:
            if item >= _WHOLE_LIMIT or item <= -_WHOLE_LIMIT:
                return True
        elif kind is dict:
            waiting.extend(item.values())
        elif kind is list:
            waiting.extend(item)
    return False


def members(text: str) -> Iterator[tuple[str, int, int]]:
    """Each member of the JSON object `text`: its name, and where its value starts and ends."""
    for name, _, start, end in _members(text):
        yield name, start, end


def _members(text: str) -> Iterator[tuple[str, int, int, int]]:
    """Each member: its name, where that starts, and where its value starts and ends."""
    at = _after_space(text, 1)
    while text[at] != "}":
        name, after = _SPAN_DECODER.raw_decode(text, at)
        start = _after_space(text, _after_space(text, after) + 1)
        _, end = _SPAN_DECODER.raw_decode(text, start)
        yield name, at, start, end
        at = _after_space(text, end)
        if text[at] == ",":
            at = _after_space(text, at + 1)


def exact(row: Row) -> Mapping[str, Any]:
    """The fields of `row`, to be written as JSON anew: of JSON, in their own text."""
    if not isinstance(row.raw, bytes):
        texts = row.raw.texts() if isinstance(row.raw, RawTexts) else {}
        return {**row.fields, **texts} if texts else row.fields
    text = row.raw.decode("utf-8")
    spans = {name: (start, end) for name, start, end in members(text)}
    return {
        name: value
        if value is None or isinstance(value, (str, bool))
        else RawJson.of(text[slice(*spans[name])])
        for name, value in row.fields.items()
    }


def without(raw: bytes, takes: Callable[[str], bool]) -> bytes:
    """The JSON object `raw` without the members whose names `takes` does not take.

    Every byte of the others stays, and what stands before each of them.
    """
    text = raw.decode("utf-8")
    pieces: list[str] = []
    before = 0
    first = last = None
    for name, at, _, end in _members(text):
        first = at if first is None else first
        if takes(name):
            # the comma that stands before a member goes and stays with it
            pieces += [text[before if pieces else at : at], text[at:end]]
        before = last = end
    if not pieces:
        return b"{}"
    return "".join((text[:first], *pieces, text[last:])).encode("utf-8")


def _after_space(text: str, start: int) -> int:
    match = _space(text, start)
    return match.end() if match else start


def one_line(raw: bytes) -> bytes:
    """The JSON text `raw` without line breaks; JSON has none inside its strings."""
    if b"\n" in raw or b"\r" in raw:
        return _line_break.sub(b"", raw)
    return raw


def row_object(row: Row, added: Mapping[str, Any]) -> bytes:
    """`row` and `added` as one JSON object.

    A row that came as JSON (`row.raw` is its bytes) keeps every byte of its own; a name in `added`
    that it has already gets its new value where it stands, a new one comes at the end.

    Raises:
        OutputError: a value has no place in JSON.
    """
    try:
        if not isinstance(row.raw, bytes):
            return dump_bytes({**exact(row), **added})
        taken = {name: value for name, value in added.items() if name in row.fields}
        raw = _replaced(row.raw, taken) if taken else row.raw
        new = {name: value for name, value in added.items() if name not in row.fields}
        return _appended(raw, new, empty=not row.fields) if new else raw
    except (TypeError, ValueError, RecursionError) as error:
        raise OutputError(f"{row.source}: cannot be written as JSON: {error}") from error


def _appended(raw: bytes, new: Mapping[str, Any], *, empty: bool) -> bytes:
    match = _indent(raw)
    indent = match.group(1) if match else b""
    between = b"," + (indent if b"\n" in indent else b" ")  # a pretty object stays pretty
    body = raw[:-1].rstrip(_SPACE)
    parts = (dump_bytes(name) + b": " + dump_bytes(value) for name, value in new.items())
    return b"".join((body, b"" if empty else between, between.join(parts), raw[len(body) :]))


def _replaced(raw: bytes, taken: Mapping[str, Any]) -> bytes:
    text = raw.decode("utf-8")
    # Where an object names a member twice, the last one counts, as in Python's json.
    spans = {name: (start, end) for name, start, end in members(text) if name in taken}
    pieces, at = [], 0
    for name, (start, end) in sorted(spans.items(), key=lambda item: item[1]):
        pieces += [text[at:start].encode("utf-8"), dump_bytes(taken[name])]
        at = end
    return b"".join((*pieces, text[at:].encode("utf-8")))
