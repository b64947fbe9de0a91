"""Captions that are nearly the same as an earlier one.

MinHash (Broder, "On the resemblance and containment of documents", 1997) with locality-sensitive
hashing, of the package `rensa`: two captions are near when they share four fifths of the groups of
three words that either holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dataflow.checks.words import words
from dataflow.core.errors import MissingPackageError

NEAR = 0.8
"""Jaccard similarity from which two captions are near; estimated, to about 0.05."""

KEPT = 50_000
"""Captions that later ones are compared with; more than 1 KB of memory each."""

_HASHES = 64
_GROUP = 3


class NearDuplicates:
    """Compares each caption of a stream with the first `KEPT` that are not near one another.

    Args:
        kept: So many captions are kept for comparison.

    Raises:
        MissingPackageError: `rensa` is not installed.
    """

    def __init__(self, kept: int = KEPT) -> None:
        try:
            import rensa
        except ImportError as error:
            raise MissingPackageError(
                "finding near-duplicates needs rensa: pip install 'dataflow-caption[check]'"
            ) from error
        self._rensa: Any = rensa
        self._index = rensa.RMinHashDeduplicator(
            threshold=NEAR, num_perm=_HASHES, use_lsh=True, seed=1
        )
        self._room = kept

    def near(self, rows: Sequence[tuple[int, str]]) -> list[tuple[int, int]]:
        """The rows (with their texts) that are near an earlier row: (row, that row)."""
        grouped = [(row, _groups(text)) for row, text in rows]
        usable = [(row, groups) for row, groups in grouped if groups]
        sketches = self._rensa.RMinHash.from_token_sets(
            [groups for _, groups in usable], num_perm=_HASHES, seed=1
        )
        found = []
        for (row, _), sketch in zip(usable, sketches, strict=True):
            if self._room and self._index.add(str(row), sketch):
                self._room -= 1
            elif others := self._index.get_duplicates(sketch):
                found.append((row, min(map(int, others))))
        return found


def _groups(text: str) -> list[str]:
    parts = words(text.casefold())
    if len(parts) < _GROUP:
        return [" ".join(parts)] if parts else []
    return [" ".join(group) for group in zip(parts, parts[1:], parts[2:], strict=False)]
