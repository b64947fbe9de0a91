"""Tokens of a picture at the providers that run their own models.

Every rule takes the width and height in pixels at which the picture is sent, and gives tokens.
"""

from __future__ import annotations

import math
from typing import Literal

_TILE_BOX = 2048
_TILE_SHORT = 768
_TILE = 512
_PATCH = 32
_CLAUDE_PATCH = 28
_GEMINI_TILE = 258
_GEMINI_SMALL = 384
_GEMINI_UNIT = (256, 768)


def openai_tiles(
    width: int,
    height: int,
    *,
    base: int,
    tile: int,
    detail: Literal["high", "low"] = "high",
) -> int:
    """OpenAI's tiles: fit into 2048×2048, the shorter side to 768, then squares of 512.

    Pictures that are smaller already are not enlarged: bills show it (a 2049×513 picture costs 8
    tiles and a 2050×513 picture 4, which also shows that sides are rounded to the nearest pixel).

    Sources: https://developers.openai.com/api/docs/guides/images-vision (calculating costs),
    https://community.openai.com/t/1281361 (bills).

    Args:
        width: Pixels.
        height: Pixels.
        base: Tokens of every picture.
        tile: Tokens of each square.
        detail: ``"low"`` costs `base` alone. Where a request names none, the servers take
            ``"high"``.
    """
    if detail == "low":
        return base
    scale = min(1.0, _TILE_BOX / max(width, height))
    width, height = round(width * scale), round(height * scale)
    scale = min(1.0, _TILE_SHORT / min(width, height))
    width, height = round(width * scale), round(height * scale)
    return base + tile * _cells(width, height, _TILE)


def openai_patches(
    width: int, height: int, *, multiplier: float, budget: int | None, max_side: int
) -> int:
    """OpenAI's patches: squares of 32, as many as the budget holds, times the model's multiplier.

    Source: https://developers.openai.com/api/docs/guides/images-vision (patch-based image
    tokenization), with the sizes that hold where a request names no detail.

    Args:
        width: Pixels.
        height: Pixels.
        multiplier: Tokens billed for each patch.
        budget: Patches at most; a larger picture is shrunk. None for any number.
        max_side: Pixels of the longer side at most; a larger picture is shrunk.
    """
    scale = min(1.0, max_side / max(width, height))
    width, height = round(width * scale), round(height * scale)
    if budget is not None and _cells(width, height, _PATCH) > budget:
        shrink = math.sqrt(_PATCH**2 * budget / (width * height))
        across, down = width * shrink / _PATCH, height * shrink / _PATCH
        shrink *= min(math.floor(across) / across, math.floor(down) / down)
        width, height = round(width * shrink), round(height * shrink)
    return math.ceil(round(_cells(width, height, _PATCH) * multiplier, 6))


def claude_patches(width: int, height: int, *, max_side: int, budget: int) -> int:
    """Claude's patches: squares of 28, of the largest picture of this shape within both limits.

    It took the place of "pixels ÷ 750", which older pages still name.

    Source: https://platform.claude.com/docs/en/build-with-claude/vision (resolution and token
    cost).

    Args:
        width: Pixels.
        height: Pixels.
        max_side: Pixels of the longer side at most.
        budget: Tokens at most.
    """
    longer = max(width, height)

    def cost(side: int) -> int:
        scale = side / longer
        return _cells(max(1, round(width * scale)), max(1, round(height * scale)), _CLAUDE_PATCH)

    low, high = 1, min(longer, max_side)
    while low < high:  # the longest side that fits: the cost never falls as the side grows
        middle = (low + high + 1) // 2
        low, high = (middle, high) if cost(middle) <= budget else (low, middle - 1)
    return cost(low)


def gemini_tiles(width: int, height: int) -> int:
    """Gemini 2's tiles: one up to 384 pixels a side, else as many as its rough formula says.

    Google itself calls the formula rough: the unit is two thirds of the shorter side, but no
    smaller than 256 pixels and no larger than 768.

    Sources: https://ai.google.dev/gemini-api/docs/image-understanding (token calculation),
    https://cloud.google.com/vertex-ai/generative-ai/docs/multimodal/image-understanding (the
    bounds).
    """
    if max(width, height) <= _GEMINI_SMALL:
        return _GEMINI_TILE
    unit = min(max(math.floor(min(width, height) / 1.5), _GEMINI_UNIT[0]), _GEMINI_UNIT[1])
    return _GEMINI_TILE * _cells(width, height, unit)


def same_for_all(_width: int, _height: int, *, tokens: int) -> int:
    """A model that makes the same number of tokens of every picture."""
    return tokens


def _cells(width: int, height: int, side: int) -> int:
    return math.ceil(width / side) * math.ceil(height / side)
