"""Does the model talk to somebody around the caption?

“Sure! Here is the caption: …”, “… Let me know if you need more detail!”: what stands between may be
a fine caption, but these sentences belong to none. They are known by the classifier in
`dataflow.checks.model`; a choice of captions is known by its numbers.
"""

from __future__ import annotations

import re

from dataflow.checks.model.findings import evidence, of_form
from dataflow.checks.rules.text import clipped
from dataflow.core.protocols.check import CheckContext, Verdict

_FOLLOW_UP = "Give the caption alone: no greeting, no introduction, no offer, no question."

_OPTIONS = re.compile(
    r"(?:^|(?<=[.!?:。！？：] )|(?<=[。！？：]))[ \t*_#>-]{0,8}"
    r"(?:option|version|variant|choice|caption|alternative|variante|opción|opção"
    r"|opzione|вариант|方案|选项|版本|案|キャプション|옵션|캡션)"
    r"[ \t]{0,3}(?:[1-9A-D]|一|二|三|①|②)[ \t*_]{0,4}[:：.)\]（(–-]",
    re.IGNORECASE | re.MULTILINE,
)
_LEAST_OPTIONS = 2


def chatter(text: str, _context: CheckContext) -> Verdict | None:
    """A caption holds no talk to the person who asked for it."""
    if found := of_form(text, ("lead_in", "lead_out")):
        where = "before" if found.form == "lead_in" else "after"
        reason = f"the model talks {where} the caption: {evidence(found)}"
        return Verdict("chatter", reason, _FOLLOW_UP)
    options = _OPTIONS.findall(text)
    if len(options) >= _LEAST_OPTIONS:
        reason = f"it offers {len(options)} captions to choose from: “{clipped(options[0])}”"
        return Verdict("chatter", reason, f"{_FOLLOW_UP} One caption.")
    return None
