"""A JPEG as it may be sent unchanged: its own scans, without its metadata."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

_SOI = b"\xff\xd8"
_EOI = b"\xff\xd9"
_SOS = 0xDA
_FRAMES = {0xC0, 0xC1, 0xC2}  # baseline, extended sequential, progressive; Huffman-coded
_OTHER_FRAMES = {0xC3, *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0)}
_RESTART_INTERVAL = 0xDD
_TABLES = {0xC4, 0xDB, _RESTART_INTERVAL}  # Huffman, quantisation
_RESTARTS = range(0xD0, 0xD8)
_FEW = 64  # bytes of a scan, enough to have a decoder set up its tables
_KEPT = {0xE0, 0xEE}  # JFIF; Adobe, which says how colours are coded
_METADATA = {*range(0xE1, 0xEE), 0xEF, 0xFE}  # EXIF, XMP, profiles, thumbnails, comments


@dataclass(frozen=True, slots=True)
class PlainJpeg:
    """A JPEG that may be sent as it is, if it can be decoded.

    Attributes:
        data: The JPEG, without metadata.
        proof: As much of it as a decoder needs to tell whether it can. libjpeg goes on where a
            code in a scan is wrong or missing; it stops at a segment that is broken. So of one scan
            without segments behind its start it is the headers and a few bytes, which take a fifth
            of the time (measured); of all others it is the whole.
    """

    data: bytes
    proof: bytes


def plain_jpeg(data: bytes) -> PlainJpeg | None:
    """`data` without EXIF (which may hold the place), XMP, colour profile and comments.

    The scans stay as they are, so nothing of the picture is lost. Formats: ITU-T T.81 annex B for
    the markers; frames that not every decoder reads (arithmetic, lossless, 12-bit) are refused.

    Returns:
        The JPEG; None where it is not plain enough, or anything but scans stands behind its first.
    """
    if data[:2] != _SOI or data[-2:] != _EOI:
        return None
    whole = memoryview(data)  # its slices are no copies
    kept: list[bytes | memoryview] = [_SOI]
    has_frame = has_restarts = False
    is_bare = True
    for marker, at, end in _segments(data):
        if marker == _SOS:
            segments = _segments_behind(data, end, has_restarts=has_restarts) if has_frame else None
            if segments is None:
                return None
            plain = data if is_bare else b"".join([*kept, whole[at:]])
            headers = len(plain) - len(data) + end
            return PlainJpeg(plain, plain if segments else plain[: headers + _FEW] + _EOI)
        if marker in _FRAMES:
            has_frame = data[at + 4 : at + 5] == b"\x08"  # bits per sample
        has_restarts |= marker == _RESTART_INTERVAL
        if marker in _FRAMES or marker in _TABLES or marker in _KEPT:
            kept.append(whole[at:end])
        elif marker in _METADATA:
            is_bare = False
        else:
            return None
    return None


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


def _segments_behind(data: bytes, at: int, *, has_restarts: bool) -> int | None:
    """How many scans and tables stand behind `at`, where the first scan's data begins.

    Returns:
        None where anything stands there that is neither a scan nor a table of one.
    """
    segments = 0
    while (at := data.find(b"\xff", at)) >= 0:
        marker = data[at + 1] if at + 1 < len(data) else -1
        if marker == 0 or (has_restarts and marker in _RESTARTS):
            at += 2
        elif marker == 0xFF:  # a fill byte
            at += 1
        elif marker == _SOS or marker in _TABLES:
            segments += 1
            has_restarts |= marker == _RESTART_INTERVAL
            at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        else:
            return segments if data[at:] == _EOI else None
    return None
