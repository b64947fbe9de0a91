"""A JPEG as it may be sent unchanged: its own scans, without its metadata."""

from __future__ import annotations

import struct
from collections.abc import Iterator

_SOI = b"\xff\xd8"
_EOI = b"\xff\xd9"
_SOS = 0xDA
_FRAMES = {0xC0, 0xC1, 0xC2}  # baseline, extended sequential, progressive; Huffman-coded
_OTHER_FRAMES = {0xC3, *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0)}
_RESTART_INTERVAL = 0xDD
_TABLES = {0xC4, 0xDB, _RESTART_INTERVAL}  # Huffman, quantisation
_RESTARTS = range(0xD0, 0xD8)
_BEGINNING = 64  # bytes of the first scan, enough to have a decoder set up its tables
_KEPT = {0xE0, 0xEE}  # JFIF; Adobe, which says how colours are coded
_METADATA = {*range(0xE1, 0xEE), 0xEF, 0xFE}  # EXIF, XMP, profiles, thumbnails, comments


def without_metadata(data: bytes) -> bytes | None:
    """`data` without EXIF (which may hold the place), XMP, colour profile and comments.

    The scans stay as they are, so nothing of the picture is lost. Formats: ITU-T T.81 annex B for
    the markers; frames that not every decoder reads (arithmetic, lossless, 12-bit) are refused.

    Returns:
        The JPEG, or None where it is not plain enough to be sent as it is.
    """
    if data[:2] != _SOI or data[-2:] != _EOI:
        return None
    whole = memoryview(data)  # its slices are no copies
    kept: list[bytes | memoryview] = [_SOI]
    has_frame, is_bare = False, True
    for marker, at, end in _segments(data):
        if marker == _SOS:
            if not has_frame:
                return None
            return data if is_bare else b"".join([*kept, whole[at:]])
        if marker in _FRAMES:
            has_frame = data[at + 4 : at + 5] == b"\x08"  # bits per sample
            kept.append(whole[at:end])
        elif marker in _TABLES or marker in _KEPT:
            kept.append(whole[at:end])
        elif marker in _METADATA:
            is_bare = False
        else:
            return None
    return None


def to_decode(plain: bytes) -> bytes:
    """As much of `plain`, which `without_metadata` gave, as tells whether it can be decoded.

    Decoders go on where a code in a scan is wrong or missing; they stop at tables that are none and
    at markers that have no place where they stand. So of a picture with one scan and no marker
    in it that does not belong there, the headers and a few bytes are enough, which take a fifth of
    the time (measured); of any other it is all.
    """
    has_restarts = False
    for marker, _, end in _segments(plain):
        has_restarts |= marker == _RESTART_INTERVAL
        if marker == _SOS and _is_one_scan(plain, end, has_restarts=has_restarts):
            return plain[: end + _BEGINNING] + _EOI
    return plain


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Marker, start and end of each segment up to the first scan's; fewer where one is broken."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker, length = data[at + 1], struct.unpack_from(">H", data, at + 2)[0]
        end = at + 2 + length
        if length < 2 or end > len(data) or marker in _OTHER_FRAMES:
            return
        yield marker, at, end
        if marker == _SOS:
            return
        at = end


def _is_one_scan(data: bytes, at: int, *, has_restarts: bool) -> bool:
    """Whether one scan's data stands between `at` and the end of `data`, and nothing else."""
    while (at := data.find(b"\xff", at)) >= 0:
        marker = data[at + 1] if at + 1 < len(data) else -1
        if marker == 0 or (has_restarts and marker in _RESTARTS):
            at += 2
        elif marker == 0xFF:  # a fill byte
            at += 1
        else:
            return data[at:] == _EOI
    return False
