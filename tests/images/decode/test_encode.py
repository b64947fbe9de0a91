"""How a finished picture is sent: small coloured ones are not blurred, drawings stay exact."""

from __future__ import annotations

import io

import pytest
from PIL import Image, ImageDraw

from dataflow.images.decode.encode import encode


def sent(image, *, is_from_jpeg=False, quality=90):
    picture = encode(image, quality=quality, is_from_jpeg=is_from_jpeg)
    return picture, Image.open(io.BytesIO(picture.data))


def pixel_art(size=(64, 64)):
    """Single red and blue pixels side by side: what half the colours' resolution turns purple."""
    image = Image.new("RGB", size)
    image.putdata([(220, 20, 30) if (x + y) % 2 else (20, 40, 220)
                   for y in range(size[1]) for x in range(size[0])])  # fmt: skip
    return image


@pytest.mark.parametrize("size", [(16, 16), (64, 64), (256, 256), (256, 40)])
@pytest.mark.parametrize("is_from_jpeg", [True, False])
def test_small_coloured_pictures_are_not_blurred(size, is_from_jpeg, far):
    image = pixel_art(size)
    _, seen = sent(image, is_from_jpeg=is_from_jpeg)
    assert far(seen, image) < 4


def test_a_large_picture_that_was_no_jpeg_keeps_its_colours_resolution(far):
    image = Image.effect_noise((600, 400), 90)
    image = Image.merge("RGB", (image, image.transpose(Image.Transpose.ROTATE_180), image))
    _, whole = sent(image)
    _, halved = sent(image, is_from_jpeg=True)
    assert far(whole, image) < 0.5 * far(halved, image)


def test_a_drawing_of_few_colours_is_sent_exactly_as_it_is():
    image = Image.new("RGB", (900, 600), "white")
    draw = ImageDraw.Draw(image)
    for n in range(60):
        draw.line((n * 15, 0, 900 - n * 15, 600), fill=((n * 40) % 256, 20, 200), width=2)
    picture, seen = sent(image)
    assert picture.media_type == "image/png"
    assert seen.convert("RGB").tobytes() == image.tobytes()
    as_jpeg, _ = sent(image, is_from_jpeg=True)
    assert len(picture.data) < len(as_jpeg.data)


def test_a_png_that_saves_next_to_nothing_is_not_worth_it():
    """Every server reads JPEG, and some nothing else."""
    picture, _ = sent(Image.new("RGB", (96, 64), "red"))
    assert picture.media_type == "image/jpeg"


def test_metadata_of_the_source_is_not_sent():
    image = pixel_art()
    image.info = {"comment": b"secret", "exif": b"secret", "icc_profile": b"secret"}
    picture, _ = sent(image)
    assert b"secret" not in picture.data
