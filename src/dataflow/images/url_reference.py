"""A URL in a dataset → the picture it stands for, or why it stands for none."""

from __future__ import annotations

import os
import re
from urllib.parse import unquote, urlsplit

from dataflow.core.errors import BadRowError, PictureForbiddenError
from dataflow.core.picture import ImageRef
from dataflow.core.text import short_text, shown_url
from dataflow.remote.path import RemotePath

FETCHED = ("http", "https", "s3", "gs", "gcs", "hf")
"""The schemes of URLs that are fetched."""

_SCHEME = re.compile(r"\s*([A-Za-z][A-Za-z0-9+.-]*)://")
_BARE = {  # schemes without "//" → what such a text is
    "file": "",
    "ftp": "",
    "ftps": "",
    "sftp": "",
    "javascript": "is a script",
    "blob": "is a name inside one browser, which no other program can open",
    "mailto": "is a mail address",
    "tel": "is a telephone number",
    "cid": "is a part of a mail",
    "about": "is a browser's own page",
    "urn": "is a name, not an address",
}
_BARE_SCHEME = re.compile(rf"\s*({'|'.join(_BARE)}):", re.IGNORECASE)
_DRIVE = re.compile(r"/[A-Za-z]:[/\\]")  # of Windows, behind the slash that every file: URL has
_WITHOUT_SCHEME = re.compile(
    r"(?://(?:[\w-]+\.)+[\w-]+(?::\d+)?/|//localhost(?::\d+)?/|www\.[\w-]+\.)", re.IGNORECASE
)


def is_url(text: str) -> bool:
    """Whether `text` begins with the scheme of a URL."""
    return _SCHEME.match(text) is not None or _BARE_SCHEME.match(text) is not None


def lacks_scheme(text: str) -> bool:
    """Whether `text` is a URL but for its scheme: ``//host.example/a.jpg``, ``www.example.org``."""
    return _WITHOUT_SCHEME.match(text) is not None


def local_path(url: str) -> str | None:
    """The path that a ``file:`` URL names on this machine; None for any other URL.

    Format: RFC 8089, ``file:///path``, ``file://localhost/path`` and ``file:/path``; of Windows
    ``file:///C:/path``.

    Raises:
        PictureForbiddenError: it names another machine.
    """
    if url[:5].lower() != "file:":
        return None
    path = url[5:]
    if path.startswith("//"):
        host, slash, path = path[2:].partition("/")
        if host.lower() not in {"", "localhost"}:
            raise PictureForbiddenError(f"{shown_url(url)}: is a file of another machine")
        path = slash + path
    path = unquote(path, errors="surrogateescape")
    if _DRIVE.match(path):
        path = path[1:]
    return os.fsdecode(path.encode("utf-8", "surrogateescape"))


def parse_url(url: str) -> ImageRef:
    """The picture behind `url`, which is not a ``file:`` URL.

    Raises:
        BadRowError: it is broken, or names no file.
        PictureForbiddenError: its scheme is not fetched, or it holds a password.
    """
    word = url.partition(":")[0].lower()
    if word not in FETCHED:
        what = _BARE.get(word) or f"{short_text(word, 40)}: is not fetched"
        raise PictureForbiddenError(
            f"{shown_url(url)}: {what}; a picture's URL begins with {', '.join(FETCHED)}"
        )
    if word not in ("http", "https"):
        path = RemotePath(url)
        if not path.scheme or "\0" in url or path.parent == path:
            raise BadRowError(f"{short_text(url)}: names no file of a bucket")
        return ImageRef("url", short_text(url), url)
    name = shown_url(url)
    try:
        parts = urlsplit(url)
        valid = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        valid = False
    if not valid or any(ord(character) < 32 for character in url):
        raise BadRowError(f"{name}: is no valid URL")
    if "@" in parts.netloc:
        raise PictureForbiddenError(f"{name}: the URL holds a user name or a password")
    return ImageRef("url", name, url.partition("#")[0])
