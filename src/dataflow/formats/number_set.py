"""Whole numbers that were seen, in bounded memory."""

from __future__ import annotations

_IN_CHUNK = 1 << 16  # numbers of a chunk, a bit each: 8 KiB
_CHUNKS = 4096  # 32 MiB; 268 million numbers where they lie close together


class NumberSet:
    """Tells numbers that were seen from new ones, as long as they lie in few enough places."""

    def __init__(self) -> None:
        self._chunks: dict[int, bytearray] = {}

    def is_new(self, number: int) -> bool:
        """Whether `number` is sure to be seen for the first time; False where there is no room."""
        place, rest = divmod(number, _IN_CHUNK)
        chunk = self._chunks.get(place)
        if chunk is None:
            if len(self._chunks) == _CHUNKS:
                return False
            chunk = self._chunks[place] = bytearray(_IN_CHUNK // 8)
        at, bit = divmod(rest, 8)
        is_new = not chunk[at] >> bit & 1
        chunk[at] |= 1 << bit
        return is_new
