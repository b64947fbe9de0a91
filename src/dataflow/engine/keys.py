"""The key of a request: the same question about the same pictures has the same key.

The key is made of what determines the answer: the serving's settings (model, sampling), how
pictures are prepared, the conversation's text, and each picture's identity in its place.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Any

from dataflow.core.picture import ImageRef
from dataflow.core.request import Request

KEY_BYTES = 16
"""128 bits: two of a billion different requests collide with a chance of about 1e-21."""

# ensure_ascii keeps lone surrogates (of file names that are no UTF-8) encodable
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True)


class KeyMaker:
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
        digest = self._start.copy()
        turns = [[turn.role, *map(self._part, turn.parts)] for turn in request.turns]
        digest.update(_canonical([turns, dict(request.sampling)]))
        return digest.digest()

    def _part(self, part: str | ImageRef) -> list[str]:
        return ["text", part] if isinstance(part, str) else ["picture", self._identify(part)]


def row_key(index: int) -> bytes:
    """The key under which the failure of a row that makes no request is kept."""
    return blake2b(b"row %d" % index, digest_size=KEY_BYTES).digest()


def _canonical(value: object) -> bytes:
    return _ENCODER.encode(value).encode("ascii")
