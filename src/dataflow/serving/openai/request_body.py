"""A request → the bytes of its HTTP body.

The format is OpenAI's chat completions
(https://platform.openai.com/docs/api-reference/chat/create). Every content is a list of parts, for
some servers' chat templates drop a plain string. A picture's base64 is spliced in as bytes: it
needs no JSON escapes, and it is by far the longest part of a body.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson
from pybase64 import b64encode

from dataflow.core.errors import BadRowError, UsageError
from dataflow.core.picture import Picture
from dataflow.core.request import Request, Turn

_OWN = frozenset({"model", "messages", "stream", "stream_options", "n"})
_MEDIA_TYPE = re.compile(r"image/[a-z0-9.+-]+")


def merge_sampling(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """The sampling fields of `layers`, later ones over earlier ones; None takes a field away.

    Raises:
        UsageError: a field is one that the client sets itself, or is no JSON value.
    """
    merged: dict[str, Any] = {}
    for layer in layers:
        merged.update(layer)
    merged = {name: value for name, value in merged.items() if value is not None}
    if own := sorted(_OWN & merged.keys()):
        raise UsageError(f"{', '.join(own)} cannot be given as sampling: the client sets it")
    try:
        orjson.dumps(merged)
    except TypeError as error:
        raise UsageError(f"the sampling {merged!r:.200} is not plain JSON: {error}") from None
    return merged


def build_body(
    request: Request,
    pictures: Sequence[Picture],
    *,
    model: str,
    sampling: Mapping[str, Any],
    stream: bool = False,
) -> bytes:
    """The JSON body that asks `request`.

    Args:
        request: The question.
        pictures: The loaded pictures, one for each of `request.pictures`, in order.
        model: The model's name at the server.
        sampling: What `merge_sampling` gave.
        stream: Whether the reply is to come in pieces, with the token counts at its end.

    Raises:
        BadRowError: a text holds half of a surrogate pair, which no UTF-8 can carry.
        ValueError: `pictures` are not as many as the request's.
    """
    if len(pictures) != len(request.pictures):
        raise ValueError(f"{len(request.pictures)} pictures to send, {len(pictures)} given")
    rest: dict[str, Any] = {"model": model, **sampling}
    if stream:
        rest |= {"stream": True, "stream_options": {"include_usage": True}}
    chunks = [orjson.dumps(rest)[:-1], b',"messages":[']
    left = iter(pictures)
    for number, turn in enumerate(request.turns):
        chunks += [b","] if number else []
        chunks += _message(turn, left)
    chunks.append(b"]}")
    return b"".join(chunks)  # the one copy of the base64


def _message(turn: Turn, pictures: Iterator[Picture]) -> Iterator[bytes]:
    yield b'{"role":"%b","content":[' % turn.role.encode("ascii")
    for number, part in enumerate(turn.parts):
        if number:
            yield b","
        if isinstance(part, str):
            yield _text(part)
        else:
            yield from _picture(next(pictures))
    yield b"]}"


def _text(text: str) -> bytes:
    try:
        return b'{"type":"text","text":%b}' % orjson.dumps(text)
    except TypeError:
        raise BadRowError("the question holds half of a surrogate pair: no valid text") from None


def _picture(picture: Picture) -> Iterator[bytes]:
    if not _MEDIA_TYPE.fullmatch(picture.media_type):
        raise ValueError(f"{picture.media_type!r} is no picture's media type")
    media_type = picture.media_type.encode("ascii")
    yield b'{"type":"image_url","image_url":{"url":"data:%b;base64,' % media_type
    yield b64encode(picture.data)
    yield b'"}}'
