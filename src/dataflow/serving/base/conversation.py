"""A row's conversation, in any of the shapes that datasets hold → the turns of a request."""

from __future__ import annotations

import ast
import contextlib
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dataflow.core.errors import BadRowError
from dataflow.core.picture import PICTURE_PARTS, ImageRef
from dataflow.core.request import Role, Turn
from dataflow.core.text import short_text

DEFAULT_QUESTION = "Please describe the image in detail."
"""What is asked where a row holds no question of its own."""

MARKER = "<image>"
"""Where in a turn's text a picture goes."""

_LITERAL = "\ue000image\ue001"  # of the private use area: a marker that is text
_LIKE_TURNS = re.compile(r"""\s*\[?\s*\{\s*['"](?:from|role|value|content)['"]\s*:""")
"""How a list of turns begins, whoever wrote it."""

_ROLES: dict[str, Role] = {
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "assistant": "assistant",
    "model": "assistant",
    "bot": "assistant",
    "system": "system",
}


def turns_of(
    conversation: object,
    pictures: Sequence[ImageRef],
    *,
    system_prompt: str | None,
    default_question: str = DEFAULT_QUESTION,
) -> tuple[Turn, ...]:
    """The turns that ask `conversation` about `pictures`.

    * `system_prompt` comes first; where it is empty, the conversation's own system turn does.
    * Assistant turns after the last user turn are dropped: datasets keep an old answer there.
    * Each ``<image>`` in a user turn is replaced by the next picture; pictures without a marker
      follow the last one that has one, so that their order stays, or go before the first user
      turn's text where there is no marker. In other turns a marker is dropped.
    * Where no user turn has any text, the last one asks `default_question`.

    Args:
        conversation: A list of turns, each ``{"from" or "role": …, "value" or "content": …}`` with
            the roles human, user, gpt, assistant and system, its content a text or a list of
            OpenAI-style parts; or such a list as JSON text; or one turn; or any other text, which
            is one user turn. None, NaN and empty values have no turns.
        pictures: The row's pictures, in order.
        system_prompt: The instruction before the conversation; None or empty for nothing.
        default_question: What is asked where the conversation asks nothing.

    Raises:
        BadRowError: the conversation has no readable shape, or more markers than pictures.
    """
    texts = [_read_turn(turn) for turn in _list_of(conversation)]
    system = system_prompt or "\n".join(text for role, text in texts if role == "system")
    texts = [(role, text) for role, text in texts if role != "system"]
    while texts and texts[-1][0] == "assistant":
        texts.pop()
    if not texts:
        texts = [("user", "")]
    if not any(_without_markers(text).strip() for role, text in texts if role == "user"):
        texts[-1] = ("user", texts[-1][1] + default_question)
    turns = tuple(_with_pictures(texts, pictures))
    system = _without_markers(system)
    return (Turn("system", (system,)), *turns) if system.strip() else turns


def _with_pictures(
    texts: Sequence[tuple[Role, str]], pictures: Sequence[ImageRef]
) -> Iterator[Turn]:
    """The turns with their pictures."""
    markers = sum(text.count(MARKER) for role, text in texts if role == "user")
    if markers > len(pictures):
        raise BadRowError(
            f"the conversation has {markers} {MARKER} markers for {len(pictures)} pictures"
        )
    waiting = list(pictures)
    for role, text in texts:
        if role != "user":
            yield Turn(role, (_restored(_without_markers(text)),))
            continue
        first, *others = text.split(MARKER)
        parts: list[str | ImageRef] = [first.rstrip("\n") if others else first]
        if not markers:
            parts, waiting = [*waiting, first], []
        for number, piece in enumerate(others, start=1):
            is_last = number == len(others)
            markers -= 1
            due = 1 if markers else len(waiting)
            parts += [*waiting[:due], piece.lstrip("\n") if is_last else piece.strip("\n")]
            del waiting[:due]
        kept = [part for part in parts if isinstance(part, ImageRef) or part.strip()] or [""]
        yield Turn(role, tuple(_restored(p) if isinstance(p, str) else p for p in kept))


def literal(text: str) -> str:
    """`text` from a data field for use in a turn, where an ``<image>`` in it is text."""
    return text.replace(MARKER, _LITERAL)


def _restored(text: str) -> str:
    return text.replace(_LITERAL, MARKER)


def _without_markers(text: str) -> str:
    return text.replace(MARKER + "\n", "").replace("\n" + MARKER, "").replace(MARKER, "")


def _list_of(conversation: object) -> Sequence[object]:
    if isinstance(conversation, str):
        conversation = _parse(conversation)
    if hasattr(conversation, "tolist"):  # numpy's arrays, which a DataFrame holds
        conversation = conversation.tolist()
    if conversation is None or (isinstance(conversation, float) and math.isnan(conversation)):
        return ()  # NaN is what pandas puts for nothing
    if isinstance(conversation, str):
        return ({"from": "human", "value": conversation},) if conversation.strip() else ()
    if isinstance(conversation, Mapping):
        return (conversation,) if conversation else ()
    if isinstance(conversation, (list, tuple)):
        return conversation
    raise BadRowError(
        f"the conversation is a {type(conversation).__name__}, not a list of turns or a text"
    )


def _parse(text: str) -> object:
    """A cell of a CSV file may hold the whole list; any other text is a question.

    As JSON, or as Python writes it, which is what pandas puts into a cell.

    Raises:
        BadRowError: the text begins as such a list and is none.
    """
    if not text.lstrip().startswith(("[", "{")):
        return text
    for read in (json.loads, ast.literal_eval):
        with contextlib.suppress(ValueError, SyntaxError, RecursionError, MemoryError):
            found = read(text.strip())
            turns = found if isinstance(found, list) else [found]
            if all(isinstance(turn, dict) for turn in turns):
                return found
    if _LIKE_TURNS.match(text):
        raise BadRowError(
            "the conversation is a text that begins as a list of turns and is neither JSON nor "
            f"a Python list: {short_text(text, 80)}"
        )
    return text


def _read_turn(turn: object) -> tuple[Role, str]:
    if not isinstance(turn, Mapping):
        raise BadRowError(f"a turn of the conversation is a {type(turn).__name__}, not an object")
    name = turn.get("from", turn.get("role"))
    role = _ROLES.get(name.strip().lower()) if isinstance(name, str) else None
    if role is None:
        known = ", ".join(_ROLES)
        raise BadRowError(f"a turn is from {name!r:.60}; known are {known}")
    return role, _read_content(turn.get("value", turn.get("content")))


def _read_content(content: Any) -> str:
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if hasattr(content, "tolist"):
        content = content.tolist()
    if isinstance(content, (list, tuple)):
        return "".join(_read_part(part) for part in content)
    raise BadRowError(f"a turn's content is a {type(content).__name__}, not a text")


def _read_part(part: object) -> str:
    """A part in the form of OpenAI's protocol; a picture's stands where the picture goes."""
    if isinstance(part, str):
        return part
    kind = part.get("type") if isinstance(part, Mapping) else None
    if kind in PICTURE_PARTS:
        return MARKER
    text = part.get("text") if isinstance(part, Mapping) else None
    if isinstance(text, str):
        return text
    raise BadRowError(f"a part of a turn's content is neither text nor picture: {kind!r:.60}")
