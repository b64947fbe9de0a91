"""How much one picture may cost, and how large it is sent."""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass, fields
from typing import TypeAlias

from dataflow.core.errors import UsageError
from dataflow.core.settings import ANY_TEXT, FROM_1, PATH, SECONDS, TEXT, take_all, whole_number

MIB = 1024 * 1024

SHARED_MEMORY = 512 * MIB
"""Bytes that all decodes together hold at most; a picture that needs more is decoded alone."""

Network: TypeAlias = "ipaddress.IPv4Network | ipaddress.IPv6Network"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits on pictures; the defaults hold a whole process under 700 MB with ordinary ones.

    Attributes:
        max_side: Pixels of the longer side that is sent; larger pictures are shrunk. 1024 keeps
            what captioning models look at (most scale to about one megapixel) and 1-2 thousand
            vision tokens.
        max_pixels: Width × height of the pixels that are decoded. A JPEG counts by the size it is
            decoded at, which may be an eighth of each side. 220 million passes the 200-megapixel
            pictures of phones; what a picture may really cost is bounded by `max_picture_memory`.
        max_picture_bytes: Size of the encoded picture, on disk or over the network.
        max_picture_memory: Bytes that the decode of one picture may take, as estimated before it.
            All together share 512 MiB; a picture that needs more is decoded alone. 2 GiB hold
            126 MP of WebP, 153 of AVIF, 220 of HEIC and PNG, 85 of JPEG 2000.
        max_seconds: Reading and decoding one picture, without the time it waits for its turn; one
            that takes over 256 MiB of memory has more time in proportion.
        fetch_seconds: Fetching one URL, with its redirects, without the time it waits for its host.
        max_redirects: Redirects of one URL.
        max_connections: URLs fetched at once.
        picture_connections: Of these, from one host.
        user_agent: How picture hosts are told who asks; None for the name of this program and
            where to find it. Some hosts want an address to write to.
        allow_private_urls: Whether URLs may lead to loopback and private addresses: no, yes, or
            into these networks (``"10.0.0.0/8, fd00::/8"``). Link-local addresses, where clouds
            hand out credentials, stay shut.
        trusted_server: Host and port of a web server that is the user's own word, not the data's:
            it may have a private address.
        image_root: Folder that paths may not leave, links and ``..`` resolved; None for anywhere.
        threads: Decoding threads; None for one per CPU.
        image_cache: Folder that keeps what was fetched from URLs, for later runs; None for none.
        image_cache_max: Bytes that it may hold; the pictures that were not used for longest go.
        jpeg_quality: Quality of the JPEG that is sent, 1-95 (Pillow's scale).

    Raises:
        UsageError: a value cannot be used.
    """

    max_side: int = 1024
    max_pixels: int = 220_000_000
    max_picture_bytes: int = 256 * MIB
    max_picture_memory: int = 2048 * MIB
    max_seconds: float = 20.0
    fetch_seconds: float = 30.0
    max_redirects: int = 5
    max_connections: int = 64
    picture_connections: int = 4
    user_agent: str | None = None
    allow_private_urls: bool | str = False
    trusted_server: tuple[str, int] | None = None
    image_root: str | None = None
    threads: int | None = None
    image_cache: str | None = None
    image_cache_max: int = 10_000_000_000
    jpeg_quality: int = 90

    def __post_init__(self) -> None:
        given = {one.name: getattr(self, one.name) for one in fields(self)}
        for name, value in take_all(given, _RULES).items():
            is_folder = name in ("image_root", "image_cache") and value is not None
            value = os.path.expanduser(value) if is_folder else value  # noqa: PTH111
            object.__setattr__(self, name, value)
        if self.user_agent is not None and not (
            self.user_agent.strip() and self.user_agent.isascii() and self.user_agent.isprintable()
        ):
            raise UsageError("user_agent must be printable ASCII text, and not empty")
        private_networks(self.allow_private_urls)


_WHOLE = ("max_side", "max_pixels", "max_picture_bytes", "max_picture_memory", "max_connections")
_RULES = {
    **dict.fromkeys((*_WHOLE, "picture_connections", "image_cache_max"), FROM_1),
    **dict.fromkeys(("max_seconds", "fetch_seconds"), SECONDS),
    "max_redirects": whole_number(0),
    "user_agent": ANY_TEXT.or_none(),
    "image_root": PATH.or_none(),
    "threads": FROM_1.or_none(),
    "image_cache": PATH.or_none(),
    "jpeg_quality": whole_number(1, 95),
}


def private_networks(value: bool | str) -> list[Network]:
    """The networks that `Limits.allow_private_urls` names; none for True and False.

    Raises:
        UsageError: the text is no list of networks.
    """
    if isinstance(value, bool):
        return []
    TEXT.take("allow_private_urls", value)
    try:
        networks = [ipaddress.ip_network(part.strip()) for part in value.split(",")]
    except ValueError as error:
        raise UsageError(
            f"allow_private_urls takes networks such as 10.0.0.0/8, separated by commas: {error}"
        ) from None
    return networks
