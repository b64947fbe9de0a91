"""Which page of a TIFF of several is the picture.

The first one, unless it is a small version of a later one: scanners, microscopes and cameras put a
thumbnail before the page itself.
"""

from __future__ import annotations

import contextlib
from typing import BinaryIO

from PIL import Image

_PAGES = 16  # that are looked at
_NEW_SUBFILE, _OLD_SUBFILE = 254, 255
_REDUCED = 1  # bit 0 of NewSubfileType; TIFF 6.0, page 36
_OLD_REDUCED = 2
_TIMES_LARGER = 2  # of both sides, where no tag tells
_SAME_SHAPE = 0.05  # of the ratio of the sides: thumbnails have whole pixels


def seek_picture(image: Image.Image, file: BinaryIO) -> None:
    """Move `image`, just opened, to the page that is the picture.

    A page is passed over where its tags call it a reduced version, or where a later one has its
    shape and at least twice its sides. Pages that cannot be read end the search.

    Args:
        image: It stays at its first page if it is no TIFF, or one of a single page.
        file: `image` is read from here.
    """
    if image.format != "TIFF" or not getattr(image, "is_animated", False):
        return
    sizes: list[tuple[int, int]] = []
    reduced: list[bool] = []
    # a reader of its own: what one page says of its colours would stay with the next
    with contextlib.suppress(Exception), Image.open(file, formats=("TIFF",)) as pages:
        for number in range(_PAGES):  # until there are no more, or a broken one
            pages.seek(number)
            sizes.append(pages.size)
            reduced.append(_is_reduced(pages))
    chosen = _chosen(sizes, reduced)
    if chosen:
        image.info = {}
        image.seek(chosen)


def _is_reduced(image: Image.Image) -> bool:
    tags = getattr(image, "tag_v2", {})
    return bool(tags.get(_NEW_SUBFILE, 0) & _REDUCED) or tags.get(_OLD_SUBFILE) == _OLD_REDUCED


def _chosen(sizes: list[tuple[int, int]], reduced: list[bool]) -> int:
    whole = [number for number, small in enumerate(reduced) if not small] or range(len(sizes))
    chosen = next(iter(whole), 0)
    for number in whole:
        if _is_version_of(sizes[chosen], sizes[number]):
            chosen = number
    return chosen


def _is_version_of(small: tuple[int, int], large: tuple[int, int]) -> bool:
    """Whether a page of `small` pixels may be a thumbnail of one of `large`."""
    if min(small) < 1 or any(
        _TIMES_LARGER * less > more for less, more in zip(small, large, strict=True)
    ):
        return False
    ratio = (large[0] / small[0]) / (large[1] / small[1])
    return abs(ratio - 1) <= _SAME_SHAPE
