"""Coding-independent code points: how a PNG, AVIF or HEIC says which colours its numbers mean.

Values: ITU-T H.273. In a PNG: chunk ``cICP`` (W3C PNG, third edition, section 11.3.2.6). In AVIF
and HEIC: property ``colr`` of type ``nclx`` (ISO/IEC 14496-12 section 12.1.5), which the primary
item is associated with (ISO/IEC 23008-12 section 9.3).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

PQ, HLG = 16, 18
"""Transfer characteristics of HDR pictures."""

_LONGEST_META = 4 << 20
_MOST_BOXES = 4096
_CONTAINERS = {"AVIF", "HEIF"}


@dataclass(frozen=True, slots=True)
class Cicp:
    """Two of H.273's code points.

    Attributes:
        primaries: Table 2: 1 BT.709 and sRGB, 9 BT.2020, 12 Display P3 …
        transfer: Table 3: 1 BT.709, 8 linear, 13 sRGB, 16 PQ, 18 HLG …
    """

    primaries: int
    transfer: int

    @property
    def is_hdr(self) -> bool:
        """Whether its numbers mean more light than a screen's white."""
        return self.transfer in (PQ, HLG)


def cicp_of(file: BinaryIO, kind: str | None) -> Cicp | None:
    """The code points in `file`, which stays where it is; None where it has none.

    Args:
        file: The encoded picture.
        kind: Pillow's name of its format.
    """
    at = file.tell()
    try:
        if kind == "PNG":
            return _of_png(file)
        if kind in _CONTAINERS:
            return _of_container(file)
        return None
    except (struct.error, IndexError, ValueError):
        return None
    finally:
        file.seek(at)


def png_chunks(file: BinaryIO) -> Iterator[tuple[bytes, int, int]]:
    """Type, position and length of the data of each of a PNG's chunks."""
    at = 8
    while True:
        file.seek(at)
        head = file.read(8)
        if len(head) < 8:
            return
        length = int.from_bytes(head[:4], "big")
        yield head[4:], at + 8, length
        at += length + 12


def _of_png(file: BinaryIO) -> Cicp | None:
    for kind, at, length in png_chunks(file):
        if kind == b"cICP" and length == 4:
            file.seek(at)
            primaries, transfer, _matrix, _full_range = file.read(4)
            return Cicp(primaries, transfer)
        if kind == b"IDAT":
            return None
    return None


def _of_container(file: BinaryIO) -> Cicp | None:
    meta = _meta(file)
    boxes = dict(_boxes(meta[4:]))
    properties = dict(_boxes(boxes.get(b"iprp", b"")))
    colours = [
        content if kind == b"colr" else None
        for kind, content in _boxes(properties.get(b"ipco", b""))
    ]
    own = _associated(properties.get(b"ipma", b""), _primary_item(boxes.get(b"pitm", b"")))
    found = [colours[index - 1] for index in own if 0 < index <= len(colours)]
    if not any(found):
        found = colours  # a grid whose tiles alone say it
    for content in found:
        if content is not None and content[:4] == b"nclx":
            primaries, transfer = struct.unpack_from(">HH", content, 4)
            return Cicp(primaries, transfer)
    return None


def _meta(file: BinaryIO) -> bytes:
    """The content of the top-level box ``meta``; empty where there is none."""
    file.seek(0)
    for _ in range(_MOST_BOXES):
        head = file.read(8)
        if len(head) < 8:
            return b""
        size = int.from_bytes(head[:4], "big")
        if head[4:] == b"meta":
            return file.read(min(size - 8, _LONGEST_META)) if size >= 8 else b""
        if size == 1:
            size = int.from_bytes(file.read(8), "big") - 8
        if size < 8:
            return b""
        file.seek(size - 8, 1)
    return b""


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at + 8 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        if size < 8:
            return
        yield data[at + 4 : at + 8], data[at + 8 : at + size]
        at += size


def _primary_item(pitm: bytes) -> int:
    wide = pitm[:1] not in (b"", b"\0")
    return int.from_bytes(pitm[4 : 8 if wide else 6], "big")


def _associated(ipma: bytes, item: int) -> list[int]:
    """The numbers, from 1, of the properties that `item` is associated with."""
    if len(ipma) < 8:
        return []
    version, wide_index = ipma[0], ipma[3] & 1
    entries, at = int.from_bytes(ipma[4:8], "big"), 8
    for _ in range(min(entries, _MOST_BOXES)):
        size = 4 if version else 2
        number = int.from_bytes(ipma[at : at + size], "big")
        count, at = ipma[at + size], at + size + 1
        step = 2 if wide_index else 1
        indices = [
            int.from_bytes(ipma[k : k + step], "big") & (0x7FFF if wide_index else 0x7F)
            for k in range(at, at + count * step, step)
        ]
        if number == item:
            return indices
        at += count * step
    return []
