"""Does the model think aloud, without the tags that would tell its thoughts from the caption?"""

from __future__ import annotations

from dataflow.checks.model.findings import evidence, of_form
from dataflow.core.protocols.check import CheckContext, Verdict

_FOLLOW_UP = "Answer at once with the caption alone, without thinking aloud."


def thoughts(text: str, _context: CheckContext) -> Verdict | None:
    """A caption holds nothing of how the model came to it."""
    found = of_form(text, ("thoughts",))
    if found is None:
        return None
    return Verdict("thoughts", f"the model thinks aloud: {evidence(found)}", _FOLLOW_UP)
