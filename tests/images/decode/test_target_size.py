"""What a picture's header tells of its size is what is sent."""

from __future__ import annotations

import asyncio

import pytest
from PIL import Image

from dataflow.core.errors import PictureMissingError, PictureTooLargeError, RowError
from dataflow.core.picture import ImageRef
from dataflow.images.base.limits import Limits
from dataflow.images.base.open_file import SMALL
from dataflow.images.decode.target_size import sent_size
from dataflow.images.loader import Loader

SIZES = [(1, 1), (7, 5), (20, 31), (40, 4000), (4000, 40), (1000, 999), (2500, 1667), (1024, 1024)]


@pytest.fixture
def measure():
    """``measure(ref, **limits)`` → width and height, upright."""

    def run(ref, **limits):
        async def main():
            async with Loader(Limits(**limits)) as loader:
                return await loader.measure(ref)

        return asyncio.run(main())

    return run


def ref_of(data):
    return ImageRef("bytes", "test picture", data=data)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "TIFF"])
def test_the_size_told_beforehand_is_the_size_sent(measure, load, encode, kind, size):
    data = encode(Image.linear_gradient("L").resize(size), kind)
    picture = load(data, max_side=640)
    assert sent_size(measure(ref_of(data)), 640) == (picture.width, picture.height)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_a_turned_picture_is_told_upright(measure, load, encode, kind, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encode(Image.linear_gradient("L").resize((300, 200)), kind, exif=exif)
    picture = load(data, max_side=100)
    assert sent_size(measure(ref_of(data)), 100) == (picture.width, picture.height)


def test_a_large_file_is_measured_without_being_held(measure, tmp_path, encode):
    path = tmp_path / "large.bmp"
    path.write_bytes(encode(Image.new("RGB", (2000, 1000)), "BMP"))
    assert path.stat().st_size > SMALL
    assert measure(ImageRef("path", "large.bmp", str(path))) == (2000, 1000)


def test_the_pixels_are_not_read(measure, encode):
    """Only the header is: a picture cut off behind it has a size all the same."""
    data = encode(Image.effect_noise((900, 700), 90), "PNG")[:2000]
    assert measure(ref_of(data)) == (900, 700)


def test_every_file_that_loads_was_told_right(corpus, load_all):
    refs = [ImageRef("path", row["file"], row["path"]) for row in corpus]

    async def main():
        async with Loader(Limits(max_side=640)) as loader:
            return [await told(loader, ref) for ref in refs]

    async def told(loader, ref):
        try:
            return sent_size(await loader.measure(ref), 640)
        except RowError as error:
            return error

    wrong = []
    for ref, told_size, sent in zip(
        refs, asyncio.run(main()), load_all(refs, max_side=640), strict=True
    ):
        if not isinstance(sent, RowError) and told_size != (sent.width, sent.height):
            wrong.append((ref.name, told_size, (sent.width, sent.height)))
    assert not wrong


def test_what_is_refused_by_its_header_is_refused(measure, tmp_path, encode):
    with pytest.raises(PictureMissingError):
        measure(ImageRef("path", "none.jpg", str(tmp_path / "none.jpg")))
    with pytest.raises(PictureTooLargeError):
        measure(ref_of(encode(Image.new("L", (200, 200)), "PNG")), max_pixels=1000)
    with pytest.raises(RowError):
        measure(ref_of(b"<html>not found</html>"))
