"""A size as people write it, ``500MB``, as bytes."""

from __future__ import annotations

import re

from dataflow.core.errors import UsageError

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?i?)B", re.IGNORECASE)
_UNITS = {
    "": 1,
    **{letter: 1000**power for power, letter in enumerate("kmgt", 1)},
    **{f"{letter}i": 1024**power for power, letter in enumerate("kmgt", 1)},
}
"""SI's and IEC's prefixes (IEC 80000-13): a kB is 1000 bytes, a KiB 1024."""


def bytes_of(text: str, option: str) -> int:
    """The bytes that `text` means.

    Args:
        text: A number and its unit: B, kB, MB, GB, TB, or KiB, MiB, GiB, TiB; in any case.
        option: Where it was given, for the message.

    Raises:
        UsageError: it is no size, or less than a byte.
    """
    found = _SIZE.fullmatch(text.strip())
    unit = _UNITS.get(found[2].lower()) if found else None
    size = int(float(found[1]) * unit) if found and unit else 0
    if size < 1:
        raise UsageError(f"{option} {text}: is no size; write it like 500MB, 10GB or 2GiB")
    return size
