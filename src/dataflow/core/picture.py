"""A picture, before it is loaded (`ImageRef`) and after (`Picture`), and where turns hold some."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import Any, Literal

DIGEST_BYTES = 16
"""Bytes of a picture's digest."""


@dataclass(frozen=True, slots=True)
class ImageRef:
    """Where a picture is.

    Attributes:
        kind: ``"path"`` (a file), ``"url"`` (http or https) or ``"bytes"`` (an encoded picture).
        name: The reference as it stands in the data, shortened, fit for messages; never base64.
        location: The file's path to open, or the URL; empty for bytes.
        data: The encoded picture for kind ``"bytes"``, else empty; never shown.
    """

    kind: Literal["path", "url", "bytes"]
    name: str
    location: str = ""
    data: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that is safe to send.

    Attributes:
        data: The encoded picture, upright, within the limits; never shown.
        media_type: ``"image/jpeg"`` or ``"image/png"``.
        width: Pixels.
        height: Pixels.
        digest: BLAKE2b of `data`, in `DIGEST_BYTES`; the loader adds it.
    """

    data: bytes = field(repr=False)
    media_type: str
    width: int
    height: int
    digest: bytes = field(default=b"", repr=False, compare=False)

    def digested(self) -> Picture:
        """This picture with its digest."""
        if self.digest:
            return self
        return replace(self, digest=blake2b(self.data, digest_size=DIGEST_BYTES).digest())


# OpenAI's fine-tuning files and Qwen's hold no column of pictures: a turn's content is a list of
# parts, some of which are pictures.
PICTURE_PARTS = ("image", "image_url", "input_image")
"""The types of the parts that are pictures, in OpenAI's protocols and in chat templates."""

_USERS = ("user", "human")
_VALUES = ("image", "image_url", "url", "path", "bytes")


def is_turn(value: object) -> bool:
    """Whether `value` is a turn of a conversation: an object that says whose it is."""
    return isinstance(value, Mapping) and bool({"from", "role"} & value.keys())


def turn_pictures(turns: Sequence[Any]) -> list[Any]:
    """What the picture parts of a person's turns hold, in order; each may be a path, URL or object.

    Args:
        turns: A conversation. A part that only marks where a picture goes holds none.
    """
    return [
        part[name]
        for turn in turns
        if is_turn(turn) and _is_user(turn)
        for part in _parts(turn)
        for name in _VALUES
        if part.get(name) is not None
    ]


def _is_user(turn: Mapping[str, Any]) -> bool:
    name = turn.get("from", turn.get("role"))
    return isinstance(name, str) and name.strip().lower() in _USERS


def _parts(turn: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    content = turn.get("value", turn.get("content"))
    content = content.tolist() if hasattr(content, "tolist") else content
    parts = content if isinstance(content, (list, tuple)) else ()
    return [p for p in parts if isinstance(p, Mapping) and p.get("type") in PICTURE_PARTS]
