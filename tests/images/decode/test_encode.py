"""How a finished picture is sent: small coloured ones are not blurred, drawings stay exact."""

from __future__ import annotations

import io

import pytest
from PIL import Image, ImageDraw

from dataflow.images.decode.encode import encode


def sent(image, *, is_from_jpeg=False, quality=90):
    picture = encode(
        image, quality=quality, is_from_jpeg=is_from_jpeg, has_half_colours=is_from_jpeg
    )
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


@pytest.mark.parametrize("size", [(32, 32), (96, 64), (256, 256), (700, 500)])
def test_whatever_is_smaller_is_sent(size):
    art, noise = pixel_art(size), Image.effect_noise(size, 90).convert("RGB")
    for image, media_type in ((art, "image/png"), (noise, "image/jpeg")):
        picture, _ = sent(image)
        assert picture.media_type == media_type
        as_jpeg, _ = sent(image, is_from_jpeg=True)
        assert media_type == "image/jpeg" or len(picture.data) < len(as_jpeg.data)
    assert sent(art)[1].convert("RGB").tobytes() == art.tobytes()


def test_coloured_text_with_smooth_edges_is_exact():
    big = Image.new("RGB", (1600, 900), "white")
    draw = ImageDraw.Draw(big)
    for n in range(40):
        draw.text((20, n * 22), "The quick brown fox jumps " * 4, fill=(n * 6, 90, 255 - n * 6))
    image = big.resize((800, 450), Image.Resampling.LANCZOS)
    image = image.quantize(1024 // 4).convert("RGB")
    picture, seen = sent(image)
    assert picture.media_type == "image/png"
    assert seen.convert("RGB").tobytes() == image.tobytes()


def test_a_jpeg_stays_a_jpeg():
    """What is broken in it is broken already, and every server reads it."""
    assert sent(Image.new("RGB", (96, 64), "red"), is_from_jpeg=True)[0].media_type == "image/jpeg"


@pytest.mark.parametrize(("subsampling", "is_half"), [("4:4:4", False), ("4:2:0", True)])
def test_a_jpeg_s_colours_keep_the_resolution_they_had(load, encode, photo, subsampling, is_half):
    exif = Image.Exif()
    exif[0x0112] = 3  # turned, so that its scans cannot be sent as they are
    data = encode(photo, "JPEG", quality=95, subsampling=subsampling, exif=exif)
    with Image.open(io.BytesIO(load(data).data)) as seen:
        assert (len({layer[1:3] for layer in seen.layer}) > 1) == is_half


def test_metadata_of_the_source_is_not_sent():
    image = pixel_art()
    image.info = {"comment": b"secret", "exif": b"secret", "icc_profile": b"secret"}
    picture, _ = sent(image)
    assert b"secret" not in picture.data
