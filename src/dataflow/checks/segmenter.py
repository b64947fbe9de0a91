"""Words of scripts that put no blanks between them and are no Han or kana.

In Thai, Lao, Khmer and Burmese text, ICU's dictionaries tell where words end (`icu4py`, of the
extra ``check``). Without it the number of words is an estimate, and is called one.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import NamedTuple

_RUN = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]{2,}")
_LETTER = re.compile(r"[^\W\d_]")
_SIGNS_A_WORD = 4.5
"""Letters and vowel signs of a word on average, as ICU's dictionaries cut Thai text."""

ESTIMATED = "estimated: pip install 'dataflow-caption[check]' counts by ICU's dictionaries"


class UnspacedWords(NamedTuple):
    """What a text has of these words.

    Attributes:
        number: How many.
        is_estimate: Whether that is an estimate.
        rest: The text without them.
    """

    number: int
    is_estimate: bool
    rest: str


def unspaced_words(text: str) -> UnspacedWords:
    """The words of these scripts in `text`."""
    if text.isascii() or not (runs := _RUN.findall(text)):
        return UnspacedWords(0, False, text)
    rest = _RUN.sub(" ", text)
    breaks = _breaker()
    if breaks is None:
        count = max(1, round(sum(map(len, runs)) / _SIGNS_A_WORD))
        return UnspacedWords(count, True, rest)
    parts = (part for run in runs for part in breaks(run))
    return UnspacedWords(sum(1 for part in parts if _LETTER.search(part)), False, rest)


@functools.cache
def _breaker() -> Callable[[str], list[str]] | None:
    """What cuts a text into words, or None where the package is not there."""
    try:
        from icu4py.breakers import WordBreaker
    except ImportError:
        return None
    return lambda text: list(WordBreaker(text, "th"))
