"""A PNG without its texts: Pillow refuses a whole picture for a long one."""

from __future__ import annotations

import tempfile
import zlib
from typing import BinaryIO, cast

from dataflow.images.base.limits import MIB
from dataflow.images.base.open_file import SMALL
from dataflow.images.decode.cicp import png_chunks

_TEXTS = {b"tEXt", b"zTXt", b"iTXt"}
_SIGNATURE = 8
_STEP = 1 << 20


def is_too_much_text(error: Exception) -> bool:
    """Whether `error` is Pillow's, about metadata of over a mebibyte."""
    return isinstance(error, ValueError) and "MAX_TEXT" in str(error)


def without_texts(file: BinaryIO) -> BinaryIO:
    """A copy of the PNG in `file` without texts and giant profiles; the caller closes it."""
    body = tempfile.SpooledTemporaryFile(SMALL)  # noqa: SIM115 - handed on
    file.seek(0)
    body.write(file.read(_SIGNATURE))
    for kind, at, length in png_chunks(file):
        if kind in _TEXTS or (kind == b"iCCP" and _is_giant(file, at, length)):
            continue
        file.seek(at - 8)
        left = length + 12
        while left > 0 and (part := file.read(min(left, _STEP))):
            body.write(part)
            left -= len(part)
    body.seek(0)
    return cast("BinaryIO", body)


def _is_giant(file: BinaryIO, at: int, length: int) -> bool:
    """Whether a profile unpacks to more than Pillow takes."""
    file.seek(at)
    packed = file.read(min(length, MIB)).partition(b"\0")[2][1:]
    try:
        return len(zlib.decompressobj().decompress(packed, MIB + 1)) > MIB
    except zlib.error:
        return True
