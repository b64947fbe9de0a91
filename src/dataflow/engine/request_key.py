"""The key of a request: the same question about the same pictures has the same key.

The key is made of what determines the answer: the serving's settings (model, sampling), how
pictures are prepared, the conversation's text, each picture's identity in its place, and which of
several answers it is. The column in which the answer is to stand is no part of it.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from typing import Any

from dataflow.core.picture import ImageRef
from dataflow.core.request import Request

KEY_BYTES = 16
"""128 bits: two of a billion different requests collide with a chance of about 1e-21."""

# ensure_ascii keeps lone surrogates (of file names that are no UTF-8) encodable
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True)


class RequestHasher:
    """Makes the keys of one run.

    Args:
        settings: Everything outside the request that determines an answer, as plain JSON values.
        identify: A picture's reference → the text that says which picture it is.
    """

    def __init__(self, settings: Mapping[str, Any], identify: Callable[[ImageRef], str]) -> None:
        self._start = blake2b(_canonical(settings), digest_size=KEY_BYTES)
        self._identify = identify

    def key(self, request: Request) -> bytes:
        """The request's key, `KEY_BYTES` long."""
        return self._key(request, self._identify)

    def keys(self, requests: Sequence[Request]) -> list[bytes]:
        """The requests' keys; a picture that several of them hold is identified once."""
        identify = self._identify if len(requests) == 1 else functools.cache(self._identify)
        return [self._key(request, identify) for request in requests]

    def identified(self, requests: Sequence[Request]) -> list[tuple[bytes, bytes]]:
        """Each request's key and its subject: which pictures it is about, and for which answer."""
        identify = functools.cache(self._identify)
        return [(self._key(one, identify), _subject(one, identify)) for one in requests]

    def subject(self, request: Request) -> bytes:
        """Which pictures it is about, as `identified` gives it."""
        return _subject(request, self._identify)

    def content_key(self, request: Request, digests: Sequence[str]) -> bytes:
        """The key of the same question about the bytes that are sent, wherever they come from.

        Args:
            request: What is asked.
            digests: Of its pictures' bytes as they are sent, in their order; see `Picture.digest`.
        """
        known = dict(zip(request.pictures, digests, strict=True))
        return self._key(request, lambda ref: f"content:{known[ref]}")

    def _key(self, request: Request, identify: Callable[[ImageRef], str]) -> bytes:
        digest = self._start.copy()
        turns = [
            [
                turn.role,
                *(
                    ["text", part] if isinstance(part, str) else ["picture", identify(part)]
                    for part in turn.parts
                ),
            ]
            for turn in request.turns
        ]
        # the first of several answers has the key that it has alone
        number = [request.sample_index] if request.sample_index else []
        detail = [{"detail": request.send.detail}] if request.send.detail else []
        digest.update(_canonical([turns, dict(request.sampling), *number, *detail]))
        return digest.digest()


def _subject(request: Request, identify: Callable[[ImageRef], str]) -> bytes:
    """What a request is about, whatever is asked and whoever answers."""
    pictures = [identify(ref) for ref in request.pictures]
    # without a picture the question is all that there is
    about = pictures or [str(part) for turn in request.turns for part in turn.parts]
    return blake2b(_canonical([about, request.sample_index]), digest_size=8).digest()


def row_key(index: int, caption_index: int = 0) -> bytes:
    """The key under which a failure is kept where there is no request.

    Args:
        index: The row's.
        caption_index: Among the row's captions.
    """
    text = b"row %d" % index
    if caption_index:
        text += b", caption %d" % caption_index
    return blake2b(text, digest_size=KEY_BYTES).digest()


def _canonical(value: object) -> bytes:
    return _ENCODER.encode(value).encode("ascii")
