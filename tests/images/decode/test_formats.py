"""What is read, what is said to be unsupported, and what is said to be broken."""

from __future__ import annotations

import struct
import zlib

import pytest
from PIL import Image

from dataflow.core.errors import PictureError
from dataflow.images.decode.sniff import sniff


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


LONG = b"a" * 3_000_000


@pytest.mark.parametrize(
    "text",
    [
        chunk(b"zTXt", b"Comment\0\0" + zlib.compress(LONG)),
        chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(LONG)),
        chunk(b"tEXt", b"Comment\0" + LONG) * 30,
        chunk(b"iCCP", b"big\0\0" + zlib.compress(LONG)),
    ],
    ids=["zTXt", "iTXt", "tEXt", "iCCP"],
)
@pytest.mark.parametrize("behind", [False, True], ids=["before the pixels", "behind them"])
def test_a_png_with_much_metadata_is_read(load, encode, photo, pixels, far, text, behind):
    plain = encode(photo, "PNG")
    at = len(plain) - 12 if behind else 33
    picture = load(plain[:at] + text + plain[at:])
    assert far(pixels(picture), photo) < 4


def test_a_grey_tiff_with_associated_alpha_is_read(load, photo, encode, pixels):
    """Extra sample 1 (TIFF 6.0, section 18): the grey is multiplied by the alpha already."""
    grey = Image.merge("LA", (Image.new("L", (64, 64), 100), Image.new("L", (64, 64), 128)))
    data = bytearray(encode(grey, "TIFF"))
    order = "<" if data[:2] == b"II" else ">"
    count_at = struct.unpack(order + "I", data[4:8])[0]
    for at in range(count_at + 2, len(data) - 12, 12):
        if struct.unpack(order + "H", data[at : at + 2])[0] == 338:
            data[at + 8 : at + 10] = struct.pack(order + "H", 1)
            break
    with Image.open(__import__("io").BytesIO(bytes(data))) as opened:
        mode = opened.mode
    if mode != "La":
        pytest.skip("this Pillow reads it in another way")
    seen = pixels(load(bytes(data))).getpixel((32, 32))
    assert abs(seen[0] - (100 + 127)) <= 6  # 100 of light and 127 of the white behind it


UNSUPPORTED = {
    "JPEG XL": b"\xff\x0a\xfa\x7f\x01\x90\x08",
    "JPEG XL in a container": b"\0\0\0\x0cJXL \r\n\x87\n\0\0\0\x14ftypjxl \0\0\0\0jxl ",
    "a minimised HEIF": b"\0\0\0\x10ftypmif3heic" + bytes(30),
    "a minimised AVIF": b"\0\0\0\x10ftypmif3avif" + bytes(30),
    "Canon raw": b"\0\0\0\x18ftypcrx \0\0\0\x01crx isom" + bytes(30),
    "Fuji raw": b"FUJIFILMCCD-RAW 0201",
    "OpenEXR": b"\x76\x2f\x31\x01\x02\0\0\0",
    "Radiance": b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n",
    "QOI": b"qoif\0\0\0\x10\0\0\0\x10\x04\0",
    "DDS": b"DDS \x7c\0\0\0",
    "JPEG XR": b"II\xbc\x01" + bytes(30),
}


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_formats_that_are_not_read_are_unsupported_not_broken(load, name):
    with pytest.raises(PictureError, match="not supported; convert it") as caught:
        load(UNSUPPORTED[name])
    assert "broken" not in caught.value.message
    assert "video" not in caught.value.message


def test_a_tiff_whose_compression_nobody_knows_is_unsupported(load, encode, photo):
    data = encode(photo, "TIFF")
    entry = struct.pack("<HHI", 259, 3, 1) if data[:2] == b"II" else struct.pack(">HHI", 259, 3, 1)
    at = data.index(entry) + 8
    order = "<" if data[:2] == b"II" else ">"
    data = data[:at] + struct.pack(order + "H", 34712) + data[at + 2 :]
    with pytest.raises(PictureError, match="TIFF of a sort that is not supported"):
        load(data)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF"])
def test_what_is_cut_off_is_broken(load, encode, photo, kind):
    data = encode(photo, kind)
    with pytest.raises(PictureError, match=r"broken|too small|no picture") as caught:
        load(data[: len(data) // 3])
    assert "not supported" not in caught.value.message


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom", "a video file"),
        (b"\0\0\0\x14ftypqt  \0\0\0\0qt  ", "a video file"),
        (b"\0\0\0\x14ftypM4V \0\0\0\0M4V ", "a video file"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
        (b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf", "AVIF"),
        (b"\0\0\0\x1cftypmsf1\0\0\0\0msf1hevcavis", "AVIF"),
        (b"\0\0\0\x14ftypwhat\0\0\0\0what", "a media file of an unknown kind"),
        (b"8BPS\0\1", "PSD"),
    ],
)
def test_kinds_by_their_first_bytes(head, kind):
    assert sniff(head) == kind
