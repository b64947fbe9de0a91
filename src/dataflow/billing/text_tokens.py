"""About how many tokens a text is, where no tokenizer is at hand.

Providers give four characters of English a token as a rule of thumb
(https://ai.google.dev/gemini-api/docs/tokens, https://platform.openai.com/tokenizer). Marks and
other scripts are denser, and tokenizers differ on them: how far, was measured with OpenAI's
vocabularies cl100k and o200k, over prompts in ten languages and in JSON.
"""

from __future__ import annotations

from collections.abc import Iterable

from dataflow.billing.interval import Interval

_WORDS = Interval.exactly(0.22).within(0.35)  # tokens a character: ASCII letters, digits, blanks
_MARKS = Interval.exactly(0.5).within(0.6)  # the rest of ASCII
_IDEOGRAPHS = Interval.exactly(0.85).within(0.6)  # Chinese, Japanese, Korean
_OTHERS = Interval.exactly(0.45).within(1.6)
_FIRST_IDEOGRAPH = "\u2e80"  # Unicode: CJK Radicals Supplement and what follows

_AROUND_TURN = Interval(2, 4, 8)
_AROUND_ALL = Interval(1, 3, 30)  # some chat templates put in a system message of their own


def text_tokens(texts: Iterable[str], turns: int) -> Interval:
    """Tokens of a conversation's texts with what a chat template puts around them.

    Args:
        texts: All texts of all turns.
        turns: How many turns they stand in.
    """
    whole = "".join(texts)
    ascii_ = sum(map(str.isascii, whole))
    words = sum(c.isascii() and (c.isalnum() or c.isspace()) for c in whole)
    ideographs = sum(c >= _FIRST_IDEOGRAPH for c in whole)
    return (
        _WORDS * words
        + _MARKS * (ascii_ - words)
        + _IDEOGRAPHS * ideographs
        + _OTHERS * (len(whole) - ascii_ - ideographs)
        + _AROUND_TURN * turns
        + _AROUND_ALL
    )
