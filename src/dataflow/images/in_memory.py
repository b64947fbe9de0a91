"""Pictures that live in memory, as notebooks hold them → encoded bytes.

Taken are Pillow's images, arrays and tensors of numbers, and open files. Pillow and numpy are
imported for nothing else: who has such a value has them.
"""

from __future__ import annotations

import io
import sys
from dataclasses import dataclass
from typing import Any

from dataflow.core.errors import BadRowError
from dataflow.core.text import error_text, scrub
from dataflow.images.decode.sniff import PICTURES, sniff

_DIMENSIONS = (2, 3)
_CHANNELS = (1, 3, 4)
_NUMBERS = "buif"  # numpy's kinds of numbers
_PNG_MODES = {"1", "L", "LA", "P", "RGB", "RGBA", "I;16", "I"}
_TIFF_MODES = {"CMYK", "LAB", "YCbCr", "F"}


@dataclass(frozen=True, slots=True)
class Encoded:
    """A picture of memory as the bytes of a file.

    Attributes:
        data: The encoded picture, all pixels as they were.
        name: What it is, for messages.
    """

    data: bytes
    name: str


def encode_in_memory(value: object) -> Encoded | None:
    """`value` encoded without loss, where it is one picture in memory; None where it is not.

    Raises:
        BadRowError: it is an array that can be no picture, or a file that cannot be read.
    """
    if _is_pillow(value):
        return _of_pillow(value, f"a picture of {value.width}×{value.height} pixels")  # type: ignore[attr-defined]
    if is_array(value):
        return _of_array(value)
    read = getattr(value, "read", None)
    return _of_file(value) if callable(read) else None


def is_array(value: object) -> bool:
    """Whether `value` is an array or tensor of numbers, of two or three dimensions, or of bytes."""
    shape = getattr(value, "shape", None)
    if not isinstance(shape, tuple) or not hasattr(value, "__array__"):
        return False
    if len(shape) == 1:
        return str(getattr(value, "dtype", "")) in {"uint8", "torch.uint8"}
    return len(shape) in _DIMENSIONS


def _is_pillow(value: object) -> bool:
    module = sys.modules.get("PIL.Image")
    return module is not None and isinstance(value, module.Image)


def _of_pillow(image: Any, name: str) -> Encoded:
    file = io.BytesIO()
    try:
        if image.mode not in _PNG_MODES | _TIFF_MODES:
            image = image.convert("RGBA" if "a" in image.mode.lower()[3:] else "RGB")
        profile, exif = image.info.get("icc_profile"), image.getexif()
        if image.mode in _TIFF_MODES:
            image.save(file, "TIFF", icc_profile=profile)
        else:
            image.save(file, "PNG", compress_level=1, icc_profile=profile, exif=exif)
    except Exception as error:  # noqa: BLE001 - it may read lazily, from anything
        raise BadRowError(f"{name}: cannot be read ({scrub(error_text(error))})") from None
    return Encoded(file.getvalue(), name)


def _of_array(value: Any) -> Encoded:
    import numpy as np

    try:
        if hasattr(value, "detach"):  # a tensor, maybe on a GPU
            value = value.detach().cpu()
        array = np.asarray(value)
    except Exception as error:  # noqa: BLE001 - anybody's array
        raise BadRowError(f"an array that cannot be read ({scrub(error_text(error))})") from None
    name = f"an array of {'×'.join(map(str, array.shape))} {array.dtype}"
    if array.dtype.kind not in _NUMBERS or array.size == 0:
        raise BadRowError(f"{name}: is no picture")
    if array.ndim == 1:
        data = array.tobytes()
        if sniff(data[:512]) not in PICTURES:
            raise BadRowError(f"{name}: is no encoded picture")
        return Encoded(data, name)
    pixels = _eight_or_sixteen_bit(np, _channels_last(np, array, name), name)

    from PIL import Image

    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[:, :, 0]
    return _of_pillow(Image.fromarray(np.ascontiguousarray(pixels)), name)


def _channels_last(np: Any, array: Any, name: str) -> Any:
    """Height × width × channels, from that or from a tensor's channels × height × width."""
    if array.ndim == 2 or array.shape[2] in _CHANNELS:
        return array
    if array.shape[0] in _CHANNELS:
        return np.moveaxis(array, 0, 2)
    raise BadRowError(f"{name}: has no dimension of 1, 3 or 4 channels")


def _eight_or_sixteen_bit(np: Any, array: Any, name: str) -> Any:
    """Numbers on the scale of their type: 0-1 for floats and truths, 0-255 for bytes."""
    if array.dtype == np.uint8:
        return array
    if array.dtype.kind == "b":
        return array.astype(np.uint8) * 255
    if array.dtype == np.uint16:
        return array if array.ndim == 2 else (array // 257).astype(np.uint8)
    low, high = float(array.min()), float(array.max())
    if not (low >= 0 and high <= 255):  # NaN, too
        raise BadRowError(f"{name}: its values are not within 0-1 or 0-255")
    scale = 255 if array.dtype.kind == "f" and high <= 1 else 1
    return np.rint(array * scale).astype(np.uint8)


def _of_file(value: Any) -> Encoded:
    """What an open file holds, from its start; it is left where it was."""
    try:
        at = value.tell()
        value.seek(0)
        data = value.read()
        value.seek(at)
    except Exception:  # noqa: BLE001 - anybody's file
        raise BadRowError("an open file that cannot be read from its start") from None
    if not isinstance(data, bytes):
        raise BadRowError("a file that is open for text; open it for bytes")
    return Encoded(data, f"{len(data)} bytes")
