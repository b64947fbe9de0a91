"""What is read, what is said to be unsupported, and what is said to be broken."""

from __future__ import annotations

import os
import struct
import zlib

import pytest
from PIL import Image

from dataflow.core.errors import PictureError
from dataflow.formats.registry import open_reader
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
    "a minimised AVIF with brands": b"\0\0\0\x14ftypmif3\0\0\0\0avif" + bytes(60),
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


@pytest.mark.parametrize(("bits", "mode"), [(16, 3), (32, 3), (1, 3)])
def test_a_psd_of_another_sort_is_unsupported(load, bits, mode):
    head = b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", 3, 40, 40, bits, mode)
    with pytest.raises(PictureError, match="not supported"):
        load(head + bytes(60))


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


def icon(encode, *, is_cursor, **options):
    """An icon of a red square in a transparent frame, as Windows has cursors and icons."""
    image = Image.new("RGBA", (32, 32), (0, 0, 0, 0))
    image.paste((200, 30, 30, 255), (8, 8, 24, 24))
    data = bytearray(encode(image, "ICO", sizes=[(32, 32)], **options))
    if is_cursor:
        data[2], data[10:14] = 2, struct.pack("<HH", 12, 32)  # where it points
    else:
        data[10:14] = bytes(4)  # planes and bits that nobody filled in
    return bytes(data)


@pytest.mark.parametrize("is_cursor", [True, False])
@pytest.mark.parametrize("form", ["bmp", "png"])
def test_cursors_and_icons_are_read(load, encode, pixels, is_cursor, form):
    seen = pixels(load(icon(encode, is_cursor=is_cursor, bitmap_format=form)))
    assert seen.getpixel((16, 16)) == (200, 30, 30)
    assert seen.getpixel((1, 1)) == (255, 255, 255)


@pytest.mark.parametrize("cut", [4, 6, 20, 30, 60])
@pytest.mark.parametrize("count", [1, 9, 65535])
def test_a_broken_cursor_is_a_broken_picture(load, encode, cut, count):
    data = bytearray(icon(encode, is_cursor=True, bitmap_format="bmp"))
    data[4:6] = count.to_bytes(2, "little")
    with pytest.raises(PictureError):
        load(bytes(data[:cut]))


def test_a_pointer_of_git_lfs_is_told_its_cure(load):
    with pytest.raises(PictureError, match=r"Git LFS pointer .*git lfs pull"):
        load(b"version https://git-lfs.github.com/spec/v1\noid sha256:aa\nsize 9\n")


ENDINGS = {
    "hif": "HEIF", "heic": "HEIF", "mpo": "MPO", "cur": "ICO", "avifs": "AVIF", "jpf": "JPEG2000",
    "jpx": "JPEG2000", "j2c": "JPEG2000", "jpc": "JPEG2000", "j2k": "JPEG2000", "jfif": "JPEG",
    "apng": "PNG", "dib": "BMP", "tga": "TGA", "pgm": "PPM",
}  # fmt: skip


@pytest.mark.parametrize("name", [f"x.{ending}" for ending in ENDINGS])
@pytest.mark.parametrize("shape", ["folder", "pattern", "dataset"])
def test_a_picture_of_each_ending_is_taken_and_read(tmp_path, load, encode, photo, name, shape):
    ending = name[2:]
    if ENDINGS[ending] == "HEIF":
        pytest.importorskip("pillow_heif").register_heif_opener()
    options = {"no_jp2": True} if ending in ("j2c", "jpc", "j2k") else {}
    if ENDINGS[ending] == "AVIF":
        options = {"save_all": True, "append_images": [photo]}
    data = encode(photo, ENDINGS[ending], **options)
    (tmp_path / name).write_bytes(b"\0\0\2" + data[3:] if ending == "cur" else data)
    (tmp_path / "in.csv").write_text(f"image\n{name}\n")
    source = {"folder": "", "pattern": f"*.{ending}", "dataset": "in.csv"}[shape]
    if shape == "folder":
        (tmp_path / "in.csv").unlink()
    reader = open_reader(str(tmp_path / source) if source else tmp_path)
    [row] = reader.rows()
    assert load(tmp_path / os.path.basename(row.fields["image"])).width > 30
