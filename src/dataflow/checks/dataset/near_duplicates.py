"""Captions that are nearly the same as an earlier one.

MinHash (Broder, "On the resemblance and containment of documents", 1997) with locality-sensitive
hashing, of the package `rensa`: two captions are near when they share four fifths of the groups of
three words that either holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

from dataflow.checks.rules.text import words
from dataflow.core.errors import MissingPackageError

NEAR = 0.8
"""Jaccard similarity from which two captions are near; estimated, to about 0.05."""

KEPT = 50_000
"""Captions that later ones are compared with; more than 1 KB of memory each."""

_HASHES = 64
_GROUP = 3

Sketch: TypeAlias = Any
"""A MinHash of `rensa`, whose types are not told."""


class Pair(NamedTuple):
    """A caption that is near an earlier one.

    Attributes:
        at: Its place among the captions that were handed in.
        earlier: The row of the earlier one.
        is_same: Whether the two are the same.
    """

    at: int
    earlier: int
    is_same: bool


def sketches_of(texts: Sequence[str]) -> list[Sketch | None]:
    """What is compared of each text; None for one without words.

    Raises:
        MissingPackageError: `rensa` is not installed.
    """
    grouped = [_groups(text) for text in texts]
    sketches = iter(
        _rensa().RMinHash.from_token_sets(
            [groups for groups in grouped if groups], num_perm=_HASHES, seed=1
        )
    )
    return [next(sketches) if groups else None for groups in grouped]


class NearDuplicates:
    """Compares each caption of a stream with the first that are not near one another.

    Args:
        kept: So many captions are kept for comparison.

    Raises:
        MissingPackageError: `rensa` is not installed.
    """

    def __init__(self, kept: int = KEPT) -> None:
        self._index = _rensa().RMinHashDeduplicator(
            threshold=NEAR, num_perm=_HASHES, use_lsh=True, seed=1
        )
        self._most = kept
        self._kept: list[tuple[int, bytes]] = []

    def near(self, captions: Sequence[tuple[int, bytes, Sketch | None]]) -> list[Pair]:
        """Which of `captions` (each with its row, its `repeated.key_of` and its sketch) are near.

        The earlier caption is the same one where there is such, else the first.
        """
        found = []
        for at, (row, key, sketch) in enumerate(captions):
            if sketch is None:
                continue
            has_room = len(self._kept) < self._most
            if has_room and self._index.add(str(len(self._kept)), sketch):
                self._kept.append((row, key))
            elif numbers := self._index.get_duplicates(sketch):
                others = [self._kept[number] for number in sorted(map(int, numbers))]
                same = next((other for other in others if other[1] == key), None)
                found.append(Pair(at, (same or others[0])[0], same is not None))
        return found


def _rensa() -> Any:
    try:
        import rensa
    except ImportError as error:
        raise MissingPackageError(
            "finding near-duplicates needs rensa: pip install 'dataflow-caption[check]'"
        ) from error
    return rensa


def _groups(text: str) -> list[str]:
    parts = words(text.casefold())
    if len(parts) < _GROUP:
        return [" ".join(parts)] if parts else []
    return [" ".join(group) for group in zip(parts, parts[1:], parts[2:], strict=False)]
