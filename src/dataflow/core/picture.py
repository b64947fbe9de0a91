"""A picture, before it is loaded (`ImageRef`) and after (`Picture`)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


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
    """

    data: bytes = field(repr=False)
    media_type: str
    width: int
    height: int
