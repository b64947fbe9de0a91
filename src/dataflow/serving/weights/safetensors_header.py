"""What a safetensors file says of itself: its tensors, and how long it must be.

The format: eight bytes with the header's length (little endian), the header as JSON, then the data
(https://huggingface.co/docs/safetensors/index#format).
"""

from __future__ import annotations

import json
import struct
from pathlib import Path

LONGEST_HEADER = 100_000_000
"""Bytes; the format's own library takes no longer one."""


def check_safetensors(file: Path) -> None:
    """Make sure that `file` is whole, by its header alone.

    Raises:
        ValueError: it is not; the message says how.
        OSError: it cannot be read.
    """
    size = file.stat().st_size
    with file.open("rb") as opened:
        start = opened.read(8)
        if len(start) < 8:
            raise ValueError(f"it has {size} bytes, which is no safetensors file")
        (length,) = struct.unpack("<Q", start)
        if length > LONGEST_HEADER:
            raise ValueError("it does not begin as a safetensors file does")
        if 8 + length > size:
            raise ValueError(f"it ends within its header: it has {size:,} bytes")
        try:
            header = json.loads(opened.read(length))
            ends = [
                tensor["data_offsets"][1]
                for name, tensor in header.items()
                if name != "__metadata__"
            ]
        except (ValueError, KeyError, TypeError, AttributeError, IndexError):
            raise ValueError("its header cannot be read") from None
    whole = 8 + length + max(ends, default=0)
    if size < whole:
        raise ValueError(f"it has {size:,} of {whole:,} bytes")
