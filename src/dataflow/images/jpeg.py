"""A JPEG as it may be sent unchanged: its own scans, without its metadata."""

from __future__ import annotations

import struct

_SOI = b"\xff\xd8"
_EOI = b"\xff\xd9"
_SOS = 0xDA
_FRAMES = {0xC0, 0xC1, 0xC2}  # baseline, extended sequential, progressive; Huffman-coded
_OTHER_FRAMES = {0xC3, *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0)}
_TABLES = {0xC4, 0xDB, 0xDD}  # Huffman, quantisation, restart interval
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
    at, has_frame, is_bare = 2, False, True
    while True:
        if at + 4 > len(data) or data[at] != 0xFF:
            return None
        marker, length = data[at + 1], struct.unpack_from(">H", data, at + 2)[0]
        end = at + 2 + length
        if length < 2 or end > len(data) or marker in _OTHER_FRAMES:
            return None
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
        at = end
