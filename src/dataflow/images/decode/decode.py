"""Encoded bytes of any picture → a picture that is safe to send.

A large picture is shrunk while it is decoded where the format can (JPEG), else before anything
else is done to it; orientation, colours and padding are done on the small picture.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from typing import BinaryIO, TypeVar

from PIL import Image, UnidentifiedImageError

from dataflow.core.errors import PictureError, PictureTooLargeError, RowError
from dataflow.core.picture import Picture
from dataflow.core.text import short_text
from dataflow.images.base.limits import MIB, Limits
from dataflow.images.decode import codecs, jpeg_passthrough, pixels
from dataflow.images.decode.sniff import PICTURES, sniff
from dataflow.images.decode.target_size import Size, enlarged, padded, shrunk

T = TypeVar("T")

_DRAFT = 1.3  # JPEGs are decoded at 1/2, 1/4 or 1/8, but no smaller than this times the target:
# over 45 dB from a full decode shrunk, where the exact target gives down to 32 dB (measured)
_ANIMATED = {"GIF", "PNG", "WEBP", "AVIF"}
_FRAMES = 8  # looked at to find one that is not blank
_FRAME_PIXELS = 16_000_000  # frames after the first can take 4 times the memory
_ICON_SIDE = 1024  # an icon's embedded PNG, which Pillow decodes as it opens the file
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
_BOMBS = (MemoryError, Image.DecompressionBombError)


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
        A JPEG, upright, in grey or RGB on white, of the size that `sent_size` tells: within
        `limits.max_side`, with white around the picture where it would be too small or too narrow.
        A JPEG that is all this already keeps its own scans.

    Raises:
        PictureTooLargeError: it passes a limit.
        PictureError: it cannot be decoded.
    """
    return _guarded(source, name, lambda: _Decoder(name, limits, reserve).picture(source))


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
    return _guarded(source, name, lambda: _Decoder(name, limits, lambda _: None).full_size(source))


def _guarded(source: bytes | BinaryIO, name: str, work: Callable[[], T]) -> T:
    """What `work` gives; whatever it raises becomes an error of ours."""
    head = source[:_HEAD] if isinstance(source, bytes) else source.read(_HEAD)
    failure: RowError
    try:
        _check_icon(head)
        return work()
    except RowError as error:
        failure = error.with_traceback(None)
    except Exception as error:  # noqa: BLE001 - Pillow raises a dozen kinds; here they become ours
        failure = _typed(error, head, name)
    raise failure  # out here, without the traceback that would keep the pixels in memory


class _Decoder:
    def __init__(self, name: str, limits: Limits, reserve: Callable[[int], None]) -> None:
        self._name = name
        self._limits = limits
        self._reserve = reserve

    def picture(self, source: bytes | BinaryIO) -> Picture:
        file = io.BytesIO(source) if isinstance(source, bytes) else source
        with Image.open(file, formats=codecs.known()) as image:
            full = image.size
            self._check_pixels(full)
            target = self._target(full)
            if isinstance(source, bytes) and target == full:
                plain = self._plain(image, source)
                if plain is not None:
                    return plain
            drafted = self._draft(image, target)
            self._reserve(self._cost(image, full))
            image.load()
            if not drafted and image.size != full:  # TIFF turns upright as it loads
                self._check_pixels(image.size)
                target = self._target(image.size)
            orientation = _orientation(image)
            return self._encoded(_spaced(self._upright(image, target, orientation)))

    def full_size(self, source: bytes | BinaryIO) -> Size:
        file = io.BytesIO(source) if isinstance(source, bytes) else source
        with Image.open(file, formats=codecs.known()) as image:
            full = image.size
            self._check_pixels(full)
            turned = _may_be_turned(image) and _orientation(image) in _TURNED
            self._draft(image, self._target(full))
            self._cost(image, full)
        return (full[1], full[0]) if turned else full

    def _draft(self, image: Image.Image, target: Size) -> bool:
        """Have `image` decoded no larger than is worth it; whether its format can do that."""
        return image.draft(None, (int(target[0] * _DRAFT), int(target[1] * _DRAFT))) is not None

    def _plain(self, image: Image.Image, source: bytes) -> Picture | None:
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
            self._reserve(self._cost(seen, (width, height)))
            seen.load()
        return Picture(plain.data, "image/jpeg", width, height)

    def _upright(
        self, image: Image.Image, target: tuple[int, int], orientation: int
    ) -> Image.Image:
        small = pixels.shrink(image, target)
        if image.format in _ANIMATED and pixels.is_blank(small):
            small = self._later_frame(image) or small
        if orientation in _TRANSPOSE:
            small = small.transpose(_TRANSPOSE[orientation])
        profile = image.info.get("icc_profile")
        if isinstance(profile, bytes) and image.mode != "CMYK":
            small = pixels.to_srgb(small, profile)
        return small

    def _later_frame(self, image: Image.Image) -> Image.Image | None:
        """The first frame after a blank one that shows something, among the first few."""
        try:
            for number in range(1, _FRAMES):
                image.seek(number)
                if image.width * image.height > _FRAME_PIXELS:
                    return None
                image.load()
                frame = pixels.shrink(image, self._target(image.size))
                if not pixels.is_blank(frame):
                    return frame
        except Exception:  # noqa: BLE001 - no more frames, or broken ones: the first one stands
            return None
        return None

    def _check_pixels(self, size: tuple[int, int]) -> None:
        if size[0] * size[1] > self._limits.max_pixels:
            raise PictureTooLargeError(
                f"{self._name}: has {size[0]}×{size[1]} pixels, over the limit of "
                f"{self._limits.max_pixels / 1e6:g} million"
            )

    def _target(self, size: Size) -> Size:
        return shrunk(size, self._limits.max_side)

    def _cost(self, image: Image.Image, full: tuple[int, int]) -> int:
        cost = codecs.cost(image, full)
        # what shrink() holds besides: under four times the sides that are sent
        cost += 4 * min(image.width * image.height, 16 * self._limits.max_side**2)
        if cost > self._limits.max_picture_memory:
            raise PictureTooLargeError(
                f"{self._name}: its {full[0]}×{full[1]} pixels need about {cost / MIB:.0f} MiB to "
                f"decode, over the limit of {self._limits.max_picture_memory / MIB:.0f}"
            )
        return cost

    def _encoded(self, image: Image.Image) -> Picture:
        image.info = {}  # a GIF's comment would be written otherwise
        file = io.BytesIO()
        image.save(file, "JPEG", quality=self._limits.jpeg_quality)
        return Picture(file.getvalue(), "image/jpeg", image.width, image.height)


def _is_plain(image: Image.Image) -> bool:
    """Whether `image`, which is within the limits, is a JPEG that may keep its scans."""
    return (
        image.format == "JPEG"
        and (image.mode == "L" or (image.mode == "RGB" and image.info.get("adobe_transform") != 0))
        and _orientation(image) == 1
        and pixels.is_plain(image.info.get("icc_profile"))
        and image.size == padded(image.size)
    )


def _spaced(image: Image.Image) -> Image.Image:
    """`image` with the least size and the greatest ratio that models take."""
    if image.size != enlarged(image.size):
        image = image.resize(enlarged(image.size), Image.Resampling.BICUBIC)
    size = padded(image.size)
    if image.size == size:
        return image
    page = Image.new(image.mode, size, "white")
    page.paste(image, ((size[0] - image.width) // 2, (size[1] - image.height) // 2))
    return page


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
        return False  # its size is told upright
    # a PNG without EXIF before its pixels would be read to its end to look for it there
    return image.format != "PNG" or "exif" in image.info


def _check_icon(head: bytes) -> None:
    """Refuse an icon that holds a large PNG, since Pillow decodes it as it opens the file."""
    if head[:4] not in {b"\0\0\1\0", b"\0\0\2\0"}:
        return
    at = head.find(b"IHDR")
    while at != -1:
        side = max(struct.unpack_from(">II", head.ljust(at + 12, b"\0"), at + 4))
        if side > _ICON_SIDE:
            raise Image.DecompressionBombError(f"an icon of {side} pixels")
        at = head.find(b"IHDR", at + 1)


def _typed(error: Exception, head: bytes, name: str) -> PictureError:
    if isinstance(error, _BOMBS):
        return PictureTooLargeError(f"{name}: needs too much memory to decode")
    kind = sniff(head[:512])
    if kind == "HEIC" and "HEIF" not in codecs.known():
        return PictureError(f"{name}: is HEIC; to read it: pip install 'dataflow-caption[heif]'")
    if kind and kind not in PICTURES:
        return PictureError(f"{name}: is {kind}, not a picture")
    if isinstance(error, UnidentifiedImageError):
        what = f"a broken {kind}" if kind else "no picture of a known format"
        return PictureError(f"{name}: is {what}")
    reason = short_text(str(error) or type(error).__name__, 120)
    return PictureError(f"{name}: is a broken {kind or 'picture'} ({reason})")
