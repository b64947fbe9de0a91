"""Tokens of a picture in open models, as their own processors cut it up.

Every rule takes the width and height in pixels at which the picture is sent, and gives tokens,
those included that stand around the picture's own. A server that sets other limits than the
model's own files (vLLM's ``--mm-processor-kwargs``, a host's cap) counts otherwise.
"""

from __future__ import annotations

import math
from fractions import Fraction

_AROUND = 2  # a token before the picture and one after it
_INTERN_TILE, _INTERN_TOKENS, _INTERN_TILES = 448, 256, 12
_LLAMA_TILE, _LLAMA_TOKENS, _LLAMA_TILES = 336, 144, 16


def qwen_patches(width: int, height: int, *, patch: int, min_pixels: int, max_pixels: int) -> int:
    """Qwen-VL's patches: both sides to whole patches, the pixels brought between two limits.

    Source: ``smart_resize`` in
    https://github.com/QwenLM/Qwen3-VL/blob/main/qwen-vl-utils/src/qwen_vl_utils/vision_process.py,
    the limits in each model's ``preprocessor_config.json``.

    Args:
        width: Pixels.
        height: Pixels.
        patch: Pixels of a patch's side, after merging: 28 or 32.
        min_pixels: A smaller picture is enlarged.
        max_pixels: A larger one is shrunk.
    """
    across, down = max(1, round(width / patch)), max(1, round(height / patch))
    pixels = across * down * patch**2
    if pixels > max_pixels:
        scale = math.sqrt(width * height / max_pixels)
        across = max(1, math.floor(width / scale / patch))
        down = max(1, math.floor(height / scale / patch))
    elif pixels < min_pixels:
        scale = math.sqrt(min_pixels / (width * height))
        across, down = math.ceil(width * scale / patch), math.ceil(height * scale / patch)
    return across * down + _AROUND


def pixtral_patches(width: int, height: int, *, patch: int, max_side: int) -> int:
    """Pixtral's patches, with a token at the end of each row of them.

    Source: ``ImageEncoder`` in https://github.com/mistralai/mistral-common, the sizes in each
    model's ``params.json``.

    Args:
        width: Pixels.
        height: Pixels.
        patch: Pixels of a patch's side, after merging.
        max_side: Pixels of the longer side at most; a larger picture is shrunk.
    """
    ratio = max(width / max_side, height / max_side)
    if ratio > 1:
        width, height = round(width / ratio), round(height / ratio)
    rows = (height - 1) // patch + 1
    return rows * ((width - 1) // patch + 1 + 1)


def internvl_tiles(width: int, height: int) -> int:
    """InternVL's tiles: up to 12 squares of 448 in the nearest shape, and the whole once more.

    Source: ``dynamic_preprocess`` in https://huggingface.co/OpenGVLab/InternVL3-8B (quick start).
    """
    shapes = [
        (across, down)
        for across in range(1, _INTERN_TILES + 1)
        for down in range(1, _INTERN_TILES // across + 1)
    ]
    best, best_gap = (1, 1), math.inf
    for across, down in sorted(shapes, key=lambda shape: shape[0] * shape[1]):
        gap = abs(width / height - across / down)
        is_roomy = width * height > 0.5 * _INTERN_TILE**2 * across * down
        if gap < best_gap or (gap == best_gap and is_roomy):
            best, best_gap = (across, down), gap
    tiles = best[0] * best[1]
    return _INTERN_TOKENS * (tiles + (tiles > 1)) + _AROUND


def llama4_tiles(width: int, height: int) -> int:
    """Llama 4's tiles: squares of 336, up to 16, on the canvas that fits best; the whole once more.

    The canvas is the one that enlarges the picture least; where none holds it, the one that
    shrinks it least; of equals the smallest.

    Source: ``get_best_fit`` and ``_prompt_split_image`` in
    https://github.com/huggingface/transformers/tree/main/src/transformers/models/llama4.
    """
    shapes = [
        (across, down)
        for across in range(1, _LLAMA_TILES + 1)
        for down in range(1, _LLAMA_TILES // across + 1)
    ]

    def badness(shape: tuple[int, int]) -> tuple[bool, Fraction, int]:
        scale = min(
            Fraction(shape[0] * _LLAMA_TILE, width), Fraction(shape[1] * _LLAMA_TILE, height)
        )
        return scale < 1, scale if scale >= 1 else -scale, shape[0] * shape[1]

    across, down = min(shapes, key=badness)
    whole = _LLAMA_TOKENS + 3  # the picture's begin, its name and its end
    if across * down == 1:
        return whole
    # after each tile of a row but its last a mark, and one after each row
    return whole + across * down * _LLAMA_TOKENS + down * (across - 1) + down
