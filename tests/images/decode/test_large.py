"""Large ordinary pictures are read within a stated bound; bombs of their size are not."""

from __future__ import annotations

import io
import time

import pytest
from PIL import Image

from dataflow.core.errors import PictureTooLargeError, UsageError
from dataflow.images.base.limits import MIB, Limits
from dataflow.images.decode import codecs


def test_a_jpeg_counts_by_the_size_it_is_decoded_at(load, encode, photo):
    data = encode(photo.resize((4000, 3000)), "JPEG", quality=60)
    assert load(data, max_pixels=2_000_000, max_side=512).width == 512
    with pytest.raises(PictureTooLargeError, match="--max-pixels"):
        load(data, max_pixels=200_000, max_side=512)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "BMP"])
def test_other_formats_count_whole(load, encode, photo, kind):
    data = encode(photo.resize((2000, 1500)), kind)
    with pytest.raises(PictureTooLargeError, match="--max-pixels"):
        load(data, max_pixels=2_000_000, max_side=512)


def test_the_message_names_the_option_for_memory(load, encode, photo):
    data = encode(photo.resize((2000, 1500)), "WEBP")
    with pytest.raises(PictureTooLargeError, match="--max-picture-memory"):
        load(data, max_picture_memory=20 * MIB)


def test_the_message_names_the_option_for_bytes(load, encode, photo):
    with pytest.raises(PictureTooLargeError, match="--max-picture-bytes"):
        load(encode(photo, "BMP"), max_picture_bytes=1000)


class Header:
    """What a decoder knows of a picture before it is loaded."""

    def __init__(self, kind, mode, size, **info):
        self.format, self.mode, self.info = kind, mode, info
        self.width, self.height = self.size = size
        self.layer = info.pop("layer", [])

    def getbands(self):
        return Image.getmodebands(self.mode) * "x"


ORDINARY = [  # what cameras and phones write, and its bytes on disk
    Header("WEBP", "RGB", (8064, 6048)),
    Header("AVIF", "RGB", (8064, 6048)),
    Header("HEIF", "RGB", (16320, 12240)),
    Header("JPEG2000", "RGB", (5800, 4320)),
    Header("TIFF", "RGB", (11648, 8736)),
    Header("PNG", "RGB", (11648, 8736)),
    Header("JPEG", "RGB", (2040, 1530)),  # 200 MP at an eighth
]


@pytest.mark.parametrize("image", ORDINARY, ids=lambda image: image.format)
def test_ordinary_pictures_are_within_the_default_bound(image):
    limits = Limits()
    pixels = image.width * image.height
    encoded = pixels // (20 if image.format in {"PNG", "TIFF"} else 400)
    cost = codecs.cost(image, image.size, encoded) + 4 * 16 * limits.max_side**2
    assert pixels <= limits.max_pixels
    assert cost <= limits.max_picture_memory
    assert not codecs.is_bomb(image, cost, 512 * MIB, encoded)


@pytest.mark.parametrize("image", ORDINARY[:-1], ids=lambda image: image.format)
def test_files_far_too_small_for_their_size_are_bombs(image):
    cost = codecs.cost(image, image.size, 1000)
    assert codecs.is_bomb(image, max(cost, 513 * MIB), 512 * MIB, 10_000)


def test_a_progressive_jpeg_costs_what_its_sampling_needs():
    halved = [(1, 2, 2, 0), (2, 1, 1, 1), (3, 1, 1, 1)]
    whole = [(1, 1, 1, 0), (2, 1, 1, 1), (3, 1, 1, 1)]
    costs = [
        codecs.cost(Header("JPEG", "RGB", (100, 100), progressive=1, layer=layer), (800, 800), 0)
        for layer in (halved, whole)
    ]
    assert costs == [40_000 + 3 * 640_000, 40_000 + 6 * 640_000]


@pytest.mark.parametrize(("kind", "size"), [("PNG", (11648, 8736)), ("WEBP", (8064, 6048))])
def test_a_bomb_is_refused_at_once(load, kind, size):
    """A plain colour of the size of an ordinary large picture."""
    data = plain_png(*size) if kind == "PNG" else plain_webp(*size)
    began = time.perf_counter()
    with pytest.raises(PictureTooLargeError, match="can hardly hold"):
        load(data)
    assert time.perf_counter() - began < 2  # of which the loader's start is the most


def plain_png(width, height):
    file = io.BytesIO()
    Image.new("L", (32, 32)).save(file, "PNG")
    data = bytearray(file.getvalue())
    data[16:24] = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    data[25] = 2  # RGB
    data[29:33] = __import__("zlib").crc32(bytes(data[12:29])).to_bytes(4, "big")
    return bytes(data)


def plain_webp(width, height):
    """A lossless WebP's header (RFC 9649, section 3.4): 14 bits for each side less one."""
    sides = (width - 1) | (height - 1) << 14
    body = b"\x2f" + sides.to_bytes(4, "little") + bytes(13)
    chunk = b"VP8L" + len(body).to_bytes(4, "little") + body
    return b"RIFF" + (4 + len(chunk)).to_bytes(4, "little") + b"WEBP" + chunk


@pytest.mark.parametrize("name", ["max_pixels", "max_picture_bytes", "max_picture_memory"])
def test_limits_below_one_are_refused(name):
    with pytest.raises(UsageError, match=name):
        Limits(**{name: 0})
