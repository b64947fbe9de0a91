"""What becomes of a picture on its way into the model, as each engine does it.

transformers and vLLM stretch the picture to a grid of 28-pixel cells, bicubic and antialiased;
llama.cpp chooses the grid in single precision, keeps the aspect ratio (black bars fill the
rest), and resizes bilinear without antialiasing. The model is trained with both, and with a
few ways in between.
"""

from __future__ import annotations

import io
import math
import random
from typing import cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance

import scenes

CELL = 28
LEAST, MOST = 16 * CELL**2, 20 * CELL**2
"""Pixels of the resized picture. As 20 is no square number, all square pictures get 4 x 4 cells."""
MEAN = np.array([0.48145466, 0.4578275, 0.40821073], np.float32) * 255
STD = np.array([0.26862954, 0.26130258, 0.27577711], np.float32) * 255

Pixels = NDArray[np.uint8]
Grid = tuple[int, int]
Box = tuple[int, int, int, int]
"""Left, top, width and height, in pixels."""


def grid_of(width: int, height: int, *, single: bool) -> Grid:
    """Return rows and columns of cells, by Qwen's ``smart_resize``.

    For a few sizes rounding decides, so that single precision (llama.cpp) and double
    precision (transformers, vLLM) differ.
    """
    number = np.float32 if single else np.float64
    size = [number(height), number(width)]
    cells = [max(1, round(float(length) / CELL)) for length in size]
    area = number(height * width)
    if cells[0] * cells[1] * CELL**2 > MOST:
        beta = np.sqrt(area / number(MOST))
        cells = [max(1, math.floor(length / beta / number(CELL))) for length in size]
    elif cells[0] * cells[1] * CELL**2 < LEAST:
        beta = np.sqrt(number(LEAST) / area)
        cells = [math.ceil(length * beta / number(CELL)) for length in size]
    return cells[0], cells[1]


def shown(scene: scenes.Scene, rng: random.Random) -> tuple[Pixels, Box]:
    """Draw the scene in a random size, wear it a little, and resize it to its grid.

    Returns the pixels and the box within them that the picture fills.
    """
    side = round(math.exp(rng.uniform(math.log(88), math.log(680))))
    picture = scenes.draw(scene, side=side, smooth=side < 400 and rng.random() < 0.6)
    picture = _worn(picture, rng)
    lot = rng.random()
    box: Box | None = None
    grid = grid_of(*picture.size, single=lot >= 0.45)
    size = (grid[1] * CELL, grid[0] * CELL)
    if lot < 0.4:
        pixels = np.asarray(picture.resize(size, Image.Resampling.BICUBIC))
    elif lot < 0.45:
        kind = rng.choice((Image.Resampling.BILINEAR, Image.Resampling.LANCZOS))
        pixels = np.asarray(picture.resize(size, kind))
    elif lot < 0.8:
        pixels, box = _with_bars(np.asarray(picture), size)
    else:
        pixels = sampled(np.asarray(picture), size)
    return _noisy(pixels, rng), box or (0, 0, *size)


def _worn(picture: Image.Image, rng: random.Random) -> Image.Image:
    """Now and then compress the picture as JPEG, or shift its light and colour."""
    if rng.random() < 0.3:
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=rng.randint(60, 95))
        picture = Image.open(file).convert("RGB")
    if rng.random() < 0.15:
        picture = ImageEnhance.Brightness(picture).enhance(rng.uniform(0.94, 1.06))
        picture = ImageEnhance.Color(picture).enhance(rng.uniform(0.9, 1.1))
    return picture


def _noisy(pixels: Pixels, rng: random.Random) -> Pixels:
    """Add up to five steps of noise to two thirds of the pictures."""
    if rng.random() < 0.33:
        return pixels
    noise = np.random.default_rng(rng.getrandbits(32)).integers(-5, 6, pixels.shape, np.int16)
    return cast(Pixels, np.clip(pixels + noise, 0, 255).astype(np.uint8))


def sampled(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    """Resize bilinear from the four nearest pixels only, top left aligned, as llama.cpp does."""
    if (pixels.shape[1], pixels.shape[0]) == size:
        return pixels
    (x, across), (y, down) = (
        _steps(n, m) for n, m in zip((pixels.shape[1], pixels.shape[0]), size, strict=True)
    )
    upper = pixels[y][:, np.concatenate([x, x + 1])].astype(np.float32)
    lower = pixels[y + 1][:, np.concatenate([x, x + 1])].astype(np.float32)
    rows = upper + (lower - upper) * down[:, None, None]
    left, right = rows[:, : len(x)], rows[:, len(x) :]
    return cast(Pixels, (left + (right - left) * across[None, :, None]).astype(np.uint8))


def _steps(length: int, wanted: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    at = np.arange(wanted, dtype=np.float32) * np.float32((length - 1) / wanted)
    floor = np.minimum(at.astype(np.int64), length - 2)
    return floor, (at - floor).astype(np.float32)


def _with_bars(pixels: Pixels, size: tuple[int, int]) -> tuple[Pixels, Box]:
    """Resize without changing the aspect ratio and fill the rest with black."""
    height, width = pixels.shape[:2]
    scale = min(size[0] / width, size[1] / height)
    inner = (min(math.ceil(width * scale), size[0]), min(math.ceil(height * scale), size[1]))
    left, top = (size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2
    whole = np.zeros((size[1], size[0], 3), np.uint8)
    whole[top : top + inner[1], left : left + inner[0]] = sampled(pixels, inner)
    return whole, (left, top, *inner)


def patches(pixels: Pixels) -> NDArray[np.float32]:
    """Turn pictures (batch, height, width, 3) into rows of 14 x 14 patches, cell by cell."""
    batch, height, width, _ = pixels.shape
    rows, columns = height // CELL, width // CELL
    values = ((pixels.astype(np.float32) - MEAN) / STD).transpose(0, 3, 1, 2)
    values = values.reshape(batch, 3, rows, 2, 14, columns, 2, 14)
    values = values.transpose(0, 2, 5, 3, 6, 1, 4, 7)
    return cast(NDArray[np.float32], values.reshape(batch * rows * columns * 4, 588))
