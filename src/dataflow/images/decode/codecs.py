"""Which formats are read, what they cost, and Pillow made ready for them."""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import logging
import threading
import warnings

from PIL import Image

from dataflow.images.base.limits import MIB

_PLUGINS = {  # Pillow's name of the format → the plugin that knows it
    "JPEG": "JpegImagePlugin",
    "PNG": "PngImagePlugin",
    "WEBP": "WebPImagePlugin",
    "GIF": "GifImagePlugin",
    "AVIF": "AvifImagePlugin",
    "TIFF": "TiffImagePlugin",
    "BMP": "BmpImagePlugin",
    "JPEG2000": "Jpeg2KImagePlugin",
    "ICO": "IcoImagePlugin",
    "PSD": "PsdImagePlugin",
    "PPM": "PpmImagePlugin",
    "TGA": "TgaImagePlugin",  # last: it has no signature
}
"""What is read. Left out on purpose: formats that run other programs (EPS, WMF), that Pillow
decodes in Python (QOI: 12 MP in 15 s with the interpreter held; DDS, BLP), and that no dataset
holds (FLI, PCX, IM …), since every format is a way in for hostile files."""

_BYTES_PER_PIXEL = {"WEBP": 17, "AVIF": 14, "HEIF": 9, "JPEG2000": 24}
"""Peak of a whole decode, measured with 12 MP pictures (Pillow 13: WebP 16.4, AVIF 9.5, HEIF 8.1,
JPEG 2000 19.5), with room for alpha and for more than 8 bits where they can occur."""
_BYTES_PER_PIXEL_OF_MODE = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2}
_BYTES_PER_PIXEL_ELSE = 4
_BYTES_PER_COEFFICIENT = 2  # libjpeg holds them all while it reads a progressive JPEG
_READ_WHOLE = {"WEBP", "AVIF", "HEIF", "JPEG2000"}  # their encoded bytes are held, too

JPEGS = {"JPEG", "MPO"}
"""Pillow's names of what is decoded at a fraction of its size."""

_LOSSLESS = {"PNG", "GIF", "TIFF", "BMP", "PSD", "TGA", "PPM", "ICO"}
_PIXELS_PER_BYTE = (
    2000  # a photograph of 48 MP takes 1 byte for 100 at most, a smooth gradient 1000
)
_PIXELS_PER_BYTE_LOSSLESS = 100
_ORDINARY_PIXELS = 100_000_000

_M_MMAP_THRESHOLD = -3  # glibc's malloc.h
_LARGE_BLOCK = 4 * MIB
_KEPT_BLOCKS = 8
"""Of Pillow's, 16 MiB each at most, kept for the next picture. Without them every page of every
picture is fetched anew from the system: 12 MP JPEGs took 80 ms each instead of 63 (measured)."""

_known: list[str] = []
_lock = threading.Lock()


def prepare(max_pixels: int) -> None:
    """Make Pillow ready; called before threads decode, as often as one likes.

    Pillow's warnings speak of single pictures and would come out of nowhere in the midst of a run;
    what matters of them becomes an error of ours. ``warnings.catch_warnings`` is no choice, since
    it is not thread-safe. Pillow's own bomb limit (179 million pixels) stays on as a second wall,
    and moves only for who asks for larger pictures.

    Args:
        max_pixels: Pixels of the largest picture that shall be decoded.
    """
    warnings.filterwarnings("ignore", module=r"PIL\.")
    with _lock:
        if Image.MAX_IMAGE_PIXELS is not None and max_pixels > 2 * Image.MAX_IMAGE_PIXELS:
            Image.MAX_IMAGE_PIXELS = max_pixels
        if _known:
            return
        logging.getLogger("PIL").addHandler(logging.NullHandler())
        _hush_libtiff()
        _give_memory_back()
        # https://pillow.readthedocs.io/en/stable/reference/block_allocator.html
        importlib.import_module("PIL._imaging").set_blocks_max(_KEPT_BLOCKS)
        for plugin in _PLUGINS.values():
            importlib.import_module(f"PIL.{plugin}")
        with contextlib.suppress(ImportError):
            importlib.import_module("pillow_heif").register_heif_opener()
        _known.extend(name for name in [*_PLUGINS, "HEIF"] if name in Image.OPEN)


def _hush_libtiff() -> None:
    """Keep libtiff from writing about broken files to the process's stderr.

    It does so by itself, past Python, into the midst of a progress display. The library is found
    through Pillow's own module; where it is not, its messages stay.
    """
    with contextlib.suppress(OSError, AttributeError):
        library = ctypes.CDLL(importlib.import_module("PIL._imaging").__file__)
        for setter in (library.TIFFSetErrorHandler, library.TIFFSetWarningHandler):
            setter.argtypes, setter.restype = [ctypes.c_void_p], ctypes.c_void_p
            setter(None)


def _give_memory_back() -> None:
    """Keep glibc from holding on to the large blocks of decoded pictures.

    By itself it raises the size from which blocks go back to the system to that of the greatest
    block freed so far, 32 MiB at most, and then keeps what each thread once used: 16 threads with
    88 MP pictures reached 1,830 MB, and 450 MB with the size held at 4 MiB (measured). Other C
    libraries have no `mallopt`, and need none.
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LARGE_BLOCK)


def known() -> list[str]:
    """The formats that can be read here, by Pillow's names, in the order to try them."""
    return _known


def cost(image: Image.Image, full: tuple[int, int], encoded: int) -> int:
    """Bytes that decoding takes at its peak, as far as the header tells.

    Args:
        image: Opened, not yet loaded; its size is the one it will be decoded at.
        full: Width and height in the file.
        encoded: Bytes of the file.
    """
    mode = _BYTES_PER_PIXEL_OF_MODE.get(image.mode, _BYTES_PER_PIXEL_ELSE)
    each = max(mode, _BYTES_PER_PIXEL.get(image.format or "", 0))
    held = encoded if image.format in _READ_WHOLE else 0
    if image.format in JPEGS and image.info.get("progressive"):
        held += int(_BYTES_PER_COEFFICIENT * _samples_per_pixel(image) * full[0] * full[1])
    return image.width * image.height * each + held


def is_bomb(image: Image.Image, cost: int, ordinary_cost: int, encoded: int) -> bool:
    """Whether the file is far too small to hold a picture of its size.

    Only what is larger than ordinary is judged so: a plain colour packs into next to nothing.

    Args:
        image: Opened, not yet loaded; its size is the one it will be decoded at.
        cost: Bytes that decoding takes.
        ordinary_cost: Bytes that any picture may take.
        encoded: Bytes of the file.
    """
    pixels = image.width * image.height
    if pixels <= _ORDINARY_PIXELS and cost <= ordinary_cost:
        return False
    is_lossless = image.format in _LOSSLESS
    return pixels > encoded * (_PIXELS_PER_BYTE_LOSSLESS if is_lossless else _PIXELS_PER_BYTE)


def has_half_colours(image: Image.Image) -> bool:
    """Whether `image` is a JPEG whose colours have less than the full resolution (4:2:0, 4:2:2)."""
    return len({layer[1:3] for layer in getattr(image, "layer", [])}) > 1


def _samples_per_pixel(image: Image.Image) -> float:
    """3 for 4:4:4, 1.5 for 4:2:0 and so on, after the frame's sampling factors."""
    layers = getattr(image, "layer", [])
    areas = [across * down for _, across, down, _ in layers]
    if not areas or min(areas) < 1:
        return float(len(image.getbands()))
    across, down = max(layer[1] for layer in layers), max(layer[2] for layer in layers)
    return float(sum(areas) / (across * down))
