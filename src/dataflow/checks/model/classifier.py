"""A sentence → how much it looks like each form that is no caption.

The weights are one byte each and lie in `weights.bin`, which ``tools/train_checks.py`` writes. The
weights of all forms of one feature are one whole number with 16 bits for each form, so that one
addition adds them all.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import NamedTuple

from dataflow.checks.model.features import BUCKETS, pair, skip, tokens, word_features
from dataflow.checks.model.segments import LONGEST

LANES = ("any", "lead_in", "lead_out", "thoughts", "refusal", "error", "leak")
"""What is scored: any form against captions, and each form against the others."""

WEIGHTS = Path(__file__).with_name("weights.bin")

_LANE = 16
_ZERO = 128
_WORDS = 20_000
"""Words whose weights are kept ready."""


class Scores(NamedTuple):
    """The scores of a sentence: 1.0 and more is sure, -1.0 and less is surely not.

    Attributes:
        form: The likeliest form, one of `LANES` without ``any``.
        value: How surely it is one of them.
    """

    form: str
    value: float


class Classifier:
    """Scores sentences.

    Args:
        table: The content of `WEIGHTS`.
    """

    def __init__(self, table: bytes) -> None:
        self._scale = int.from_bytes(table[:4], "little")
        spread = bytearray(2 * (len(table) - 4))
        spread[::2] = table[4:]
        self._table = bytes(spread)
        self._words: dict[str, tuple[int, int, int]] = {}
        self._zero = sum(_ZERO << _LANE * lane for lane in range(len(LANES)))

    def __call__(self, sentence: str) -> Scores:
        """The scores of `sentence`; only its first `LONGEST` characters are looked at."""
        total, count = 0, 0
        numbers = []
        for token in tokens(sentence[:LONGEST]):
            number, weight, pieces = self._words.get(token) or self._word(token)
            numbers.append(number)
            total += weight
            count += pieces
        groups = [*map(pair, numbers, numbers[1:]), *map(skip, numbers, numbers[2:])]
        total += sum(map(self._weight, groups))
        count += len(groups)
        values = [(total >> _LANE * lane & 0xFFFF) - _ZERO * count for lane in range(len(LANES))]
        best = max(range(1, len(LANES)), key=values.__getitem__)
        return Scores(LANES[best], values[0] / self._scale)

    def _weight(self, feature: int) -> int:
        at = feature * 2 * len(LANES)
        return int.from_bytes(self._table[at : at + 2 * len(LANES)], "little")

    def _word(self, token: str) -> tuple[int, int, int]:
        number, *pieces = word_features(token)
        weight = self._weight(number & BUCKETS - 1) + sum(map(self._weight, pieces))
        if len(self._words) >= _WORDS:
            self._words.clear()
        found = number, weight, 1 + len(pieces)
        self._words[token] = found
        return found


@functools.cache
def classifier() -> Classifier:
    """The classifier of this package; its weights are read once."""
    return Classifier(WEIGHTS.read_bytes())
