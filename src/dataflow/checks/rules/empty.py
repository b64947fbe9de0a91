"""Is there a caption at all?"""

from __future__ import annotations

import unicodedata

from dataflow.checks.rules.text import clipped
from dataflow.checks.rules.thought_tags import THOUGHT_TAG, without_tagged_thoughts
from dataflow.core.protocols.check import CheckContext, Verdict

_UNSEEN = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp", "Zs"})
"""Unicode's general categories of what leaves no mark: control, format, space and no characters."""

_PICTOGRAM = "\u2600"
"""From here on symbols are pictures: a caption of pictograms says something."""


def empty(text: str, context: CheckContext) -> Verdict | None:
    """An answer in which nothing can be seen, or not one word, letter or number, is no caption."""
    reason = f" (finish reason: {context.finish_reason})" if context.finish_reason else ""
    if THOUGHT_TAG.search(text) and not _says(THOUGHT_TAG.sub("", without_tagged_thoughts(text))):
        return Verdict(
            "empty", f"there are thoughts, and no caption{reason}: “{clipped(text, 30)}”"
        )
    is_seen = False
    for character in text:
        category = unicodedata.category(character)
        if category in _UNSEEN:
            continue
        is_seen = True
        if category[0] in "LN" or _is_pictogram(character, category):
            return None
    if not is_seen:
        return Verdict("empty", f"the model answered with no text{reason}")
    return Verdict("empty", f"there is no word in it{reason}: “{clipped(text, 30)}”")


def _says(text: str) -> bool:
    return any(character.isalnum() for character in text)


def _is_pictogram(character: str, category: str) -> bool:
    return category == "So" and character >= _PICTOGRAM and not "\ufff0" <= character <= "\uffff"
