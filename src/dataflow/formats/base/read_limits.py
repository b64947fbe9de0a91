"""How large one piece of a dataset may be, in bytes, so that no file can fill the memory.

A compressed file of a megabyte may hold a line of a gigabyte, and a header may promise any size.
What is larger is an error of the row where the next one is found again, else of the file.
"""

from __future__ import annotations

MAX_LINE = 128 << 20
"""Bytes of a line of JSON Lines or CSV, of an element of a JSON array, of a record of CSV."""

MAX_CELL = MAX_LINE
"""Characters of one cell of CSV or TSV."""

MAX_MEMBER = 1 << 30
"""Bytes of one member of a tar archive."""

MAX_HEADER = 1 << 20
"""Bytes of one header of a tar archive, such as a long name."""

MAX_BATCH = 16 << 20
"""Bytes of decoded values in one batch of Parquet, about; a single row may be larger."""


def too_long(what: str, limit: int) -> str:
    """What is wrong with a piece that is larger than `limit` bytes."""
    return f"{what} is longer than {limit >> 20:,} MiB, the largest that is read"
