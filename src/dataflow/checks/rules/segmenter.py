"""Words of scripts that put no blanks between them and are no Han or kana: Thai, Lao, Khmer, Burmese.

ICU's dictionaries tell where their words end (`icu4py`, of the extra ``check``). Without it the
number of words is an estimate, and is called one.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable

from dataflow.checks.rules.text import words

_RUN = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]{2,}")
_LETTER = re.compile(r"[^\W\d_]")
_SIGNS_A_WORD = 4.5
"""Letters and vowel signs of a word on average, as ICU's dictionaries cut Thai text."""

ESTIMATED = (
    "estimated: pip install 'dataflow-caption[check]' counts such words by ICU's dictionaries"
)


def has_unspaced_words(text: str) -> bool:
    """Whether `text` has words of these scripts."""
    return not text.isascii() and _RUN.search(text) is not None


def count_words(text: str) -> tuple[int, bool]:
    """The number of words in `text`, and whether that is an estimate."""
    if not has_unspaced_words(text):
        return len(words(text)), False
    breaks = _breaker()
    rest = len(words(_RUN.sub(" ", text)))
    if breaks is None:
        signs = sum(len(run) for run in _RUN.findall(text))
        return rest + max(1, round(signs / _SIGNS_A_WORD)), True
    found = (part for run in _RUN.findall(text) for part in breaks(run))
    return rest + sum(1 for part in found if _LETTER.search(part)), False


@functools.cache
def _breaker() -> Callable[[str], list[str]] | None:
    """What cuts a text into words, or None where the package is not there."""
    try:
        from icu4py.breakers import WordBreaker
    except ImportError:
        return None
    return lambda text: list(WordBreaker(text, "th"))
