"""Pixels of any kind → 8-bit grey or RGB on white, shrunk, in little memory."""

from __future__ import annotations

import math
from collections.abc import Callable

from PIL import Image, ImageCms

from dataflow.images.decode import color

_BAND = 1 << 18  # pixels converted at a time, 20 bytes each with alpha
_LAST_STEP = Image.Resampling.BICUBIC
"""Two thirds of Lanczos' time, and over 48 dB from it, where the JPEG that is sent lies 37 to 44 dB
from what it encodes (measured with 12 MP photographs)."""
_WHITE = (255, 255, 255)
_ASSOCIATED = {"La": "LA", "RGBa": "RGBA"}  # alpha that the colours are multiplied by already
_SIXTEEN_BIT = ("I;16", "I;16L", "I;16B", "I;16N")
_TO_8_BIT = [(value + 128) // 257 for value in range(65536)]  # 65535 / 255 = 257, rounded

_Convert = Callable[[Image.Image], Image.Image]


def shrink(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """`image` as mode ``L`` or ``RGB`` on white, resized to `size` (width, height) in pixels.

    Whole multiples are shrunk by averaging first, in bands of rows, so that a large palette,
    16-bit or transparent picture is never held a second time in full size; `_LAST_STEP` does the
    rest, from at least twice the final size.

    Raises:
        ValueError: the pixels cannot be understood; Pillow raises others.
    """
    convert = _converter(image)
    if image.size == size:
        return convert(image) if convert else image
    if convert is None:
        return image.resize(size, _LAST_STEP, reducing_gap=2.0)
    factors = tuple(max(1, have // (2 * want)) for have, want in zip(image.size, size, strict=True))
    reduced = _reduced(image, convert, (factors[0], factors[1]))
    box = (0.0, 0.0, image.width / factors[0], image.height / factors[1])
    return reduced.resize(size, _LAST_STEP, box=box)


def is_blank(image: Image.Image) -> bool:
    """Whether every pixel is the same."""
    extrema = image.getextrema()
    bands = extrema if isinstance(extrema[0], tuple) else (extrema,)
    return all(band[0] == band[1] for band in bands)


def _reduced(image: Image.Image, convert: _Convert, factors: tuple[int, int]) -> Image.Image:
    down = factors[1]
    rows = max(1, _BAND // image.width // down) * down
    whole: Image.Image | None = None
    for top in range(0, image.height, rows):
        bottom = min(top + rows, image.height)
        band = convert(image.crop((0, top, image.width, bottom))).reduce(factors)
        if whole is None:
            height = math.ceil(image.height / down)
            whole = Image.new(band.mode, (band.width, height))
        whole.paste(band, (0, top // down))
    if whole is None:
        raise ValueError("the picture has no rows")
    return whole


def _converter(image: Image.Image) -> _Convert | None:
    """How pixels of `image` become mode ``L`` or ``RGB``; None where they are already."""
    mode = image.mode
    if mode in _SIXTEEN_BIT:
        return _sixteen_bit
    if mode in {"I", "F"}:
        return _by_range(image)
    if image.has_transparency_data or mode in _ASSOCIATED:
        return _on_white
    if mode in {"L", "RGB"}:
        return None
    if mode == "1":
        return lambda band: band.convert("L")
    if mode == "LAB":
        lab = ImageCms.buildTransform(
            ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), "LAB", "RGB"
        )
        return lambda band: color.transformed(band, lab)
    if mode == "CMYK":
        inks = color.inks(image.info.get("icc_profile"))
        if inks is not None:
            return lambda band: color.transformed(band, inks)
    return lambda band: band.convert("RGB")


def _on_white(band: Image.Image) -> Image.Image:
    if band.mode in _ASSOCIATED:
        band = band.convert(_ASSOCIATED[band.mode])
    with_alpha = band.convert("RGBA")
    page = Image.new("RGB", band.size, _WHITE)
    page.paste(with_alpha.convert("RGB"), mask=with_alpha.getchannel("A"))
    return page


def _sixteen_bit(band: Image.Image) -> Image.Image:
    """Scaled, where Pillow's own conversion to ``L`` clips all above 255 to white."""
    wide = band.convert("I")
    grey = wide.point(_TO_8_BIT, "L")
    clear = band.info.get("transparency")
    if isinstance(clear, int) and 0 <= clear < 65536:
        mask = wide.point([255 * (value == clear) for value in range(65536)], "L")
        grey.paste(255, mask=mask)
    return grey


def _by_range(image: Image.Image) -> _Convert:
    """For 32-bit integers and floats, which carry no scale of their own.

    The usual scales (0..1 for floats, 8-bit, 16-bit) are taken where the values fit them, so that
    a dark picture stays dark; values beyond are stretched from the least to the greatest.
    """
    extrema = image.getextrema()
    low, high = float(extrema[0]), float(extrema[1])  # type: ignore[arg-type]
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ValueError("its values are not finite")
    if image.format in {"PPM", "PNG"} and image.mode == "I":
        low, high = 0.0, 65535.0  # these formats say so
    elif low >= 0:
        tops = (1.0, 255.0, 65535.0) if image.mode == "F" else (255.0, 65535.0)
        low, high = next(((0.0, top) for top in tops if high <= top), (low, high))
    scale = 255.0 / (high - low) if high > low else 0.0
    offset = 0.5 - low * scale
    return lambda band: band.convert("F").point(lambda v: v * scale + offset).convert("L")
