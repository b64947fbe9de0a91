"""A request → the bytes of its HTTP body.

The format is OpenAI's chat completions
(https://platform.openai.com/docs/api-reference/chat/create). Texts of the system and the assistant
go as plain strings, as every SDK sends them; the user's content is a list of parts. A picture's
base64 is spliced in as bytes: it needs no JSON escapes, and it is by far the longest part of a
body.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import orjson
from pybase64 import b64encode

from dataflow.core.errors import BadRowError, UsageError
from dataflow.core.picture import ImageRef, Picture
from dataflow.core.request import Request, Turn
from dataflow.serving.openai.response_format import schema_in_words

OWN_FIELDS = frozenset({"model", "messages", "stream", "stream_options", "n"})
"""The fields that the client sets itself."""

DETAILS = ("low", "high", "auto", "original")
"""In how much detail a model can be asked to look at pictures
(https://developers.openai.com/api/docs/guides/images-vision)."""

_MEDIA_TYPE = re.compile(r"image/[a-z0-9.+-]+")

SystemForm = Literal["text", "parts", "question"]
"""How the system message is sent: as a string, as a list of parts, or before the question."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyForm:
    """In which form a request is put, where a model does not take the usual one.

    Attributes:
        system: How the system message is sent.
        schema_in_words: Whether a schema stands in the question instead of ``response_format``.
        stream: Whether the reply is to come in pieces.
        stream_usage: Whether the token counts at a stream's end are asked for.
        detail: The detail in which pictures are looked at (``"low"``, ``"high"``), or empty.
        only_jpeg: Whether a PNG is sent as a JPEG.
    """

    system: SystemForm = "text"
    schema_in_words: bool = False
    stream: bool = False
    stream_usage: bool = True
    detail: str = ""
    only_jpeg: bool = False


def merge_sampling(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """The sampling fields of `layers`, later ones over earlier ones; None takes a field away.

    A field's name may be dotted: ``chat_template_kwargs.enable_thinking`` is a field of an object.

    Raises:
        UsageError: a field is one that the client sets itself, or is no JSON value.
    """
    merged: dict[str, Any] = {}
    for layer in layers:
        for name, value in layer.items():
            _set(merged, name, value)
    merged = {name: value for name, value in merged.items() if value is not None}
    if own := sorted(OWN_FIELDS & merged.keys()):
        raise UsageError(f"{', '.join(own)} cannot be given as sampling: the client sets it")
    try:
        orjson.dumps(merged)
    except TypeError as error:
        raise UsageError(f"the sampling {merged!r:.200} is not plain JSON: {error}") from None
    return merged


def _set(merged: dict[str, Any], name: Any, value: Any) -> None:
    *path, last = name.split(".") if isinstance(name, str) else [name]
    inner = merged
    for part in path:
        below = inner.get(part)
        inner[part] = dict(below) if isinstance(below, Mapping) else {}
        inner = inner[part]
    inner[last] = value


def without_field(sampling: Mapping[str, Any], name: str) -> dict[str, Any]:
    """`sampling` without the field `name`, which may be dotted; an emptied object goes, too."""
    first, _, rest = name.partition(".")
    inner = sampling.get(first)
    found = {key: value for key, value in sampling.items() if key != first}
    if rest and isinstance(inner, Mapping) and (left := without_field(inner, rest)):
        found[first] = left
    return found


def build_body(
    request: Request,
    pictures: Sequence[Picture],
    *,
    model: str,
    sampling: Mapping[str, Any],
    form: BodyForm | None = None,
) -> bytes:
    """The JSON body that asks `request`.

    Args:
        request: The question.
        pictures: The loaded pictures, one for each of `request.pictures`, in order.
        model: The model's name at the server.
        sampling: What `merge_sampling` gave.
        form: In which form it is put; None for the usual one.

    Raises:
        BadRowError: a text holds half of a surrogate pair, which no UTF-8 can carry.
        ValueError: `pictures` are not as many as the request's.
    """
    if len(pictures) != len(request.pictures):
        raise ValueError(f"{len(request.pictures)} pictures to send, {len(pictures)} given")
    form = form or BodyForm()
    turns = request.turns
    if form.system == "question":
        turns = system_before_question(turns)
    fields = {"model": model, **sampling}
    if form.schema_in_words and "response_format" in fields:
        turns = _with_words(turns, schema_in_words(fields.pop("response_format")))
    if form.stream:
        fields["stream"] = True
    if form.stream and form.stream_usage:
        fields["stream_options"] = {"include_usage": True}
    chunks = [orjson.dumps(fields)[:-1], b',"messages":[']
    left = iter(pictures)
    for number, turn in enumerate(turns):
        chunks += [b","] if number else []
        chunks += _message(turn, left, form)
    chunks.append(b"]}")
    return b"".join(chunks)  # the one copy of the base64


def system_before_question(turns: Sequence[Turn]) -> tuple[Turn, ...]:
    """`turns` with the system's text at the head of the first question."""
    system = [part for turn in turns if turn.role == "system" for part in turn.parts]
    others = [turn for turn in turns if turn.role != "system"]
    if not system or not others:
        return tuple(turns)
    text = "\n\n".join(part for part in system if isinstance(part, str))
    first = next((n for n, turn in enumerate(others) if turn.role == "user"), 0)
    pictures = [part for part in system if isinstance(part, ImageRef)]
    others[first] = replace(others[first], parts=(*pictures, text, *others[first].parts))
    return tuple(others)


def _with_words(turns: Sequence[Turn], words: str) -> tuple[Turn, ...]:
    *others, last = turns
    return (*others, replace(last, parts=(*last.parts, words)))


def _message(turn: Turn, pictures: Iterator[Picture], form: BodyForm) -> Iterator[bytes]:
    as_text = turn.role == "assistant" or (turn.role == "system" and form.system != "parts")
    if as_text and all(isinstance(part, str) for part in turn.parts):
        text = "\n".join(part for part in turn.parts if isinstance(part, str))
        yield b'{"role":"%b","content":%b}' % (turn.role.encode("ascii"), _json(text))
        return
    yield b'{"role":"%b","content":[' % turn.role.encode("ascii")
    for number, part in enumerate(turn.parts):
        if number:
            yield b","
        if isinstance(part, str):
            yield b'{"type":"text","text":%b}' % _json(part)
        else:
            yield from _picture(next(pictures), form.detail)
    yield b"]}"


def _json(text: str) -> bytes:
    try:
        return orjson.dumps(text)
    except TypeError:
        raise BadRowError("the question holds half of a surrogate pair: no valid text") from None


def _picture(picture: Picture, detail: str) -> Iterator[bytes]:
    if not _MEDIA_TYPE.fullmatch(picture.media_type):
        raise ValueError(f"{picture.media_type!r} is no picture's media type")
    media_type = picture.media_type.encode("ascii")
    yield b'{"type":"image_url","image_url":{"url":"data:%b;base64,' % media_type
    yield b64encode(picture.data)
    yield b'","detail":%b}}' % orjson.dumps(detail) if detail else b'"}}'
