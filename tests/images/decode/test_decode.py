"""Right pixels, not only pixels; each kind is compared with a reference made another way."""

import io
import struct
import zlib

import pytest
from PIL import Image, ImageCms

from dataflow.core.errors import PictureError, PictureTooLargeError

ORIENTED = [(300, 200)] * 4 + [(200, 300)] * 4


def by_hand(photo, orientation):
    """`photo` stored so that `orientation` shows it upright, moved pixel by pixel.

    The table is EXIF 2.32's own words: which visual side row 0 and column 0 are.
    """
    wide, high = photo.size
    where = {  # visual (x, y) → stored (x, y)
        1: lambda x, y: (x, y),
        2: lambda x, y: (wide - 1 - x, y),
        3: lambda x, y: (wide - 1 - x, high - 1 - y),
        4: lambda x, y: (x, high - 1 - y),
        5: lambda x, y: (y, x),
        6: lambda x, y: (y, wide - 1 - x),
        7: lambda x, y: (high - 1 - y, wide - 1 - x),
        8: lambda x, y: (high - 1 - y, x),
    }[orientation]
    stored = Image.new("RGB", (wide, high) if orientation < 5 else (high, wide))
    source, target = photo.load(), stored.load()
    for x in range(wide):
        for y in range(high):
            target[where(x, y)] = source[x, y]
    return stored


def png16(width, height, rows, colour_type=0, extra=b""):
    """A 16-bit PNG written by hand (W3C PNG, sections 5 and 11)."""

    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    raw = b"".join(b"\0" + struct.pack(f">{len(row)}H", *row) for row in rows)
    header = struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + extra
        + chunk(b"IDAT", zlib.compress(raw))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP", "AVIF"])
def test_every_orientation_comes_upright(load, pixels, encode, photo, far, orientation, kind):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encode(by_hand(photo, orientation), kind, exif=exif)
    assert far(pixels(load(data)), photo) < 3


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_holds_when_shrunk(load, pixels, encode, photo, far, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encode(by_hand(photo, orientation), "JPEG", exif=exif)
    sent = pixels(load(data, max_side=150))
    assert sent.size == (150, 100)
    assert far(sent, photo.resize((150, 100), Image.Resampling.BOX)) < 3


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_an_orientation_that_is_none_is_ignored(load, pixels, encode, photo, far, value):
    exif = Image.Exif()
    exif[0x0112] = value
    assert far(pixels(load(encode(photo, "JPEG", exif=exif))), photo) < 3


@pytest.mark.parametrize("max_side", [1024, 64])
def test_16_bit_grey_is_scaled_not_clipped(load, pixels, far, max_side):
    ramp = [[x * 65535 // 255 for x in range(256)] for _ in range(128)]
    sent = pixels(load(png16(256, 128, ramp), max_side=max_side))
    eight = Image.new("L", (256, 128))
    eight.frombytes(bytes(range(256)) * 128)
    assert far(sent, eight.resize(sent.size, Image.Resampling.BOX)) < 2


def test_16_bit_grey_with_a_transparent_value(load, pixels):
    rows = [[20000 if x < 64 else 40000 for x in range(128)] for _ in range(64)]
    clear = struct.pack(">I", 2) + b"tRNS" + struct.pack(">H", 20000)
    clear += struct.pack(">I", zlib.crc32(clear[4:]))
    sent = pixels(load(png16(128, 64, rows, extra=clear)))
    assert sent.getpixel((20, 30))[0] > 250
    assert abs(sent.getpixel((100, 30))[0] - 40000 / 257) < 3


@pytest.mark.parametrize(
    ("mode", "values", "want"),
    [
        ("F", (0.0, 0.5, 1.0), (0, 128, 255)),
        ("F", (0.0, 100.0, 255.0), (0, 100, 255)),
        ("F", (-1.0, 0.0, 1.0), (0, 128, 255)),
        ("I", (0, 100, 255), (0, 100, 255)),
        ("I", (0, 32768, 65535), (0, 128, 255)),
        ("I", (-1000, 0, 1000), (0, 128, 255)),
        ("I;16", (0, 32768, 65535), (0, 128, 255)),
        ("I;16", (0, 257, 4 * 257), (0, 1, 4)),
    ],
)
def test_wide_values_keep_their_scale(load, pixels, encode, mode, values, want):
    image = Image.new(mode, (96, 64))
    for number, value in enumerate(values):
        image.paste(Image.new(mode, (32, 64), value), (number * 32, 0))
    sent = pixels(load(encode(image, "TIFF")))
    for number, value in enumerate(want):
        assert abs(sent.getpixel((number * 32 + 16, 32))[1] - value) <= 2


def test_values_without_end_are_an_error(load, encode):
    image = Image.new("F", (64, 64), float("inf"))
    with pytest.raises(PictureError, match="not finite"):
        load(encode(image, "TIFF"))


@pytest.mark.parametrize("max_side", [1024, 100])
@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "JPEG2000"])
def test_alpha_lies_on_white(load, pixels, encode, photo, far, kind, max_side):
    alpha = Image.linear_gradient("L").resize(photo.size)
    picture = photo.copy()
    picture.putalpha(alpha)
    options = {"lossless": True} if kind == "WEBP" else {}
    sent = pixels(load(encode(picture, kind, **options), max_side=max_side))
    want = Image.new("RGB", photo.size)
    opacity = [a for a in alpha.tobytes() for _ in "rgb"]
    want.frombytes(
        bytes(
            (colour * a + 255 * (255 - a)) // 255
            for colour, a in zip(photo.tobytes(), opacity, strict=True)
        )
    )
    assert far(sent, want.resize(sent.size, Image.Resampling.BOX)) < 3


def test_black_on_transparent_black_is_readable(load, pixels, in_corpus):
    sent = pixels(load(in_corpus("black_on_transparent.png")))
    low, high = sent.convert("L").getextrema()
    assert low < 10
    assert high > 245
    assert sent.getpixel((1, 1)) == (255, 255, 255)


def test_grey_with_alpha(load, pixels, encode):
    image = Image.new("LA", (64, 64), (80, 255))
    image.paste((80, 0), (0, 0, 32, 64))
    sent = pixels(load(encode(image, "PNG")))
    assert sent.getpixel((8, 32))[0] > 250
    assert abs(sent.getpixel((56, 32))[0] - 80) < 3


def test_a_palette_with_transparent_entries(load, pixels, encode):
    image = Image.new("P", (96, 64))
    image.putpalette([200, 0, 0, 0, 200, 0, 0, 0, 200])
    for index in range(3):
        image.paste(index, (index * 32, 0, index * 32 + 32, 64))
    one = pixels(load(encode(image, "PNG", transparency=1)))
    assert one.getpixel((48, 32))[1] > 245
    several = pixels(load(encode(image, "PNG", transparency=bytes([255, 0, 128]))))
    for sent in (one, several):
        red, green, blue = sent.getpixel((8, 32))
        assert abs(red - 200) < 12
        assert green < 12
        assert blue < 12
    assert min(several.getpixel((48, 32))) > 240
    assert abs(several.getpixel((88, 32))[0] - 127) < 12


def test_colour_key_transparency(load, pixels, encode):
    image = Image.new("RGB", (64, 64), (10, 20, 30))
    image.paste((200, 100, 50), (32, 0, 64, 64))
    sent = pixels(load(encode(image, "PNG", transparency=(10, 20, 30))))
    assert min(sent.getpixel((8, 32))) > 245
    assert abs(sent.getpixel((56, 32))[0] - 200) < 8


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk_is_not_a_negative(load, pixels, encode, photo, far, kind):
    assert far(pixels(load(encode(photo.convert("CMYK"), kind))), photo) < 4


def test_adobe_cmyk_looks_like_the_rgb_of_the_same_photo(load, pixels, in_corpus, far):
    with Image.open(in_corpus("photo.jpeg_large")) as image:
        want = image.convert("RGB")
    for name in ("cmyk.jpg", "cmyk.tif"):
        assert far(pixels(load(in_corpus(name))), want) < 6


def test_lab(load, pixels, encode):
    red = ImageCms.buildTransform(
        ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB"
    )
    image = ImageCms.applyTransform(Image.new("RGB", (64, 64), (200, 40, 30)), red)
    sent = pixels(load(encode(image, "TIFF"))).getpixel((32, 32))
    assert all(abs(a - b) < 6 for a, b in zip(sent, (200, 40, 30), strict=True))


@pytest.mark.parametrize("max_side", [1024, 50])
def test_bilevel_and_palette_shrink_smoothly(load, pixels, encode, far, max_side):
    board = Image.new("1", (400, 400))
    for x in range(0, 400, 2):
        board.paste(1, (x, 0, x + 1, 400))
    sent = pixels(load(encode(board, "PNG"), max_side=max_side))
    if max_side == 50:  # half black, half white, finer than a pixel: grey
        assert far(sent, Image.new("RGB", (50, 50), (127, 127, 127))) < 6


@pytest.mark.parametrize(
    ("size", "sent"), [((2500, 1250), (1024, 512)), ((700, 5001), (143, 1024))]
)
@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA", "I;16", "CMYK"])
def test_banded_shrinking_is_plain_shrinking(load, pixels, encode, photo, far, mode, size, sent):
    image = photo.resize(size)
    if mode == "I;16":
        image = image.convert("L").convert("I").point(lambda v: v * 257).convert("I;16")
    else:
        image = image.convert(mode)
    got = pixels(load(encode(image, "TIFF", compression="tiff_lzw")))
    assert got.size == sent
    want = photo.convert("L") if mode in {"I;16", "L"} else photo
    assert far(got, want.resize(sent, Image.Resampling.BICUBIC)) < (8 if mode == "P" else 3)


def test_a_wide_gamut_becomes_srgb(load, pixels, in_corpus):
    with Image.open(in_corpus("broken_iccp.png")) as image:
        display_p3 = image.info["icc_profile"]
    file = io.BytesIO()
    Image.new("RGB", (64, 64), (200, 60, 60)).save(file, "JPEG", icc_profile=display_p3)
    red, green, blue = pixels(load(file.getvalue())).getpixel((32, 32))
    # P3 (200, 60, 60) is sRGB (215, 43, 52) by CSS Color 4's matrices
    assert abs(red - 215) < 5
    assert abs(green - 43) < 7
    assert abs(blue - 52) < 7


def test_a_broken_profile_spoils_nothing(load, pixels, encode, photo, far):
    data = encode(photo, "JPEG", icc_profile=b"no profile at all" * 10)
    assert far(pixels(load(data)), photo) < 3


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_a_blank_first_frame_gives_way(load, pixels, encode, photo, far, kind):
    blank = Image.new("RGB", photo.size, (0, 0, 0))
    data = encode(blank, kind, save_all=True, append_images=[blank, photo, blank], duration=100)
    assert far(pixels(load(data)), photo) < 12


def test_a_picture_that_is_blank_throughout_is_sent(load, pixels, encode):
    blank = Image.new("RGB", (64, 64), (9, 9, 9))
    assert pixels(load(encode(blank, "PNG"))).getpixel((5, 5)) == (9, 9, 9)


@pytest.mark.parametrize(
    ("size", "sent"),
    [
        ((1, 1), (32, 32)),
        ((2, 1), (32, 32)),
        ((16, 16), (32, 32)),
        ((40, 20), (40, 32)),
        ((20, 300), (32, 300)),
        ((5000, 20), (1024, 32)),
        ((1, 30000), (32, 1024)),
        ((640, 480), (640, 480)),
        ((4000, 3000), (1024, 768)),
        ((1025, 1), (1024, 32)),
    ],
)
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_sizes_that_models_take(load, pixels, encode, size, sent, kind):
    picture = load(encode(Image.new("RGB", size, (10, 200, 30)), kind))
    assert (picture.width, picture.height) == sent
    assert pixels(picture).getpixel((sent[0] // 2, sent[1] // 2))[1] in range(150, 256)


def test_the_ratio_stays_under_the_models_limit(load, encode):
    picture = load(encode(Image.new("RGB", (8000, 10)), "PNG"), max_side=8000)
    assert (picture.width, picture.height) == (8000, 80)


def test_a_plain_jpeg_keeps_its_bytes(load, encode, photo):
    for data in (
        encode(photo, "JPEG", quality=77),
        encode(photo, "JPEG", progressive=True),
        encode(photo.convert("L"), "JPEG"),
    ):
        assert load(data).data == data


def test_no_metadata_is_sent(load, encode, photo, in_corpus):
    sent = load(in_corpus("gps.jpg")).data
    assert b"Exif" not in sent
    comment = encode(photo.convert("P"), "GIF", comment=b"private words")
    assert b"private words" not in load(comment).data


def test_a_jpeg_that_only_opens_is_an_error(load, encode, photo):
    data = encode(photo, "JPEG")
    with pytest.raises(PictureError, match="broken JPEG"):
        load(data[: len(data) // 2])


def test_trailing_bytes_are_not_sent(load, in_corpus):
    assert len(load(in_corpus("trailing_100k.jpg")).data) < 220_000


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"<!DOCTYPE html><p>403", "an HTML page, not a picture"),
        (b"<svg xmlns='x'/>", "an SVG drawing"),
        (b"%PDF-1.7", "a PDF file"),
        (b"\0\0\0\x20ftypisom\0\0\0\0", "a video file"),
        (b"", "is empty"),
        (b"\0" * 5000, "no picture of a known format"),
        (b"\x89PNG\r\n\x1a\n", "broken PNG"),
    ],
)
def test_errors_say_what_it_is(load, data, words):
    with pytest.raises(PictureError, match=words) as caught:
        load(data)
    assert caught.value.message.startswith("test picture: ")


def test_heic_without_its_plugin_names_the_cure(load, in_corpus, monkeypatch):
    from dataflow.images.decode import codecs

    monkeypatch.setattr(codecs, "_known", ["JPEG", "PNG"])
    with pytest.raises(PictureError, match=r"pip install 'dataflow-caption\[heif\]'"):
        load(in_corpus("bus_irot_6.heic"))


def test_heic_is_upright_once(load, in_corpus):
    pytest.importorskip("pillow_heif")
    picture = load(in_corpus("bus_irot_6.heic"))
    assert (picture.width, picture.height) == (240, 320)


def test_pixels_are_capped_before_decoding(load, encode):
    data = encode(Image.new("L", (400, 300)), "PNG")
    with pytest.raises(PictureTooLargeError, match="400×300"):
        load(data, max_pixels=119_999)
    load(data, max_pixels=120_000)


def test_memory_is_capped_before_decoding(load, encode):
    data = encode(Image.new("RGB", (1000, 1000)), "WEBP")
    with pytest.raises(PictureTooLargeError, match="MiB to decode"):
        load(data, max_picture_memory=10_000_000)


def test_bytes_are_capped(load, encode, photo, tmp_path):
    data = encode(photo, "BMP")
    (tmp_path / "a.bmp").write_bytes(data)
    for what in (data, tmp_path / "a.bmp"):
        with pytest.raises(PictureTooLargeError, match="MiB, the limit"):
            load(what, max_picture_bytes=100_000)


def test_a_bomb_inside_an_icon_is_not_opened(load, encode):
    inner = encode(Image.new("L", (6000, 6000)), "PNG")
    icon = struct.pack("<HHHBBBBHHII", 0, 1, 1, 0, 0, 0, 0, 1, 8, len(inner), 22) + inner
    with pytest.raises(PictureTooLargeError):
        load(icon)


def test_a_large_file_is_decoded_from_disk(load, pixels, encode, photo, tmp_path, far):
    image = photo.resize((1500, 1200))
    (tmp_path / "a.bmp").write_bytes(encode(image, "BMP"))  # 5.4 MB
    sent = pixels(load(tmp_path / "a.bmp"))
    assert far(sent, photo.resize((1024, 819), Image.Resampling.BICUBIC)) < 3
