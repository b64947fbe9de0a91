"""Which page of a TIFF of several is sent."""

from __future__ import annotations

import asyncio
import io
import struct

import pytest
from PIL import Image, ImageCms
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from dataflow.core.picture import ImageRef
from dataflow.images.base.limits import Limits
from dataflow.images.loader import Loader

PAGE, THUMB = (400, 300), (100, 75)


def tiff(*pages, **options):
    """Pages of (size, colour, tags)."""
    images, first = [], None
    for size, colour, tags in pages:
        image = Image.new("RGB", size, colour)
        info = ImageFileDirectory_v2()
        for tag, value in tags.items():
            info[tag] = value
        image.encoderinfo = {"tiffinfo": info}
        images.append(image)
        first = first or info
    file = io.BytesIO()
    images[0].save(file, "TIFF", save_all=True, append_images=images[1:], tiffinfo=first, **options)
    return file.getvalue()


def sent(data):
    async def load():
        async with Loader(Limits()) as loader:
            return await loader.load(ImageRef("bytes", "x.tif", data=data))

    picture = asyncio.run(load())
    seen = Image.open(io.BytesIO(picture.data)).convert("RGB")
    return seen.size, max(zip(seen.getpixel((5, 5)), ("red", "green", "blue"), strict=True))[1]


@pytest.mark.parametrize(
    ("pages", "expected"),
    [
        ([(THUMB, "red", {}), (PAGE, "blue", {})], (PAGE, "blue")),
        ([(THUMB, "red", {254: 1}), (PAGE, "blue", {})], (PAGE, "blue")),
        ([(THUMB, "red", {255: 2}), (PAGE, "blue", {})], (PAGE, "blue")),
        ([((90, 90), "red", {254: 1}), (PAGE, "blue", {})], (PAGE, "blue")),  # cut to a square
        ([(THUMB, "red", {}), ((200, 150), "lime", {}), (PAGE, "blue", {})], (PAGE, "blue")),
        ([(PAGE, "red", {}), (THUMB, "blue", {254: 1})], (PAGE, "red")),
        ([(PAGE, "red", {}), (PAGE, "blue", {})], (PAGE, "red")),  # a document
        ([(PAGE, "red", {254: 2}), (PAGE, "blue", {254: 2})], (PAGE, "red")),  # its pages by tag
        ([((200, 300), "red", {}), ((800, 600), "blue", {})], ((200, 300), "red")),
        ([(PAGE, "red", {}), ((500, 375), "blue", {})], (PAGE, "red")),
        ([(PAGE, "red", {254: 1})], (PAGE, "red")),
        ([(THUMB, "red", {254: 1}), (PAGE, "blue", {254: 1})], (PAGE, "blue")),
    ],
)
def test_the_page_and_not_its_thumbnail_is_sent(pages, expected):
    assert sent(tiff(*pages)) == expected


def test_a_broken_page_after_the_first_ends_the_search():
    data = bytearray(tiff((PAGE, "red", {}), ((900, 675), "blue", {})))
    at = struct.unpack_from("<I", data, 4)[0]
    end = at + 2 + 12 * struct.unpack_from("<H", data, at)[0]
    struct.pack_into("<I", data, end, len(data) - 3)
    assert sent(bytes(data)) == (PAGE, "red")


def test_pages_in_a_circle_end():
    data = bytearray(tiff((THUMB, "red", {}), (PAGE, "blue", {})))
    at = struct.unpack_from("<I", data, 4)[0]
    second = at + 2 + 12 * struct.unpack_from("<H", data, at)[0]
    last = struct.unpack_from("<I", data, second)[0]
    struct.pack_into("<I", data, last + 2 + 12 * struct.unpack_from("<H", data, last)[0], at)
    assert sent(bytes(data)) == (PAGE, "blue")


def test_the_colours_of_one_page_are_not_taken_for_those_of_another():
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    data = tiff((PAGE, "red", {}), (THUMB, "blue", {34675: profile}))
    assert sent(data) == (PAGE, "red")


def test_a_page_over_the_limit_behind_a_thumbnail_is_refused_as_such():
    from dataflow.core.errors import PictureTooLargeError

    with pytest.raises(PictureTooLargeError, match="400×300"):
        asyncio.run(_load_within(tiff((THUMB, "red", {}), (PAGE, "blue", {})), 100_000))


async def _load_within(data, pixels):
    async with Loader(Limits(max_pixels=pixels)) as loader:
        return await loader.load(ImageRef("bytes", "x.tif", data=data))
