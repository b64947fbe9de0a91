"""What a GGUF file says of itself: what it is, and whether it is whole.

The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

MAGIC = b"GGUF"
PROJECTOR = "clip"
"""The architecture of a file that turns pictures into what a text model reads."""

_STRING, _ARRAY = 8, 9
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q",
            12: "d"}  # fmt: skip
_LONGEST_TEXT = 2**24
_MOST_ITEMS = 2**28
# ggml type → values in a block, bytes of a block (ggml/src/ggml.c, `type_traits`)
_BLOCKS = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34),
    10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210),
    24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8), 28: (1, 8), 30: (1, 2),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class GgufHeader:
    """The header of a GGUF file.

    Attributes:
        values: Its metadata; arrays are left out.
        bytes: How long the file must be at least.
    """

    values: Mapping[str, Any]
    bytes: int

    @property
    def architecture(self) -> str:
        """The model's family, such as ``"qwen2vl"``; ``"clip"`` for a picture projector."""
        return str(self.values.get("general.architecture", ""))

    @property
    def is_projector(self) -> bool:
        """Whether it is a picture projector and no model."""
        return self.architecture == PROJECTOR

    def number(self, name: str) -> int | None:
        """A whole number of the model's family, such as ``"context_length"``."""
        value = self.values.get(f"{self.architecture}.{name}")
        return value if isinstance(value, int) else None


def read_gguf(file: Path) -> GgufHeader:
    """The header of `file`.

    Raises:
        ValueError: it is no GGUF file, or ends within its header.
        OSError: it cannot be read.
    """
    with file.open("rb") as opened:
        start = opened.read(4)
        if start != MAGIC:
            raise ValueError(f"it is no GGUF file (it begins with {start!r})")
        try:
            return _read(opened)
        except (struct.error, EOFError, UnicodeDecodeError, OverflowError):
            raise ValueError("it ends within its header, or is broken") from None


def _read(opened: BinaryIO) -> GgufHeader:
    version, tensors, pairs = _unpack(opened, "IQQ")
    if version not in (2, 3) or tensors > _MOST_ITEMS or pairs > _MOST_ITEMS:
        raise ValueError(f"its version {version} is unknown, or it is broken")
    values: dict[str, Any] = {}
    for _ in range(pairs):
        name = _text(opened)
        (kind,) = _unpack(opened, "I")
        value = _value(opened, kind)
        if kind != _ARRAY:
            values[name] = value
    end = 0
    for _ in range(tensors):
        _text(opened)
        (dimensions,) = _unpack(opened, "I")
        shape = _unpack(opened, f"{min(dimensions, 8)}Q")
        kind, offset = _unpack(opened, "IQ")
        end = max(end, offset + _tensor_bytes(kind, shape))
    alignment = values.get("general.alignment", 32)
    alignment = alignment if isinstance(alignment, int) and alignment > 0 else 32
    data = -(-opened.tell() // alignment) * alignment
    return GgufHeader(values, data + end)


def _tensor_bytes(kind: int, shape: tuple[int, ...]) -> int:
    """Bytes of a tensor; 1 where its type is none that is known here."""
    count = 1
    for length in shape:
        count *= length
    values, size = _BLOCKS.get(kind, (max(count, 1), 1))
    return count // values * size


def _value(opened: BinaryIO, kind: int) -> Any:
    if kind == _STRING:
        return _text(opened)
    if kind == _ARRAY:
        inner, count = _unpack(opened, "IQ")
        if count > _MOST_ITEMS:
            raise EOFError
        if inner in _SCALARS:
            _skip(opened, count * struct.calcsize("<" + _SCALARS[inner]))
        else:
            for _ in range(count):
                _skip_value(opened, inner)
        return None
    if kind not in _SCALARS:
        raise EOFError
    return _unpack(opened, _SCALARS[kind])[0]


def _skip_value(opened: BinaryIO, kind: int) -> None:
    if kind == _STRING:
        _skip(opened, _unpack(opened, "Q")[0])
    else:
        _value(opened, kind)


def _text(opened: BinaryIO) -> str:
    (length,) = _unpack(opened, "Q")
    if length > _LONGEST_TEXT:
        raise EOFError
    data = opened.read(length)
    if len(data) < length:
        raise EOFError
    return data.decode("utf-8", "replace")


def _skip(opened: BinaryIO, count: int) -> None:
    if count > 2**40:
        raise EOFError
    opened.seek(count, 1)


def _unpack(opened: BinaryIO, layout: str) -> tuple[Any, ...]:
    layout = "<" + layout
    return struct.unpack(layout, opened.read(struct.calcsize(layout)))
