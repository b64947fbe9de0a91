"""Scores of captions against captions that people wrote: BLEU, ROUGE-L, CIDEr-D.

Formulas and constants are those of the COCO caption evaluation (Chen et al., "Microsoft COCO
Captions: Data Collection and Evaluation Server", arXiv:1504.00325), so that figures compare with
published ones. Tokens are lower-case words without the punctuation that its tokenizer drops.

These scores were made for captions of about ten words. They punish long captions for being long.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import TypeAlias

Tokens: TypeAlias = "list[str]"
Grams: TypeAlias = "Counter[tuple[str, ...]]"

ORDERS = 4
LONG_CAPTION = 30
"""Words; captions that are longer on average get a warning."""

_SIGMA = 6.0  # CIDEr-D's penalty for a length that differs, in words
_BETA = 1.2  # ROUGE-L weighs recall by its square
_TINY, _SMALL = 1e-15, 1e-9  # what keeps BLEU from dividing by and multiplying with nothing
_WORD = re.compile(r"\w+(?:['’.,:/-]\w+)*")
_CLITIC = re.compile(r"(?i)(n't|'(?:s|re|ve|d|ll|m))$")


def tokens_of(text: str) -> Tokens:
    """The words of a caption as the COCO evaluation counts them.

    A clitic is a word of its own ("dog's" is "dog", "'s"), as in the Penn Treebank.
    """
    words: Tokens = []
    for match in _WORD.finditer(text.lower()):
        word = match[0].replace("’", "'")
        clitic = _CLITIC.search(word)
        if clitic and clitic.start():
            words += [word[: clitic.start()], clitic[1]]
        else:
            words.append(word)
    return words


def bleu(captions: Sequence[Tokens], references: Sequence[Sequence[Tokens]]) -> list[float]:
    """BLEU-1 to BLEU-4 of a whole set, 0 to 1.

    Source: Papineni et al., "BLEU: a method for automatic evaluation of machine translation", ACL
    2002. The reference length is the one closest to the caption's, the shorter of two that are.

    Raises:
        ValueError: there are no captions, or a caption without references.
    """
    _check(captions, references)
    matched, possible = [0] * ORDERS, [0] * ORDERS
    length = wanted = 0
    for caption, refs in zip(captions, references, strict=True):
        length += len(caption)
        wanted += min((abs(len(ref) - len(caption)), len(ref)) for ref in refs)[1]
        for order in range(1, ORDERS + 1):
            grams = _grams(caption, order)
            best: Grams = Counter()
            for ref in refs:
                best |= _grams(ref, order)
            matched[order - 1] += (grams & best).total()
            possible[order - 1] += max(0, len(caption) - order + 1)
    ratio = (length + _TINY) / (wanted + _SMALL)
    penalty = math.exp(1 - 1 / ratio) if ratio < 1 else 1.0
    scores, product = [], 1.0
    for order in range(ORDERS):
        product *= (matched[order] + _TINY) / (possible[order] + _SMALL)
        scores.append(penalty * product ** (1 / (order + 1)))
    return scores


def rouge_l(captions: Sequence[Tokens], references: Sequence[Sequence[Tokens]]) -> list[float]:
    """ROUGE-L of each caption, 0 to 1; the set's is their mean.

    Source: Lin, "ROUGE: a package for automatic evaluation of summaries", ACL 2004; best precision
    and best recall over the references, as the COCO evaluation takes them.

    Raises:
        ValueError: as `bleu`.
    """
    _check(captions, references)
    scores = []
    for caption, refs in zip(captions, references, strict=True):
        common = [_common_length(caption, ref) for ref in refs]
        precision = max(n / max(1, len(caption)) for n in common)
        recall = max(n / max(1, len(ref)) for n, ref in zip(common, refs, strict=True))
        weight = _BETA**2
        scores.append(
            (1 + weight) * precision * recall / (recall + weight * precision)
            if precision and recall
            else 0.0
        )
    return scores


def cider_d(captions: Sequence[Tokens], references: Sequence[Sequence[Tokens]]) -> list[float]:
    """CIDEr-D of each caption, 0 to 10; the set's is their mean.

    Source: Vedantam et al., "CIDEr: consensus-based image description evaluation", CVPR 2015. How
    rare an n-gram is, is counted in the references that are given: scores of small sets are rough.

    Raises:
        ValueError: as `bleu`.
    """
    _check(captions, references)
    documents: Grams = Counter()
    for refs in references:
        documents.update({gram for ref in refs for gram in _all_grams(ref)})
    size = math.log(len(references))
    return [
        10 * sum(_likeness(caption, ref, documents, size) for ref in refs) / len(refs)
        for caption, refs in zip(captions, references, strict=True)
    ]


def _likeness(caption: Tokens, ref: Tokens, documents: Grams, size: float) -> float:
    """The mean over orders of the clipped cosine of two texts' weighted n-grams."""
    short = math.exp(-((len(caption) - len(ref)) ** 2) / (2 * _SIGMA**2))
    total = 0.0
    for order in range(1, ORDERS + 1):
        mine = _weighted(_grams(caption, order), documents, size)
        theirs = _weighted(_grams(ref, order), documents, size)
        product = sum(min(mine[gram], theirs[gram]) * theirs[gram] for gram in mine.keys() & theirs)
        norm = math.hypot(*mine.values()) * math.hypot(*theirs.values())
        total += product / norm * short if norm else 0.0
    return total / ORDERS


def _weighted(grams: Grams, documents: Grams, size: float) -> dict[tuple[str, ...], float]:
    return {g: n * (size - math.log(max(1, documents[g]))) for g, n in grams.items()}


def _grams(tokens: Tokens, order: int) -> Grams:
    return Counter(zip(*(tokens[start:] for start in range(order)), strict=False))


def _all_grams(tokens: Tokens) -> Grams:
    found: Grams = Counter()
    for order in range(1, ORDERS + 1):
        found.update(_grams(tokens, order))
    return found


def _common_length(one: Tokens, other: Tokens) -> int:
    """How many words the longest common subsequence has."""
    row = [0] * (len(other) + 1)
    for word in one:
        before = 0
        for position, candidate in enumerate(other, start=1):
            kept = row[position]
            row[position] = before + 1 if word == candidate else max(kept, row[position - 1])
            before = kept
    return row[-1]


def _check(captions: Sequence[Tokens], references: Sequence[Sequence[Tokens]]) -> None:
    if not captions or len(captions) != len(references) or not all(references):
        raise ValueError("each caption needs at least one reference")
