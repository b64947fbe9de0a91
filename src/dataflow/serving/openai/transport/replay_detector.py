"""Knows a reply that was made for another request by its id.

A gateway that caches replies by the question's text gives every picture the reply to the first;
a proxy that sends a reply twice shifts all that follow. The same id under two different requests
proves either. Servers that give all their replies one id, or none, are not suspected.
"""

from __future__ import annotations

import zlib
from collections import OrderedDict
from enum import Enum
from hashlib import blake2b

REMEMBERED = 10_000
"""Replies whose ids are remembered, so that memory stays constant."""

PROOFS = 3
"""So many replies of other requests, and a cache is certain: asking again does not help."""

_WHOLE = 4096
_SAMPLES = 32
_SAMPLE = 64
"""Bytes of a body that are looked at as a whole; else samples of it, and bytes of each."""


class Replay(Enum):
    """What a reply's id says of it."""

    NONE = "its own"
    ONCE = "another request's"
    CACHED = "another request's, as several before"


class ReplayDetector:
    """The ids of one client's replies, and the requests that they answered."""

    def __init__(self) -> None:
        self._requests: OrderedDict[bytes, tuple[tuple[int, int], int]] = OrderedDict()
        self._has_several = False
        self._shared_first = False
        self._replays = 0

    def check(self, reply_id: str, body: bytes, connection: int = 0) -> Replay:
        """Take in a reply.

        Args:
            reply_id: Its id, or empty.
            body: The request's body.
            connection: The number of the connection on which it came. On one and the same, a
                reply was sent twice, and a new connection helps; on another, it was kept.
        """
        if not reply_id:
            return Replay.NONE
        key, request = _digest(reply_id.encode("utf-8", "replace")), _checksum(body)
        known = self._requests.get(key)
        if known is None:
            self._requests[key] = (request, connection)
            if len(self._requests) > REMEMBERED:
                self._requests.popitem(last=False)
            self._has_several = self._has_several or len(self._requests) > 1
            if self._has_several and self._shared_first:
                # the first id came for several requests before a second one showed that ids vary
                self._shared_first = False
                self._replays = PROOFS
                return Replay.CACHED
            return Replay.NONE
        if known[0] == request:
            return Replay.NONE
        if not self._has_several:
            self._shared_first = True
            return Replay.NONE
        if connection and connection == known[1]:
            return Replay.ONCE
        self._replays += 1
        return Replay.CACHED if self._replays >= PROOFS else Replay.ONCE


def _digest(data: bytes) -> bytes:
    return blake2b(data, digest_size=12).digest()


def _checksum(body: bytes) -> tuple[int, int]:
    """Length and CRC-32 of samples: bodies have megabytes, and different pictures differ all over.

    Two bodies that look the same hide one replay, no more.
    """
    if len(body) <= _WHOLE:
        return len(body), zlib.crc32(body)
    checksum = zlib.crc32(body[-_SAMPLE:])
    for start in range(0, len(body), len(body) // _SAMPLES):
        checksum = zlib.crc32(body[start : start + _SAMPLE], checksum)
    return len(body), checksum
