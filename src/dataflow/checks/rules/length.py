"""Is the caption too short or too long?"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dataflow.checks.encoder_tokens import parse_limit
from dataflow.checks.rules.text import count_sentences, words
from dataflow.checks.segmenter import ESTIMATED, unspaced_words
from dataflow.core.errors import UsageError
from dataflow.core.protocols.check import Check, CheckContext, Verdict, makes_check


@makes_check
def length(
    *,
    min_words: int | None = None,
    max_words: int | None = None,
    min_sentences: int | None = None,
    max_sentences: int | None = None,
    min_characters: int | None = None,
    max_characters: int | None = None,
    max_encoder_tokens: Sequence[str] = (),
) -> Check:
    """A check that a caption's length is within bounds; None is no bound.

    `max_encoder_tokens` are limits such as ``"clip:75"``; see `encoder_tokens.parse_limit`.

    A Han or kana character counts as one word; where that is not what is meant, bound the
    characters. Words of Thai, Lao, Khmer and Burmese are counted by a dictionary, or estimated
    where it is not installed. Blanks at the ends are not counted.

    Raises:
        UsageError: nothing can be within the bounds, or there is no such encoder.
    """
    bounds: list[tuple[str, Callable[[str], int], int | None, int | None]] = [
        ("words", _count_words, min_words, max_words),
        ("sentences", count_sentences, min_sentences, max_sentences),
        ("characters", lambda text: len(text.strip()), min_characters, max_characters),
    ]
    for counter, limit in map(parse_limit, max_encoder_tokens):
        bounds.append((f"{counter.name} tokens", counter.count, None, limit))
    for unit, _, least, most in bounds:
        if most is not None and most < (least or 0):
            raise UsageError(f"no caption has at least {least or 0} and at most {most} {unit}")
    asked = [bound for bound in bounds if bound[2:] != (None, None)]

    def check(text: str, _context: CheckContext) -> Verdict | None:
        for unit, measure, least, most in asked:
            count = measure(text)
            is_estimate = unit == "words" and unspaced_words(text).is_estimate
            about = f" ({ESTIMATED})" if is_estimate else ""
            if least is not None and count < least:
                reason = f"too short: {count} {unit}{about}, at least {least} are asked"
                return Verdict("length", reason, f"Use at least {least} {unit}.")
            if most is not None and count > most:
                reason = f"too long: {count} {unit}{about}, at most {most} are asked"
                if unit.endswith("tokens"):  # a model cannot count those
                    spoken = max(1, _count_words(text) * most * 9 // (count * 10))
                    return Verdict("length", reason, f"Use at most {spoken} words.")
                return Verdict("length", reason, f"Use at most {most} {unit}.")
        return None

    return check


def _count_words(text: str) -> int:
    found = unspaced_words(text)
    return found.number + len(words(found.rest))
