"""About how many tokens a text is, where no tokenizer is at hand.

The rule is the rough one that providers give: four characters of English a token
(https://ai.google.dev/gemini-api/docs/tokens, https://platform.openai.com/tokenizer); scripts other
than Latin are denser.
"""

from __future__ import annotations

from collections.abc import Iterable

from dataflow.billing.span import Span

ERROR = 0.5
"""Tokenizers differ from this, and from each other, by up to half."""

_LATIN, _DENSE, _IDEOGRAPHS = 1 / 4, 1 / 2, 1.0  # tokens a character
_LAST_ASCII, _FIRST_IDEOGRAPH = 0x7F, 0x2E80  # Unicode: CJK Radicals Supplement and what follows

_MARKS = Span(2, 4, 8)  # around each turn
_TEMPLATE = Span(1, 3, 30)  # around the whole; some templates put in a system message of their own


def text_tokens(texts: Iterable[str], turns: int) -> Span:
    """Tokens of a conversation's texts with what a chat template puts around them.

    Args:
        texts: All texts of all turns.
        turns: How many turns they stand in.
    """
    count = sum(map(_tokens, texts))
    return Span.exactly(count).within(ERROR) + _MARKS * turns + _TEMPLATE


def _tokens(text: str) -> float:
    latin = sum(ord(character) <= _LAST_ASCII for character in text)
    ideographs = sum(ord(character) >= _FIRST_IDEOGRAPH for character in text)
    others = len(text) - latin - ideographs
    return latin * _LATIN + others * _DENSE + ideographs * _IDEOGRAPHS
