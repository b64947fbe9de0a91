"""What a file is, by its first bytes; its name says little."""

from __future__ import annotations

PICTURES = frozenset({"JPEG", "PNG", "GIF", "WebP", "BMP", "TIFF", "AVIF", "HEIC", "JPEG 2000"})
"""The kinds that base64 text in a dataset may hold."""

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
}


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
    brands = [head[8:12], *(head[at : at + 4] for at in range(16, 32, 4))]
    kinds = [_BRANDS[brand] for brand in brands if brand in _BRANDS]
    if "AVIF" in kinds:
        return "AVIF"
    return kinds[0] if kinds else "a video file"


def _text_kind(head: bytes) -> str:
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith((b"<!doctype html", b"<html")):
        return "an HTML page"
    if text.startswith(b"<svg") or (text.startswith(b"<?xml") and b"<svg" in text):
        return "an SVG drawing"
    return ""
