"""Whole numbers that were seen, in bounded memory."""

from __future__ import annotations

_IN_CHUNK = 1 << 16  # numbers of a chunk, a bit each: 8 KiB
_CHUNKS = 4096  # 32 MiB; 268 million numbers where they lie close together


class SeenIds:
    """Tells numbers that were seen from new ones, as long as they lie in few enough places."""

    def __init__(self) -> None:
        self._chunks: dict[int, bytearray] = {}

    def has_before(self, number: int) -> bool | None:
        """Whether `number` was seen before; it now is. None where there is no space to know."""
        index, rest = divmod(number, _IN_CHUNK)
        chunk = self._chunks.get(index)
        if chunk is None:
            if len(self._chunks) == _CHUNKS:
                return None
            chunk = self._chunks[index] = bytearray(_IN_CHUNK // 8)
        at, bit = divmod(rest, 8)
        had = bool(chunk[at] >> bit & 1)
        chunk[at] |= 1 << bit
        return had
