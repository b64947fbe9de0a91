"""Identifies a picture without reading it."""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Callable

from dataflow.core.picture import ImageRef
from dataflow.core.text import shown_url
from dataflow.remote.fingerprint import FileFingerprint, file_fingerprint


def identify(
    ref: ImageRef, base: str = "/", note: Callable[[str, FileFingerprint], None] | None = None
) -> str:
    """A text that changes when the picture does; it costs one stat at most.

    A path counts as seen from `base`, with the file's size and time of last change: so a dataset
    that is moved together with `base` keeps its identities, and files of the same name in two
    folders are two. A URL counts by itself; what its query holds goes in as a digest, since it may
    be a secret.

    Args:
        ref: The picture.
        base: An absolute folder.
        note: Called with a path's location and its fingerprint.

    Returns:
        ``"path:<path>:<size>:<mtime in ns>"``, ``"missing:<path>"``, ``"url:<url>"`` or
        ``"blake2b:<digest>"``; valid Unicode.
    """
    if ref.kind == "bytes":
        return f"blake2b:{_digest(ref.data)}"
    if ref.kind == "url":
        plain = shown_url(ref.location)
        if plain == ref.location:
            return f"url:{plain}"
        return f"url:{plain}:{_digest(ref.location.encode('utf-8', 'backslashreplace'))}"
    key = _relative_path(ref.location, base)
    key = key.encode("utf-8", "backslashreplace").decode("utf-8")
    fingerprint = file_fingerprint(ref.location)
    if note is not None:
        note(ref.location, fingerprint)
    size, changed = fingerprint
    return f"missing:{key}" if size is None else f"path:{key}:{size}:{changed}"


def _relative_path(location: str, base: str) -> str:
    """The file's path as seen from `base`, links to its folder resolved; its own name stands."""
    folder, name = os.path.split(location)
    if name in ("", ".", ".."):
        return os.path.relpath(os.path.realpath(location), base)
    # asked only where it matters: it takes a system call, and gives other threads the interpreter
    working = "" if os.path.isabs(folder) else os.getcwd()  # noqa: PTH109, PTH117 - faster
    seen = _folder_seen(folder, base, working)
    return name if seen == "." else f"{seen}/{name}"


@functools.lru_cache(maxsize=1024)
def _folder_seen(folder: str, base: str, working: str) -> str:
    """A folder's path as seen from `base`; a million pictures lie in a few folders."""
    return os.path.relpath(os.path.realpath(os.path.join(working, folder)), base)  # noqa: PTH118


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=20).hexdigest()
