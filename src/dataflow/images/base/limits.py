"""How much one picture may cost, and how large it is sent."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits on pictures; the defaults hold a whole process under 700 MB.

    Attributes:
        max_side: Pixels of the longer side that is sent; larger pictures are shrunk. 1024 keeps
            what captioning models look at (most scale to about one megapixel) and 1-2 thousand
            vision tokens.
        max_pixels: Width × height that is decoded at all. 100 million passes every camera on sale
            up to the 100 MP medium format, and refuses the bombs, which begin there.
        max_bytes: Size of the encoded picture, on disk or over the network.
        max_memory: Bytes that all decodes together may hold at once, as estimated before each;
            a picture that alone needs more is too large. 512 MiB holds 100 MP of PNG or JPEG, 78 of
            TIFF, 52 of HEIC, 33 of AVIF, 27 of WebP, 19 of JPEG 2000.
        max_seconds: Reading and decoding one picture, without the time it waits for its turn.
        fetch_seconds: Fetching one URL, with its redirects and its second attempt.
        max_redirects: Redirects of one URL.
        max_connections: URLs fetched at once.
        allow_private_urls: Whether URLs may lead to loopback, private and link-local addresses.
        trusted_server: Host and port of a web server that is the user's own word, not the data's:
            it may have a private address.
        image_root: Folder that paths may not leave, links and ``..`` resolved; None for anywhere.
        threads: Decoding threads; None for one per CPU.
        image_cache: Folder that keeps what was fetched from URLs, for later runs; None for none.
        image_cache_max: Bytes that it may hold; the pictures that were not used for longest go.
        jpeg_quality: Quality of the JPEG that is sent, 1-95 (Pillow's scale).
    """

    max_side: int = 1024
    max_pixels: int = 100_000_000
    max_bytes: int = 64 * MIB
    max_memory: int = 512 * MIB
    max_seconds: float = 20.0
    fetch_seconds: float = 30.0
    max_redirects: int = 5
    max_connections: int = 32
    allow_private_urls: bool = False
    trusted_server: tuple[str, int] | None = None
    image_root: str | None = None
    threads: int | None = None
    image_cache: str | None = None
    image_cache_max: int = 10_000_000_000
    jpeg_quality: int = 90
