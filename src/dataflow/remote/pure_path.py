"""The name of a file or folder at a URL: what can be known of it without asking anybody."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

if TYPE_CHECKING:
    from typing_extensions import Self

_SCHEME = re.compile(r"(s3|gs|gcs|hf|https?)://(?=[^/])", re.IGNORECASE)
_ANY_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
OBJECT_STORES = ("s3", "gs")
"""Schemes at which a name may hold anything, also an empty part."""

_HF_KINDS = ("datasets", "spaces", "buckets")  # before owner and name; a model has none
_USER = re.compile(r"(?<=://)[^/]*@")


def scheme_of(name: str) -> str | None:
    """``"s3"``, ``"gs"``, ``"hf"`` or ``"http"`` where `name` is a URL of such; else None."""
    found = _SCHEME.match(name)
    if found is None:
        return None
    scheme = found[1].lower()
    return {"gcs": "gs", "https": "http"}.get(scheme, scheme)


def is_remote(name: str) -> bool:
    """Whether `name` is a URL at which datasets and pictures can be."""
    return scheme_of(name) is not None


def is_url(name: str) -> bool:
    """Whether `name` is a URL of any kind, also one at which nothing can be had."""
    return _ANY_SCHEME.match(name) is not None


def server_of(name: str) -> tuple[str, int] | None:
    """Host and port of the web server at which the URL `name` is; None for anything else."""
    if scheme_of(name) != "http":
        return None
    parts = urlsplit(name)
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


class PureRemotePath:
    """A file or folder at a URL, with those parts of a `pathlib.PurePath` that datasets need.

    As text it has no query and no password, which may be secrets.

    Args:
        url: ``s3://bucket/key``, ``gs://bucket/key``, ``hf://datasets/owner/name/path`` or http(s).

    Attributes:
        url: The same, without slashes at its end.
        scheme: See `scheme_of`.
    """

    __slots__ = ("scheme", "url")

    def __init__(self, url: str) -> None:
        self.scheme = scheme_of(url) or ""
        start, mark, below = url.partition("://")
        url = start.lower() + mark + below
        self.url = url if self.scheme == "http" else url.rstrip("/")

    def __fspath__(self) -> str:
        return _USER.sub("", self._plain)

    __str__ = __fspath__

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PureRemotePath) and other.url == self.url

    def __hash__(self) -> int:
        return hash(self.url)

    def __lt__(self, other: PureRemotePath) -> bool:
        return self.url < other.url

    def __truediv__(self, path: str) -> Self:
        return self.joined(path) or self

    @property
    def _plain(self) -> str:
        """The URL without query and fragment; in an object store, both are part of the name."""
        return re.split(r"[?#]", self.url, maxsplit=1)[0] if self.scheme == "http" else self.url

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self._plain.rstrip("/").rpartition("/")[2]

    @property
    def suffix(self) -> str:
        """The last ending of the name, with its dot."""
        return PurePosixPath(self.name).suffix

    @property
    def stem(self) -> str:
        """The name without its last ending."""
        return PurePosixPath(self.name).stem

    @property
    def without_empty_parts(self) -> Self:
        """The same with one slash wherever there are several."""
        start, mark, below = self.url.partition("://")
        return type(self)(start + mark + re.sub(r"/{2,}", "/", below))

    @property
    def parent(self) -> Self:
        """The folder; a bucket's is itself."""
        head, _, _ = self._plain.rstrip("/").rpartition("/")
        return self if head.endswith(":/") else type(self)(head)

    def with_name(self, name: str) -> Self:
        """What is called `name` in the same folder."""
        head, _, _ = self.url.rpartition("/")
        if self.scheme in OBJECT_STORES and head.endswith("/") and not head.endswith(":/"):
            return type(self)(f"{head}/{name}")
        return self.parent / name

    def with_suffix(self, suffix: str) -> Self:
        """The same with another last ending."""
        return self.with_name(self.stem + suffix)

    def joined(self, path: str) -> Self | None:
        """The file at `path` seen from this folder, ``.`` and ``..`` resolved.

        In an object store a name is a name: an empty part of it (``a//b.jpg``) stays.

        Returns:
            None where the path leads out of the bucket, the repository or the server.
        """
        start, _, below = self._plain.rstrip("/").partition("://")
        parts = below.split("/")
        roots = 1 if self.scheme != "hf" else 3 if parts[0] in _HF_KINDS else 2
        root, folders = parts[:roots], parts[roots:]
        names = path.split("/")
        for number, part in enumerate(names):
            is_inside = self.scheme in OBJECT_STORES and 0 < number < len(names) - 1
            if part == ".." and not folders:
                return None
            if part == "..":
                folders.pop()
            elif part not in ("", ".") or (part == "" and is_inside):
                folders.append(quote(part) if self.scheme == "http" else part)
        return type(self)(f"{start}://{'/'.join((*root, *folders))}")
