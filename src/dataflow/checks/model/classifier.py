"""A sentence → how much it looks like each form that is no caption.

The weights are whole numbers of one byte each and lie in `weights.bin`, which
``tools/train_checks.py`` writes: first those of "any form", for each feature one, and then those of
each form. Most sentences are captions, and for them the first alone are read.
"""

from __future__ import annotations

import functools
from array import array
from pathlib import Path

from dataflow.checks.model.features import (
    BUCKETS,
    PAIR_MASK,
    SKIPPED,
    Word,
    features,
    pair,
    skip,
    tokens,
    word,
)
from dataflow.checks.model.segments import LONGEST

LANES = ("any", "lead_in", "lead_out", "thoughts", "refusal", "error", "leak")
"""What is scored: any form against captions, and each form against the others."""

WEIGHTS = Path(__file__).with_name("weights.bin")

_WORDS = 20_000
"""Words whose weights are kept ready."""

_MOST_NAMED = 3
"""Words that are named as those that decided."""


class Classifier:
    """Scores sentences.

    Args:
        table: The content of `WEIGHTS`.
    """

    def __init__(self, table: bytes) -> None:
        self._scale = int.from_bytes(table[:4], "little")
        self._any = array("b", table[4 : 4 + BUCKETS])
        self._forms = array("b", table[4 + BUCKETS :])
        self._words: dict[str, tuple[int, int, int]] = {}

    def __call__(self, sentence: str) -> float:
        """How surely `sentence` is none of a caption: from 1.0 on surely, up to -1.0 surely not.

        Only its first `LONGEST` characters are looked at.
        """
        known, weights = self._words, self._any
        total = before = between = 0
        # the shares of the two words before; the first word has none before it
        for token in tokens(sentence[:LONGEST]):
            weight, first, second = known.get(token) or self._word(token)
            total += weight
            if before:
                total += weights[before - 1 + second & PAIR_MASK]
            if between:
                total += weights[between - 1 + second + SKIPPED & PAIR_MASK]
            between, before = before, first + 1
        return total / self._scale

    def form(self, sentence: str) -> str:
        """The likeliest form of `sentence`, one of `LANES` without ``any``."""
        count = len(LANES) - 1
        values = [0] * count
        for feature in features(sentence[:LONGEST]):
            for lane in range(count):
                values[lane] += self._forms[feature * count + lane]
        return LANES[1 + max(range(count), key=values.__getitem__)]

    def deciding(self, sentence: str) -> tuple[str, ...]:
        """The words of `sentence` that speak most against a caption, in their order."""
        listed = tokens(sentence[:LONGEST])
        words = list(map(word, listed))
        shares = [sum(self._any[at] for at in one.features) for one in words]
        for near, joined in ((1, pair), (2, skip)):
            for at, (one, other) in enumerate(zip(words, words[near:], strict=False)):
                weight = self._any[joined(one, other)]
                shares[at] += weight // 2
                shares[at + near] += weight - weight // 2
        named = [at for at, token in enumerate(listed) if token[0] > "\x02"]
        best = sorted(named, key=lambda at: -shares[at])[:_MOST_NAMED]
        return tuple(listed[at] for at in sorted(best) if shares[at] > 0)

    def _word(self, token: str) -> tuple[int, int, int]:
        one: Word = word(token)
        if len(self._words) >= _WORDS:
            self._words.clear()
        found = sum(self._any[at] for at in one.features), one.first, one.second
        self._words[token] = found
        return found


@functools.cache
def classifier() -> Classifier:
    """The classifier of this package; its weights are read once."""
    return Classifier(WEIGHTS.read_bytes())
