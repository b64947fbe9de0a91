"""What a column of a dataset holds, where a writer must know its type beforehand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

Scalar: TypeAlias = Literal["text", "int", "float", "bool", "json"]
"""What a single value is; ``"json"`` may be any, and is its JSON text where types are fixed."""

Struct: TypeAlias = "Mapping[str, Scalar | Struct | ListType]"
"""The fields of a value that is an object: name → what stands there."""


@dataclass(frozen=True, slots=True)
class ListType:
    """What a column of lists holds.

    Attributes:
        items: What the lists' items are; None for text.
    """

    items: Scalar | Struct | ListType | None = None


ColumnType: TypeAlias = "Scalar | Struct | ListType | None"
"""What a column holds: single values, objects of a shape, or lists; None for text."""

Columns: TypeAlias = "Sequence[str] | Mapping[str, ColumnType]"
"""The columns that are added to a dataset, and what they hold where it is not text."""
