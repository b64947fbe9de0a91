"""Encoded bytes of any picture → a picture that is safe to send.

A large picture is shrunk while it is decoded where the format can (JPEG), else before anything
else is done to it; orientation, colours and padding are done on the small picture.
"""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Callable
from typing import BinaryIO, TypeVar

from PIL import Image

from dataflow.core.errors import PictureTooLargeError, RowError
from dataflow.core.picture import Picture
from dataflow.images.base.limits import MIB, SHARED_MEMORY, Limits
from dataflow.images.decode import codecs, color, faults, jpeg_passthrough, pages, pixels, png_text
from dataflow.images.decode.encode import HIGH_QUALITY, encode, with_margins
from dataflow.images.decode.target_size import Size, padded, shrunk

T = TypeVar("T")

_DRAFT = 1.3  # JPEGs are decoded at 1/2, 1/4 or 1/8, but no smaller than this times the target:
# over 45 dB from a full decode shrunk, where the exact target gives down to 32 dB (measured)
_ANIMATED = {"GIF", "PNG", "WEBP", "AVIF"}
_FRAMES = 8  # looked at to find one that is not blank
_FRAME_PIXELS = 16_000_000  # frames after the first can take 4 times the memory
_HEAD = 1 << 16
_ORIENTATION = 0x0112  # EXIF tag
_TRANSPOSE = {  # its values, EXIF 2.32 section 4.6.4
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_TURNED = range(5, 9)  # orientations that exchange width and height


def to_picture(
    source: bytes | BinaryIO, *, name: str, limits: Limits, reserve: Callable[[int], None]
) -> Picture:
    """Decode `source` and make it ready to send; `codecs.prepare` was called before.

    Args:
        source: The encoded picture.
        name: Its name for messages.
        limits: What it may cost and how it is sent.
        reserve: Called once with the bytes of memory the decode will take, before it takes them;
            may wait.

    Returns:
        A JPEG, or a PNG where that is smaller, upright, in grey or sRGB on white, of the size that
        `sent_size` gives: within `limits.max_side`, with white around the picture where it would be
        too small or too narrow. A JPEG that is all this already keeps its own scans.

    Raises:
        PictureTooLargeError: it passes a limit.
        PictureError: it cannot be decoded.
    """
    return _guarded(source, name, _Decoder(name, limits, reserve).picture)


def full_size(source: bytes | BinaryIO, *, name: str, limits: Limits) -> Size:
    """Width and height of the whole picture, upright, from its header alone.

    A picture that is broken further in is not found out; EXIF that a PNG holds behind its pixels
    is not looked for.

    Args:
        source: The encoded picture.
        name: Its name for messages.
        limits: What it may cost.

    Raises:
        PictureTooLargeError: it passes a limit.
        PictureError: it is no picture.
    """
    return _guarded(source, name, _Decoder(name, limits, lambda _: None).full_size)


def _guarded(source: bytes | BinaryIO, name: str, work: Callable[[BinaryIO], T]) -> T:
    """What `work` gives; whatever it raises becomes an error of ours."""
    file = io.BytesIO(source) if isinstance(source, bytes) else source
    head = file.read(_HEAD)
    failure: RowError
    try:
        faults.check_icon(head)
        file.seek(0)
        file = faults.as_icon(file)
        try:
            return work(file)
        except ValueError as error:
            if not png_text.is_too_much_text(error):
                raise
        with png_text.without_texts(file) as bare:
            return work(bare)
    except RowError as error:
        failure = error.with_traceback(None)
    except Exception as error:  # noqa: BLE001 - Pillow raises a dozen kinds; here they become ours
        failure = faults.typed(error, head, name, file)
    raise failure  # out here, without the traceback that would keep the pixels in memory


class _Decoder:
    def __init__(self, name: str, limits: Limits, reserve: Callable[[int], None]) -> None:
        self._name = name
        self._limits = limits
        self._reserve = reserve

    def picture(self, file: BinaryIO) -> Picture:
        with Image.open(file, formats=codecs.known()) as image:
            pages.seek_picture(image, file)
            full, encoded = image.size, _size_of(file)
            target = shrunk(full, self._limits.max_side)
            drafted = self._draft(image, target)
            self._check_pixels(image.size)
            cost = self._cost(image, full, encoded)
            if target == full and isinstance(file, io.BytesIO):
                plain = self._plain(image, file.getvalue(), cost)
                if plain is not None:
                    return plain
            self._reserve(cost)
            image.load()
            if not drafted and image.size != full:  # TIFF turns upright as it loads
                self._check_pixels(image.size)
                target = shrunk(image.size, self._limits.max_side)
            small = self._upright(image, target, _orientation(image))
            seen = color.to_srgb(small, image, file)
            quality = self._limits.jpeg_quality
            return encode(
                with_margins(seen),
                quality=quality if seen is small else max(quality, HIGH_QUALITY),
                is_from_jpeg=image.format in codecs.JPEGS,
                has_half_colours=codecs.has_half_colours(image),
            )

    def full_size(self, file: BinaryIO) -> Size:
        with Image.open(file, formats=codecs.known()) as image:
            pages.seek_picture(image, file)
            full = image.size
            turned = _may_be_turned(image) and _orientation(image) in _TURNED
            self._draft(image, shrunk(full, self._limits.max_side))
            self._check_pixels(image.size)
            self._cost(image, full, _size_of(file))
        return (full[1], full[0]) if turned else full

    def _draft(self, image: Image.Image, target: Size) -> bool:
        """Have `image` decoded no larger than is worth it; whether its format can do that."""
        return image.draft(None, (int(target[0] * _DRAFT), int(target[1] * _DRAFT))) is not None

    def _plain(self, image: Image.Image, source: bytes, cost: int) -> Picture | None:
        """The picture with its own scans, where they may be kept; `image` is not loaded yet."""
        width, height = image.size
        if not _is_plain(image):
            return None
        plain = jpeg_passthrough.plain_jpeg(source)
        if plain is None or len(plain.data) > 4 * width * height + 4096:
            return None
        # What is broken is found, but no pixel is needed: an eighth of the size takes half the
        # time of the whole (measured).
        with Image.open(io.BytesIO(plain.proof), formats=("JPEG",)) as seen:
            seen.draft(None, (1, 1))
            self._reserve(cost)
            seen.load()
        return Picture(plain.data, "image/jpeg", width, height)

    def _upright(self, image: Image.Image, target: Size, orientation: int) -> Image.Image:
        small = pixels.shrink(image, target)
        if image.format in _ANIMATED and pixels.is_blank(small):
            small = self._later_frame(image) or small
        if orientation in _TRANSPOSE:
            small = small.transpose(_TRANSPOSE[orientation])
        return small

    def _later_frame(self, image: Image.Image) -> Image.Image | None:
        """The first frame after a blank one that shows something, among the first few."""
        with contextlib.suppress(Exception):  # no more frames, or broken ones: the first one stands
            for number in range(1, _FRAMES):
                image.seek(number)
                if image.width * image.height > _FRAME_PIXELS:
                    return None
                image.load()
                frame = pixels.shrink(image, shrunk(image.size, self._limits.max_side))
                if not pixels.is_blank(frame):
                    return frame
        return None

    def _check_pixels(self, size: Size) -> None:
        if size[0] * size[1] > self._limits.max_pixels:
            raise PictureTooLargeError(
                f"{self._name}: has {size[0]}×{size[1]} pixels, over the limit of "
                f"{self._limits.max_pixels / 1e6:g} million (--max-pixels)"
            )

    def _cost(self, image: Image.Image, full: Size, encoded: int) -> int:
        cost = codecs.cost(image, full, encoded)
        # what shrink() holds besides: under four times the sides that are sent
        cost += 4 * min(image.width * image.height, 16 * self._limits.max_side**2)
        most = self._limits.max_picture_memory
        if cost > most:
            raise PictureTooLargeError(
                f"{self._name}: its {full[0]}×{full[1]} pixels need about {cost / MIB:.0f} MiB to "
                f"decode, over the limit of {most / MIB:.0f} (--max-picture-memory)"
            )
        if codecs.is_bomb(image, cost, SHARED_MEMORY, encoded):
            raise PictureTooLargeError(
                f"{self._name}: claims {full[0]}×{full[1]} pixels, which its {encoded:,} bytes "
                "can hardly hold"
            )
        return cost


def _is_plain(image: Image.Image) -> bool:
    """Whether `image`, which is within the limits, is a JPEG that may keep its scans."""
    return (
        image.format == "JPEG"
        and (image.mode == "L" or (image.mode == "RGB" and image.info.get("adobe_transform") != 0))
        and _orientation(image) == 1
        and color.is_plain(image.info.get("icc_profile"))
        and image.size == padded(image.size)
    )


def _size_of(file: BinaryIO) -> int:
    """Bytes of the whole file, which stays where it is."""
    at = file.tell()
    size = file.seek(0, os.SEEK_END)
    file.seek(at)
    return size


def _orientation(image: Image.Image) -> int:
    """EXIF's orientation, 1 to 8; 1 where it is absent, broken or was honoured by the format."""
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # noqa: BLE001 - broken metadata raises anything and spoils no picture
        return 1
    return value if isinstance(value, int) and value in _TRANSPOSE else 1


def _may_be_turned(image: Image.Image) -> bool:
    """Whether EXIF is to be heeded for the size of `image`, which is not loaded yet."""
    if image.format == "TIFF":
        return False  # its size is upright already
    # a PNG without EXIF before its pixels would be read to its end to look for it there
    return image.format != "PNG" or "exif" in image.info
