"""Notices replies that belong to another request: a gateway's cache that looks at the text alone.

Such a cache gives every picture the answer of the first one that was asked the same question. Where
it sends the reply as it was, its ``id`` (https://platform.openai.com/docs/api-reference/chat/object:
"a unique identifier") stands under two requests, which proves it.
"""

from __future__ import annotations

import re

from dataflow.core.errors import ReplyReuseError
from dataflow.core.request import Reply

LATEST = 100_000
"""Replies that are remembered."""

LEAST_CHARACTERS = 20
"""A shorter text may well fit several pictures, and needs `SHORT_REPEATS`."""

SHORT_REPEATS = 8
"""So many requests with one id and one short text, and no other text under that id."""

_GENERATED = re.compile(r"(?=[^\W_]*\d)(?=[^\W_]*[A-Za-z])[^\W_]{12,}|[0-9a-f]{8}-[0-9a-f]{4}-")
"""An id that was made for one reply, as opposed to the "chatcmpl-1" of a home-made server."""


class ReplyReuseDetector:
    """Compares the ids of one run's replies.

    A server that gives all its replies one id proves nothing by it, nor does one that puts
    different texts under one id; where that is seen, no id is looked at any more.
    """

    def __init__(self) -> None:
        self._is_off = False
        self._seen: dict[str, tuple[int, dict[bytes, int]]] = {}

    def record(self, key: bytes, asked: int, reply: Reply) -> None:
        """Take in the reply to the request `key`.

        Args:
            key: The request's.
            asked: A number for what is asked, text and pictures: the same answer to the same
                question may well be kept somewhere, and is beside its own picture.
            reply: The reply.

        Raises:
            ReplyReuseError: it is another request's.
        """
        if self._is_off or not reply.id:
            return
        mark = hash(reply.text)
        former, keys = self._seen.setdefault(reply.id, (mark, {}))
        if former != mark:
            self._is_off = True
            self._seen.clear()
            return
        keys[key] = asked
        questions = len(set(keys.values()))
        has_meaning = len(self._seen) > 1 or _GENERATED.search(reply.id)
        is_long = len(reply.text) >= LEAST_CHARACTERS
        if has_meaning and questions >= (2 if is_long else SHORT_REPEATS):
            raise ReplyReuseError(
                f"{questions} different requests got one and the same reply (id {reply.id!r:.80}): "
                "something between here and the engine answers from a cache that does not look at "
                "the pictures. Turn that cache off (the response cache of LiteLLM, Helicone, "
                "Portkey, Cloudflare …), then run the same command again; these rows are asked "
                "again"
            )
        if len(self._seen) > LATEST:
            self._seen.pop(next(iter(self._seen)))

    def keys_of(self, reply: Reply) -> set[bytes]:
        """The requests that this reply came for."""
        return set(self._seen.get(reply.id, (0, dict[bytes, int]()))[1])
