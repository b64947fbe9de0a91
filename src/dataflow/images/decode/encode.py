"""A finished picture → the bytes that are sent."""

from __future__ import annotations

import io

from PIL import Image

from dataflow.core.picture import Picture
from dataflow.images.decode.target_size import enlarged, padded

_SMALL_SIDE = 256
HIGH_QUALITY = 95
"""Of a JPEG that is small, or whose colours are more saturated than most: at 90, single pixels of
a wide gamut's would be up to 8.4 of 255 off (measured)."""
_FEW_COLOURS = 4096
"""Drawings, charts and screenshots have no more. A photograph has, and is not tried as a PNG, which
takes ten times as long as a JPEG and is never smaller."""
_WHOLE_COLOURS, _HALF_COLOURS = 0, 2  # 4:4:4 and 4:2:0, as Pillow numbers them


def encode(
    image: Image.Image, *, quality: int, is_from_jpeg: bool, has_half_colours: bool
) -> Picture:
    """`image` as a JPEG, or as a PNG where that is smaller.

    Half of the colours' resolution is left out only where a JPEG did so before: icons, pixel art
    and coloured text would blur. Small ones are sent at a higher quality, which costs little. A PNG
    is tried of small pictures and of those of few colours.

    Args:
        image: Mode ``L`` or ``RGB``, as it is to be seen.
        quality: The JPEG's, 1-95 (Pillow's scale).
        is_from_jpeg: Whether it was a JPEG before.
        has_half_colours: Whether that JPEG's colours had less than the full resolution.
    """
    image.info = {}  # a GIF's comment would be written otherwise
    is_small = max(image.size) <= _SMALL_SIDE
    if is_small:
        quality = max(quality, HIGH_QUALITY)
    file = io.BytesIO()
    subsampling = _HALF_COLOURS if has_half_colours and not is_small else _WHOLE_COLOURS
    image.save(file, "JPEG", quality=quality, subsampling=subsampling)
    data, media_type = file.getvalue(), "image/jpeg"
    if not is_from_jpeg and (is_small or image.getcolors(_FEW_COLOURS) is not None):
        file = io.BytesIO()
        image.save(file, "PNG")
        if file.tell() < len(data):
            data, media_type = file.getvalue(), "image/png"
    return Picture(data, media_type, image.width, image.height)


def as_jpeg(picture: Picture) -> Picture:
    """A picture that `encode` made, as a JPEG, for servers that read nothing else."""
    if picture.media_type == "image/jpeg":
        return picture
    with Image.open(io.BytesIO(picture.data)) as image:
        file = io.BytesIO()
        image.save(file, "JPEG", quality=HIGH_QUALITY, subsampling=_WHOLE_COLOURS)
    return Picture(file.getvalue(), "image/jpeg", picture.width, picture.height)


def with_margins(image: Image.Image) -> Image.Image:
    """`image` with the least size and the greatest ratio that models take."""
    if image.size != enlarged(image.size):
        image = image.resize(enlarged(image.size), Image.Resampling.BICUBIC)
    size = padded(image.size)
    if image.size == size:
        return image
    page = Image.new(image.mode, size, "white")
    page.paste(image, ((size[0] - image.width) // 2, (size[1] - image.height) // 2))
    return page
