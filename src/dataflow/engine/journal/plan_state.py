"""The plan that a journal holds, and the pictures that it was made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

SeenPicture: TypeAlias = "tuple[bytes, int | None, int | None]"
"""A picture's file: path, size in bytes, time of last change in ns; None where there is none."""


@dataclass(frozen=True, slots=True)
class PlanState:
    """A plan in the journal.

    Attributes:
        stamp: Of what it was made; None where nobody could tell.
        rows: How many it holds when it is whole.
        output: What was written of it, as `note_output` was told; None for nothing.
        planned: Rows from the first one on that it holds.
        captions: Captions that it holds.
    """

    stamp: str | None
    rows: int
    output: str | None
    planned: int
    captions: int
