"""Why a picture cannot be decoded, in our own words."""

from __future__ import annotations

import io
import re
import struct
from typing import BinaryIO

from PIL import Image, UnidentifiedImageError

from dataflow.core.errors import PictureError, PictureTooLargeError
from dataflow.core.text import short_text
from dataflow.images.decode import codecs
from dataflow.images.decode.sniff import PICTURES, UNSUPPORTED, sniff

_BOMBS = (MemoryError, Image.DecompressionBombError)
_ICON_SIDE = 1024  # an icon's embedded PNG, which Pillow decodes as it opens the file
_LONGEST_ICON = 16 << 20
_ICONS = (b"\0\0\1\0", b"\0\0\2\0")  # icons and cursors
_ENTRY = 16  # bytes of an entry in an icon's directory
_UNSUPPORTED = re.compile(
    r"unsupported|not supported|not implemented|unknown (pixel mode|compression|raw mode|"
    r"data organization|photometric|coding)|cannot (handle|read this)|no longer supported|"
    r"decoder .* not available|data precision",
    re.IGNORECASE,
)
_PILLOW_NAMES = {"HEIC": "HEIF", "JPEG 2000": "JPEG2000", "WebP": "WEBP"}


def check_icon(head: bytes) -> None:
    """Refuse an icon that holds a large PNG, since Pillow decodes it as it opens the file.

    Raises:
        Image.DecompressionBombError: it does.
    """
    if head[:4] not in _ICONS:
        return
    at = head.find(b"IHDR")
    while at != -1:
        side = max(struct.unpack_from(">II", head.ljust(at + 12, b"\0"), at + 4))
        if side > _ICON_SIDE:
            raise Image.DecompressionBombError(f"an icon of {side} pixels")
        at = head.find(b"IHDR", at + 1)


def as_icon(file: BinaryIO) -> BinaryIO:
    """A Windows cursor or icon as Pillow's reader of icons takes it; any other file as it came.

    A cursor is an icon of another type, with the place where it points instead of its planes and
    bits per pixel. These are taken from the bitmap itself; Pillow needs them for the transparency,
    also of icons that leave them 0. Format: https://en.wikipedia.org/wiki/ICO_(file_format).
    """
    head = file.read(6)
    file.seek(0)
    if head[:4] not in _ICONS or head[4:] == bytes(2):  # a TGA begins like a cursor of no pictures
        return file
    data = bytearray(file.read(_LONGEST_ICON))
    is_cursor, data[2] = head[2] == 2, 1
    count = min(int.from_bytes(head[4:], "little"), (len(data) - 6) // _ENTRY)
    for at in range(6, 6 + _ENTRY * count, _ENTRY):
        if is_cursor or data[at + 6 : at + 8] == bytes(2):
            start = int.from_bytes(data[at + 12 : at + 16], "little")
            is_png = data[start : start + 4] == b"\x89PNG"
            bits = b"" if is_png else data[start + 14 : start + 16]
            data[at + 4 : at + 8] = bytes(2) + bits.ljust(2, b"\0")
    return io.BytesIO(data)


def typed(error: Exception, head: bytes, name: str, file: BinaryIO) -> PictureError:
    """The error of ours for what Pillow raised.

    Args:
        error: Pillow's.
        head: The file's first bytes.
        name: The picture's name for messages.
        file: The file.
    """
    if isinstance(error, _BOMBS):
        return PictureTooLargeError(f"{name}: needs too much memory to decode")
    kind = sniff(head[:512])
    if kind == "HEIC" and "HEIF" not in codecs.known():
        return PictureError(f"{name}: is HEIC; to read it: pip install 'dataflow-caption[heif]'")
    if kind in UNSUPPORTED:
        return PictureError(f"{name}: is {kind}, which is not supported; convert it to JPEG or PNG")
    if kind and kind not in PICTURES:
        return PictureError(f"{name}: is {kind}, not a picture")
    reason = _words(error, kind)
    if isinstance(error, UnidentifiedImageError):
        if not kind:
            return PictureError(f"{name}: is no picture of a known format")
        reason = _why_not_opened(kind, file)
    if isinstance(error, NotImplementedError) or _UNSUPPORTED.search(reason):
        return PictureError(
            f"{name}: is a {kind or 'picture'} of a sort that is not supported "
            f"({short_text(reason, 120)}); convert it to JPEG or PNG"
        )
    detail = f" ({short_text(reason, 120)})" if reason else ""
    return PictureError(f"{name}: is a broken {kind or 'picture'}{detail}")


def _why_not_opened(kind: str, file: BinaryIO) -> str:
    """What the format's own reader says, which `Image.open` keeps to itself."""
    name = _PILLOW_NAMES.get(kind, kind)
    if name not in Image.OPEN or name == "HEIF":
        return ""
    try:
        file.seek(0)
        Image.OPEN[name][0](file, "")
    except Exception as error:  # noqa: BLE001 - Pillow raises a dozen kinds; only the words matter
        return _words(error, kind)
    return ""


def _words(error: Exception, kind: str) -> str:
    # Pillow looks a TIFF's compression and a PSD's mode and depth up in a table
    if kind in ("TIFF", "PSD") and isinstance(error.__cause__ or error, KeyError):
        return f"unknown {'compression' if kind == 'TIFF' else 'raw mode'} {error}"
    return str(error) or type(error).__name__
