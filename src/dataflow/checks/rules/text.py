"""What a word, a sentence and a quotation is, in the scripts that captions come in."""

from __future__ import annotations

import functools
import re
import unicodedata

from dataflow.checks.lazy_pattern import lazy_pattern

CJK = (
    "\u3005\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f"
    "\U00020000-\U0003ffff"
)
"""Han and kana, as a range for a regular expression: scripts that put no space between words."""

_WORD = lazy_pattern(rf"[{CJK}]|[^\W_{CJK}]+(?:['’.,\-][^\W_{CJK}]+)*")

_MARKS = "\u0300-\u036f\u0591-\u05bd\u05bf-\u05c7\u064b-\u065f\u0670\u200c\u200d" + "".join(
    sign for sign in map(chr, range(0x900, 0xE00)) if unicodedata.category(sign)[0] == "M"
)
"""Signs that belong to the letter before them: vowels of India's scripts, accents, vowel points."""

_MARK = lazy_pattern(f"[{_MARKS}]")
_MARKED = rf"(?:[^\W_{CJK}][{_MARKS}]*)+"
_MARKED_WORD = lazy_pattern(rf"[{CJK}]|{_MARKED}(?:['’.,\-]{_MARKED})*")

_ASCII_WORD = lazy_pattern(r"[A-Za-z0-9]+(?:['.,\-][A-Za-z0-9]+)*")
"""The same where all letters are ASCII's, in half the time."""

QUOTATION = lazy_pattern(
    r"“[^“”]{0,500}”|„[^„“”]{0,500}[“”]|«[^«»]{0,500}»|»[^«»]{0,500}«|「[^「」]{0,500}」"
    r"|『[^『』]{0,500}』|‘[^‘’]{0,500}’(?!\w)|\"[^\"]{0,500}\""
    r"|(?<![^\W_])'(?=\S)[^']{0,200}(?:'(?=\w)[^']{0,200}){0,4}(?<=\S)'(?!\w)"
)
"""A quotation; bounded, so that no text takes long."""

_OPENING_QUOTES, _CLOSING_QUOTES = "“„«»「『‘\"'", "”“»«」』’\"'"

_SENTENCE_END = lazy_pattern(
    rf"(?<![.!?…])[.!?…]+[)\]\"'”’»]*(?=\s+[^\sa-zà-ÿ]|\s*$|[{CJK}])|[。！？।॥۔؟]+[」』”’]*",
    re.MULTILINE,
)
_ABBREVIATION = lazy_pattern(
    r"(?:\b(?:[^\W\d_]|\d{1,2}|[Mm]rs?|Ms|Dr|Drs|Prof|St|Sr|Jr|Hr|Fr|Nr|No|[Nn]úm|Mme|Mlle|Sra?|"
    r"vs|approx|ca|bzw|usw|etc|Abb|Bd|Str|Ave|Blvd|Inc|Ltd|Co|[ap]\.m|[A-Za-z](?:\.[A-Za-z])+))$"
)
_SHORTENED = "“…”"


@functools.lru_cache(maxsize=8)  # the checks all look at the same text, one after the other
def words(text: str) -> tuple[str, ...]:
    """The words of `text` in their order, each Han or kana character counted as one.

    That is how word processors count them. ``"isn't"``, ``"well-known"`` and ``"3.5"`` are one
    word each; punctuation is none.
    """
    if text.isascii():
        return tuple(_ASCII_WORD.findall(text))
    return tuple((_MARKED_WORD if _MARK.search(text) else _WORD).findall(text))


@functools.lru_cache(maxsize=8)
def without_quotations(text: str) -> str:
    """`text` with each quotation shortened to “…”: what a sign says is not what the caption says.

    A text that is one quotation as a whole is returned without its marks.
    """
    short = QUOTATION.sub(_SHORTENED, text)
    if short == text:
        return text
    return short if _WORD.search(short) else _unquoted(text)


def _unquoted(text: str) -> str:
    """`text`, which is one quotation as a whole, without its marks."""
    first = next((at for at, sign in enumerate(text) if sign in _OPENING_QUOTES), len(text))
    last = max(map(text.rfind, _CLOSING_QUOTES))
    return text[first + 1 : last] if first < last else text


def sentence_ends(text: str) -> list[int]:
    """Where the sentences of `text` end: the places just after their closing marks.

    What stands in quotation marks is left out, so a place is one in `without_quotations(text)`.
    Full stops after abbreviations, initials and ordinal numbers end nothing.
    """
    plain = without_quotations(text)
    last = len(plain.rstrip())
    return [
        found.end()
        for found in _SENTENCE_END.finditer(plain)
        if found.start() and (found.end() == last or not _is_abbreviated(plain, found))
    ]


def _is_abbreviated(text: str, end: re.Match[str]) -> bool:
    if end[0] != ".":
        return False
    return _ABBREVIATION.search(text[max(0, end.start() - 12) : end.start()]) is not None


def count_sentences(text: str) -> int:
    """The number of sentences in `text`; what follows the last full stop is one too."""
    ends = sentence_ends(text)
    rest = without_quotations(text)[ends[-1] if ends else 0 :]
    return len(ends) + bool(_WORD.search(rest))


LOOKED_AT = 20_000
"""Characters of a text that checks look at; no caption is as long."""

_TAIL = 4_000


def looked_at(text: str) -> str:
    """What checks look at of `text`: all of a caption, and the two ends of what is longer."""
    if len(text) <= LOOKED_AT:
        return text
    return f"{text[: LOOKED_AT - _TAIL]}\n{text[-_TAIL:]}"


def escaped(text: str) -> str:
    """`text` with its characters that do not print written as escapes."""
    return "".join(
        sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text
    )


def clipped(text: str, most: int = 60) -> str:
    """`text` on one line, for messages: at most `most` characters."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"
