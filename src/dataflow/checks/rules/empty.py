"""Is there a caption at all?"""

from __future__ import annotations

import unicodedata

from dataflow.core.check import CheckContext, Verdict

_UNSEEN = {"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp", "Zs"}
"""Unicode's general categories of what leaves no mark: control, format, space and no characters."""


def empty(text: str, context: CheckContext) -> Verdict | None:
    """An answer in which nothing can be seen is no caption."""
    if any(unicodedata.category(character) not in _UNSEEN for character in text):
        return None
    reason = f" (finish reason: {context.finish_reason})" if context.finish_reason else ""
    return Verdict("empty", f"the model answered with no text{reason}")
