"""Words and patterns that a caption must not hold, or must."""

from __future__ import annotations

import re
from collections.abc import Sequence

from dataflow.checks.rules.pattern import Pattern, compiled
from dataflow.checks.rules.text import CJK
from dataflow.core.errors import UsageError
from dataflow.core.protocols.check import Check, CheckContext, Verdict, makes_check


@makes_check
def wording(
    *,
    forbid: Sequence[str] = (),
    require: Sequence[str] = (),
    forbid_pattern: Sequence[str] = (),
    require_pattern: Sequence[str] = (),
) -> Check:
    """A check of a caption's words.

    Args:
        forbid: Words or phrases; none may occur. They are found as whole words, whatever their
            case: ``"ban"`` is not found in ``"banana"``. Chinese and Japanese have no word
            boundaries, there they are found anywhere.
        require: Words or phrases; one of them at least must occur.
        forbid_pattern: Regular expressions (RE2's syntax, whatever the case); none may match.
        require_pattern: Regular expressions; each must match somewhere.

    Raises:
        MissingPackageError: there is a pattern, and `google-re2` is not installed.
        UsageError: a pattern is no regular expression of RE2, or a word is empty.
    """
    if any(not phrase.strip() for phrase in (*forbid, *require, *forbid_pattern, *require_pattern)):
        raise UsageError("a word or pattern that is forbidden or required is empty")
    never: list[tuple[str, Pattern]] = [(word, _phrase(word)) for word in forbid]
    never += [(pattern, compiled(pattern, ignore_case=True)) for pattern in forbid_pattern]
    any_of = [_phrase(word) for word in require]
    each = [(pattern, compiled(pattern, ignore_case=True)) for pattern in require_pattern]

    def check(text: str, _context: CheckContext) -> Verdict | None:
        for name, pattern in never:
            if found := pattern.search(text):
                what = repr(found[0]) + ("" if name == found[0] else f" ({name!r})")
                reason = f"it holds {what}, which is forbidden"
                return Verdict("wording", reason, f"Do not write {found[0]!r}.")
        if any_of and not any(pattern.search(text) for pattern in any_of):
            listed = ", ".join(map(repr, require))
            return Verdict("wording", f"it holds none of {listed}", f"Use one of: {listed}.")
        for name, pattern in each:
            if not pattern.search(text):
                remedy = f"The answer must match the regular expression `{name}`."
                return Verdict("wording", f"it does not match {name!r}", remedy)
        return None

    return check


def _phrase(phrase: str) -> re.Pattern[str]:
    inner = r"\s+".join(map(re.escape, phrase.split()))
    before = rf"(?:(?<!\w)|(?<=[{CJK}]))" if re.match(rf"[^\W{CJK}]", phrase) else ""
    after = rf"(?:(?!\w)|(?=[{CJK}]))" if re.search(rf"[^\W{CJK}]$", phrase) else ""
    return re.compile(f"{before}{inner}{after}", re.IGNORECASE)
