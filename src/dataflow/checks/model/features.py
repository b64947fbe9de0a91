"""A sentence → the numbers of its features: words, groups of words, and pieces of words.

Each feature is hashed to one of `BUCKETS` numbers ("the hashing trick": Weinberger and others,
"Feature Hashing for Large Scale Multitask Learning", 2009).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from zlib import crc32

from dataflow.checks.rules.text import CJK

BUCKETS = 1 << 18
"""Numbers of features."""

_MASK = BUCKETS - 1

_MARKS = "\u0300-\u036f\u0591-\u05bd\u05bf-\u05c7\u064b-\u065f\u0670\u200c\u200d" + "".join(
    sign
    for sign in map(chr, (*range(0x900, 0x1100), *range(0x1780, 0x1800)))
    if unicodedata.category(sign)[0] == "M"
)
_TOKEN = re.compile(rf"[{CJK}…]|(?:[^\W_{CJK}]|[{_MARKS}'])+|[%$<>\[\]{{}}#]")
_ASCII_TOKEN = re.compile(r"[a-z0-9']+|[%$<>\[\]{}#]")
_PLAIN = str.maketrans({"’": "'", "\u02bc": "'", "`": "'", "\u064b": None, "\u0640": None})
_DIGITS = re.compile(r"\d+")
_ELLIPSES = re.compile("…+")
_PIECE = 30
"""Characters of a word that are looked at as one; scripts without blanks have long ones."""

_MOST_TOKENS = 60
"""Words of a sentence that are looked at."""

_CLOSING = {
    ":": "\x02:",
    "：": "\x02:",
    "?": "\x02?",
    "？": "\x02?",
    "؟": "\x02?",
    "!": "\x02!",
    "！": "\x02!",
}


def tokens(sentence: str) -> list[str]:
    """The words of `sentence` in lower case, between a sign for its start and one for its end."""
    plain = sentence.lower().translate(_PLAIN)
    if plain.isascii():
        found = _ASCII_TOKEN.findall(plain)
    else:
        found = _TOKEN.findall(_ELLIPSES.sub("…", plain))
    if not plain.isascii() or any(map(str.isdigit, plain)):
        found = [piece for token in found for piece in _pieces(token)]
    del found[_MOST_TOKENS:]
    closing = next((sign for sign in reversed(plain[-3:]) if sign in _CLOSING), ".")
    return ["\x01", *found, _CLOSING.get(closing, "\x02.")]


def _pieces(token: str) -> Iterator[str]:
    token = _DIGITS.sub("0", token)
    if len(token) <= _PIECE:
        yield token
        return
    for start in range(0, len(token), _PIECE):
        yield token[start : start + _PIECE]


def word_features(token: str) -> list[int]:
    """The features of one word: its number first, then those of its pieces."""
    number = crc32(token.encode("utf-8", "backslashreplace"))
    size = _size(token)
    around = f"\x03{token}\x03"
    pieces = (
        []
        if len(token) <= size - 1
        else [around[at : at + size] for at in range(len(around) - size + 1)]
    )
    return [
        number,
        *(crc32(b"\x04" + piece.encode("utf-8", "backslashreplace")) & _MASK for piece in pieces),
    ]


def _size(token: str) -> int:
    """Characters of the pieces of a word: few in scripts with many signs."""
    if token.isascii():
        return 4
    highest = max(token)
    if "\uac00" <= highest <= "\ud7af":
        return 2
    return 4 if highest < "\u0530" else 3


def pair(first: int, second: int) -> int:
    """The feature of two words that follow each other, by their numbers."""
    return (first * 2654435761 + second * 40503) >> 7 & _MASK


def skip(first: int, second: int) -> int:
    """The feature of two words with one between them, by their numbers."""
    return (first * 2246822519 + second * 3266489917) >> 9 & _MASK


def features(sentence: str) -> list[int]:
    """The numbers of all features of `sentence`; one that occurs twice is there twice."""
    found: list[int] = []
    numbers: list[int] = []
    for token in tokens(sentence):
        number, *pieces = word_features(token)
        numbers.append(number)
        found.append(number & _MASK)
        found += pieces
    found += map(pair, numbers, numbers[1:])
    found += map(skip, numbers, numbers[2:])
    return found
