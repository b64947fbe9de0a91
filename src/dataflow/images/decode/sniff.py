"""What a file is, by its first bytes; its name says little."""

from __future__ import annotations

import re

PICTURES = frozenset(
    {"JPEG", "PNG", "GIF", "WebP", "BMP", "TIFF", "AVIF", "HEIC", "JPEG 2000", "PSD"}
)
"""The kinds that are read; base64 text in a dataset may hold them."""

_MINIMISED = "a minimised HEIF"
UNSUPPORTED = frozenset(
    {
        "JPEG XL", _MINIMISED, "a camera's raw picture", "JPEG XR", "OpenEXR",
        "Radiance HDR", "QOI", "DDS", "a Windows metafile", "ICNS", "JBIG2", "DjVu", "FLIF",
        "BPG", "GIMP's XCF",
    }
)  # fmt: skip
"""Pictures of formats that are not read."""

_PREFIXES = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"8BPS", "PSD"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
    (b"II\xbc\x01", "JPEG XR"),
    (b"FUJIFILMCCD-RAW", "a camera's raw picture"),
    (b"IIRO", "a camera's raw picture"),
    (b"IIRS", "a camera's raw picture"),
    (b"MMOR", "a camera's raw picture"),
    (b"IIU\0", "a camera's raw picture"),
    (b"II\x1a\0\0\0HEAPCCDR", "a camera's raw picture"),
    (b"\0MRM", "a camera's raw picture"),
    (b"FOVb", "a camera's raw picture"),
    (b"\x76\x2f\x31\x01", "OpenEXR"),
    (b"#?RADIANCE", "Radiance HDR"),
    (b"qoif", "QOI"),
    (b"DDS ", "DDS"),
    (b"\xd7\xcd\xc6\x9a", "a Windows metafile"),
    (b"icns", "ICNS"),
    (b"\x97JB2\r\n\x1a\n", "JBIG2"),
    (b"AT&TFORM", "DjVu"),
    (b"FLIF", "FLIF"),
    (b"BPG\xfb", "BPG"),
    (b"gimp xcf", "GIMP's XCF"),
    (b"version https://git-lfs", "a Git LFS pointer (run: git lfs pull)"),
    (b"%PDF-", "a PDF file"),
    (b"\x1f\x8b", "a gzip file"),
    (b"PK\x03\x04", "a zip file"),
    (b"%!PS", "a PostScript file"),
)
_BRANDS = {  # ISO/IEC 23008-12 annex B, AV1 Image File Format section 8
    b"avif": "AVIF",
    b"avis": "AVIF",
    b"heic": "HEIC",
    b"heix": "HEIC",
    b"heim": "HEIC",
    b"heis": "HEIC",
    b"hevc": "HEIC",
    b"mif1": "HEIC",
    b"msf1": "HEIC",
    b"mif3": _MINIMISED,
    b"jxl ": "JPEG XL",
    b"crx ": "a camera's raw picture",
}
_VIDEO = re.compile(rb"isom|iso[2-9]|mp4[12]|mp71|qt  |M4V |M4A |avc1|dash|3g[ep2]|f4v |MSNV|mmp4")


def sniff(head: bytes) -> str:
    """The kind of file that begins with `head` (32 bytes are enough; 512 tell texts apart).

    Returns:
        A word for messages such as ``"JPEG"``, ``"an HTML page"``, or empty where it is not known.
    """
    for prefix, kind in _PREFIXES:
        if head.startswith(prefix):
            return kind
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WebP"
    if head[:2] == b"BM" and head[6:10] == b"\0\0\0\0":
        return "BMP"
    if head[4:8] == b"ftyp":
        return _iso_kind(head)
    return _text_kind(head)


def _iso_kind(head: bytes) -> str:
    end = min(int.from_bytes(head[:4], "big"), len(head), 128)
    brands = [head[8:12], *(head[at : at + 4] for at in range(16, max(end, 32), 4))]
    kinds = [_BRANDS[brand] for brand in brands if brand in _BRANDS]
    if "AVIF" in kinds and kinds[0] != _MINIMISED:
        return "AVIF"
    if kinds:
        return kinds[0]
    if any(_VIDEO.match(brand) for brand in brands):
        return "a video file"
    return "a media file of an unknown kind"


def _text_kind(head: bytes) -> str:
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith((b"<!doctype html", b"<html")):
        return "an HTML page"
    if text.startswith(b"<svg") or (text.startswith(b"<?xml") and b"<svg" in text):
        return "an SVG drawing"
    return ""
