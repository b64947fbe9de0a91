"""The size at which a picture is sent, worked out from its size in the file alone.

Decoding uses these very functions, so that what an estimate says is what is sent.
"""

from __future__ import annotations

import math

MIN_SIDE = 32
"""Pixels of each side at least: one patch of Qwen3-VL (Qwen2-VL: 28), which refuse less."""
MAX_RATIO = 100
"""Longer side ÷ shorter side at most; Qwen-VL processors refuse over 200, llama.cpp some below."""

Size = tuple[int, int]
"""Width and height in pixels."""


def sent_size(full: Size, max_side: int) -> Size:
    """Width and height of the picture that is sent.

    Args:
        full: Width and height of the whole picture, upright.
        max_side: Pixels of the longer side that is sent; larger pictures are shrunk.
    """
    return padded(enlarged(shrunk(full, max_side)))


def shrunk(size: Size, max_side: int) -> Size:
    """`size` within `max_side`, its shape kept; a smaller one stays as it is."""
    scale = max_side / max(size)
    if scale >= 1:
        return size
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def enlarged(size: Size) -> Size:
    """`size` grown to `MIN_SIDE` where both sides are smaller than that."""
    longer = max(size)
    if longer >= MIN_SIDE:
        return size
    return max(1, round(size[0] * MIN_SIDE / longer)), max(1, round(size[1] * MIN_SIDE / longer))


def padded(size: Size) -> Size:
    """`size` with the white that brings it to the least side and the greatest ratio."""
    least = max(MIN_SIDE, math.ceil(max(size) / MAX_RATIO))
    return max(size[0], least), max(size[1], least)
