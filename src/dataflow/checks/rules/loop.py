"""Does the model repeat itself without end?

A model that falls into a loop says the same words until its tokens are used up. Two signs are
looked for, and a caption that merely lists like things shows neither:

* a block of words that comes at once again and again, as often as `_times` asks of its length;
* text that compresses better than any description of its length does (in long ones the ratio at
  which Whisper takes its transcript for a loop), for loops in which a word changes each time.

Both are only reckoned out where some four words occur twice, or a word is very long.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence

from dataflow.checks.rules.text import CJK, clipped, words
from dataflow.core.protocols.check import CheckContext, Verdict

_LONGEST = 80
"""Words (Han and kana: characters) of the longest block that is looked for."""

_MOST_COMPRESSION = 2.4
"""Bytes by compressed bytes; `compression_ratio_threshold` of OpenAI's Whisper, transcribe.py."""

_REGULAR = 100
"""Words up to which a scene may be so regular, "first row: white, black, white, black …", that a
true description compresses better than that; a loop goes on."""

_MOST_OF_REGULAR = 3.4
"""The ratio for those: by the texts in tests/checks/, whose regular scenes reach 3.3."""

_FEW = 3
"""Words of what may be a thing's name, "a red square"; more of them are nearly a sentence."""

_TIMES_OF_WORDS = 10
"""That it comes in a row before it is a loop."""

_TIMES_OF_SENTENCES = 4
"""The same for a longer block."""

_WINDOW = 1000
"""Characters compressed together; longer texts compress better without being loops."""

_PHRASE = 8
"""Words of a phrase that nobody says twice, in texts too long for the other signs."""

_NEW = 0.6
"""Less than this share of such phrases is new where paragraphs come again and again."""

_LONG_WORD = 24
"""Characters of the shortest word in which a syllable is looked for."""

_HAN = re.compile(f"[{CJK}]")
_SYLLABLE = re.compile(r"(\w{1,8}?)\1{11,}|(\w{9,40}?)\2{3,}")
_LONGEST_WORD = 1000
"""Characters of a word in which a syllable is looked for."""

_SAME_SIGN = re.compile(r"([^\w\s])(?:\s?\1){39,}")
_COUNTED_UP = 40
"""Numbers in a row, each one more than the last, that no calendar and no ruler has."""

_FEW_COUNTED = 12
"""The same where the text holds little else."""

_DIGITS = re.compile(r"\d+")

_COUNTED = 3
"""Words of the shortest block in which numbers may differ; not all of them are numbers."""


def loop(text: str, _context: CheckContext) -> Verdict | None:
    """A text that repeats itself as people do not is no caption."""
    tokens = words(text.casefold())
    long_words = (token[:_LONGEST_WORD] for token in tokens if len(token) >= _LONG_WORD)
    for found in (_SAME_SIGN.search(text), *map(_SYLLABLE.search, long_words)):
        if found is not None:
            return Verdict("loop", f"it repeats itself: “{clipped(found[0], 30)}”")
    if (counting := _counts_up(tokens)) is not None:
        return Verdict("loop", f"it counts up: “{clipped(' '.join(counting), 30)}”")
    # "1. a plate 2. a plate": numbers that count up hide no loop
    counted = _with_zeros(tokens) if _DIGITS.search(text) else tokens
    fours = list(zip(counted, counted[1:], counted[2:], counted[3:], strict=False))
    if len(set(fours)) == len(fours):
        return None
    block = repeated_block(tokens)
    if block is None and counted != tokens:
        block = repeated_block(counted, least=_COUNTED)
        if block and 2 * sum(map(str.isalpha, tokens[block[0] : sum(block[:2])])) <= block[1]:
            block = None  # a timetable, a calendar
    if block is not None:
        start, size, times = block
        shown = clipped(" ".join(tokens[start : start + size]))
        what = "a word comes" if size == 1 else f"{size} words come"
        return Verdict("loop", f"{what} {times} times in a row: “{shown}”")
    eights = list(zip(*(tokens[start:] for start in range(_PHRASE)), strict=False))
    if len(tokens) > 2 * _LONGEST and len(set(eights)) < len(eights) * _NEW:
        return Verdict("loop", "most of it has been said before, word for word")
    ratio = _compression(text)
    if ratio > (_MOST_COMPRESSION if len(tokens) > _REGULAR else _MOST_OF_REGULAR):
        return Verdict("loop", f"it compresses {ratio:.1f} times, descriptions hardly twice")
    return None


def _with_zeros(tokens: Sequence[str]) -> Sequence[str]:
    """`tokens` with each number in them written as 0."""
    return tuple(one if one.isalpha() else _DIGITS.sub("0", one) for one in tokens)


def _counts_up(tokens: Sequence[str]) -> Sequence[str] | None:
    """The numbers that are counted up in `tokens`; None where that is no loop."""
    if sum(map(str.isdigit, tokens)) < _FEW_COUNTED:
        return None
    start, longest = 0, (0, 0)
    for at in range(1, len(tokens) + 1):
        if at < len(tokens) and _follows(tokens[at - 1], tokens[at]):
            continue
        longest = max(longest, (at - start, start))
        start = at
    count, start = longest
    is_all = count >= _FEW_COUNTED and count > 0.9 * len(tokens)
    return tokens[start : start + count] if is_all or count >= _COUNTED_UP else None


def _follows(one: str, other: str) -> bool:
    is_number = one.isascii() and one.isdigit() and other.isascii() and other.isdigit()
    return is_number and len(other) < 10 and int(one) + 1 == int(other)


def repeated_block(tokens: Sequence[str], *, least: int = 1) -> tuple[int, int, int] | None:
    """The first, shortest block of `tokens`, of at least `least`, that comes too often in a row.

    Returns:
        Its start, its length and how often it comes; None where there is none.
    """
    for size in range(least, min(_LONGEST, len(tokens) // 2) + 1):
        run = 0
        for at in range(len(tokens) - size):
            run = run + 1 if tokens[at] == tokens[at + size] else 0
            if run < size * (_TIMES_OF_SENTENCES - 1):
                continue
            block = tokens[at - size + 1 : at + 1]
            if not _repeats(block) and run >= size * (_times(block) - 1):
                start = at - run + 1
                return start, size, _run_length(tokens, start, size) // size
    return None


def _times(block: Sequence[str]) -> int:
    """How often a block of words comes in a row before it is a loop.

    "Ha ha ha ha ha" on a wall and "a red square, a red square …" for seven of them are said by
    people, a sentence that comes a fourth time is not. A Han or kana character is half a word. By
    the set of texts in tests/checks/.
    """
    words_in_it = sum(0.5 if _HAN.match(token) else 1 for token in block)
    return _TIMES_OF_WORDS if words_in_it <= _FEW else _TIMES_OF_SENTENCES


def _repeats(block: Sequence[str]) -> bool:
    """Whether it is a shorter one several times over, which has been looked at as such."""
    sizes = (size for size in range(1, len(block) // 2 + 1) if len(block) % size == 0)
    return any(block[size:] == block[:-size] for size in sizes)


def _run_length(tokens: Sequence[str], start: int, size: int) -> int:
    end = start + size
    while end < len(tokens) and tokens[end] == tokens[end - size]:
        end += 1
    return end - start


def _compression(text: str) -> float:
    """How well `text` compresses: the best of its windows, 1 for a text that is short."""
    best = 1.0
    for start in range(0, len(text), _WINDOW):
        raw = _bytes(text[start : start + _WINDOW])
        if start and len(raw) < _WINDOW // 2:
            break
        best = max(best, len(raw) / len(zlib.compress(raw)))
    return best


def _bytes(text: str) -> bytes:
    """`text` in UTF-8; in an alphabet that needs two or three bytes there, one for each letter."""
    signs = sorted(set(text))
    is_foreign = sum(sign > "\u036f" for sign in text) * 2 > len(text)
    if is_foreign and len(signs) <= 256 and not _HAN.search(text):
        numbers = {ord(sign): number for number, sign in enumerate(signs)}
        return text.translate(numbers).encode("latin-1")
    return text.encode("utf-8", "backslashreplace")
