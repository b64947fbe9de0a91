"""A sentence → the numbers of its features: words, groups of words, and pieces of words.

Each feature is hashed to one of `BUCKETS` numbers ("the hashing trick": Weinberger and others,
"Feature Hashing for Large Scale Multitask Learning", 2009).
"""

from __future__ import annotations

import unicodedata
from typing import NamedTuple
from zlib import crc32

from dataflow.checks.lazy_pattern import lazy_pattern
from dataflow.checks.rules.text import CJK

BUCKETS = 1 << 18
"""Numbers of features."""

PAIR_MASK = BUCKETS - 1
"""The bits of a sum that make a feature."""

_MARKS = "\u0300-\u036f\u0591-\u05bd\u05bf-\u05c7\u064b-\u065f\u0670\u200c\u200d" + "".join(
    sign
    for sign in map(chr, (*range(0x900, 0x1100), *range(0x1780, 0x1800)))
    if unicodedata.category(sign)[0] == "M"
)
_TOKEN = lazy_pattern(rf"[{CJK}…]|(?:[^\W_{CJK}]|[{_MARKS}'])+|[%$<>\[\]{{}}#]")
_ASCII_TOKEN = lazy_pattern(r"[a-z0-9']+|[%$<>\[\]{}#]")
_PLAIN = str.maketrans({"’": "'", "\u02bc": "'", "`": "'", "\u064b": None, "\u0640": None})
_DIGITS = lazy_pattern(r"\d+")
_ELLIPSES = lazy_pattern("…+")

_MOST_TOKENS = 60
"""Words of a sentence that are looked at."""

START = "\x01"
"""The word that stands for a sentence's start; every sentence has it."""

_CLOSING = {
    ":": "\x02:",
    "：": "\x02:",
    "?": "\x02?",
    "？": "\x02?",
    "؟": "\x02?",
    "!": "\x02!",
    "！": "\x02!",
}
SKIPPED = 0x5BD1
"""What sets the feature of two words with one between them apart from that of two neighbours."""


class Word(NamedTuple):
    """The numbers of one word.

    Attributes:
        features: The word's own feature and those of its pieces.
        first: The word's share of the feature of a pair in which it comes first.
        second: Its share where it comes second.
    """

    features: tuple[int, ...]
    first: int
    second: int


def tokens(sentence: str) -> list[str]:
    """The words of `sentence` in lower case, between a sign for its start and one for its end."""
    plain = sentence.lower()
    if plain.isascii():
        found = _ASCII_TOKEN.findall(plain)
    else:
        found = _TOKEN.findall(_ELLIPSES.sub("…", plain.translate(_PLAIN)))
    del found[_MOST_TOKENS:]
    ending = "\x02."
    for sign in plain[-1:-4:-1]:
        if sign in _CLOSING:
            ending = _CLOSING[sign]
            break
    return [START, *found, ending]


def word(token: str) -> Word:
    """The numbers of one word."""
    token = _DIGITS.sub("0", token)
    number = crc32(token.encode("utf-8", "backslashreplace"))
    around = f"\x03{token}\x03"
    pieces = {
        crc32(b"\x04" + around[at : at + size].encode("utf-8", "backslashreplace")) & PAIR_MASK
        for size in _sizes(token)
        if len(token) >= size
        for at in range(len(around) - size + 1)
    }
    return Word(
        (number & PAIR_MASK, *sorted(pieces)),
        number * 2654435761 >> 7 & PAIR_MASK,
        number * 2246822519 >> 9 & PAIR_MASK,
    )


def _sizes(token: str) -> tuple[int, ...]:
    """Characters of the pieces of a word: few in scripts with many signs."""
    if token.isascii():
        return (4,)
    highest = max(token)
    if "\uac00" <= highest <= "\ud7af":
        return (2,)
    if "\u0e00" <= highest <= "\u109f" or "\u1780" <= highest <= "\u17ff":
        return (4, 7)  # no blanks between words: a piece has to be as long as one
    return (4,) if highest < "\u0530" else (3,)


def pair(first: Word, second: Word) -> int:
    """The feature of two words that follow each other."""
    return first.first + second.second & PAIR_MASK


def skip(first: Word, second: Word) -> int:
    """The feature of two words with one between them."""
    return first.first + second.second + SKIPPED & PAIR_MASK


def features(sentence: str) -> list[int]:
    """The numbers of all features of `sentence`; one that occurs twice is there twice."""
    words = list(map(word, tokens(sentence)))
    found = [number for one in words for number in one.features]
    found += map(pair, words, words[1:])
    found += map(skip, words, words[2:])
    return found
