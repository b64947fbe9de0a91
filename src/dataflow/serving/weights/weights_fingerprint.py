"""Which weights these are, by what they hold: the same wherever they lie and however they came.

A file counts by its size and by samples of its bytes; a small file by all of them. What was read is
kept in the user's cache by path, size and time of change, so that it costs nothing again.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Iterable
from hashlib import blake2b
from pathlib import Path
from typing import BinaryIO

WHOLE_BYTES = 64 * 2**20
"""A file up to this size is read whole."""

SAMPLES, SAMPLE_BYTES = 64, 64 * 2**10
"""Of a larger file, so many samples of so many bytes are read, evenly apart, both ends included."""

_MOST_KEPT = 2000


def weights_fingerprint(files: Iterable[Path]) -> str:
    """One digest of the contents of `files`, whatever they are called and wherever they lie.

    Raises:
        OSError: a file cannot be read.
    """
    kept = _read_kept()
    before = len(kept)
    digests = []
    for file in files:
        real = file.resolve()
        found = real.stat()
        place = f"{real}|{found.st_size}|{found.st_mtime_ns}"
        if place not in kept:
            kept[place] = _file_digest(real, found.st_size)
        digests.append(kept[place])
    if len(kept) != before:
        _keep(kept)
    return blake2b("\n".join(sorted(digests)).encode(), digest_size=16).hexdigest()


def _file_digest(file: Path, size: int) -> str:
    digest = blake2b(str(size).encode(), digest_size=16)
    with file.open("rb") as opened:
        for start, length in _parts(size):
            _read_into(digest, opened, start, length)
    return digest.hexdigest()


def _parts(size: int) -> list[tuple[int, int]]:
    if size <= WHOLE_BYTES:
        return [(0, size)]
    step = (size - SAMPLE_BYTES) / (SAMPLES - 1)
    return [(round(i * step), SAMPLE_BYTES) for i in range(SAMPLES)]


def _read_into(digest: blake2b, opened: BinaryIO, start: int, length: int) -> None:
    opened.seek(start)
    while length > 0 and (data := opened.read(min(length, 2**20))):
        digest.update(data)
        length -= len(data)


def _kept_file() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base, "dataflow", "weights.json")


def _read_kept() -> dict[str, str]:
    try:
        kept = json.loads(_kept_file().read_text("utf-8"))
    except (OSError, ValueError, RuntimeError):
        return {}
    is_ours = isinstance(kept, dict) and all(isinstance(v, str) for v in kept.values())
    return kept if is_ours else {}


def _keep(kept: dict[str, str]) -> None:
    newest = dict(list(kept.items())[-_MOST_KEPT:])
    with contextlib.suppress(OSError, RuntimeError, UnicodeError):  # only a shortcut
        file = _kept_file()
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=file.parent, delete=False) as written:
            json.dump(newest, written)
        os.replace(written.name, file)  # noqa: PTH105 - a plain rename
