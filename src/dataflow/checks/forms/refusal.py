"""Does the model decline to answer, in place of a caption?

It speaks of itself then, in the first person, of what it cannot do, of its policies or of a picture
that it did not get. So the patterns look for that person or those things where a sentence begins,
and not in quotations: “a sign that says 'Sorry, we can't open'” is a fine caption. They stand in
`refusals.txt`, for ten languages; in others, and in other words, the classifier of
`dataflow.checks.model` knows them. What is said to be written or said by somebody is left out
without quotation marks, too: “a note that reads I cannot describe it”.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources

from dataflow.checks.model.findings import evidence, of_form
from dataflow.checks.rules.text import clipped, without_quotations, words
from dataflow.core.protocols.check import CheckContext, Verdict

_START = (
    r"(?:\A(?:(?:[Cc]ontent )?[Ww]arning: |[Nn]ote: |[Aa]nswer: |[Cc]aption: )?|(?<=[.!?\n]))"
    r"[\s*\"'“(\[]{0,9}"
)
_SENTENCE_ENDS = ".!?。！？\n"
_FOLLOW_UP = "Describe neutrally what is visible in the image; name nobody."

_OPENING = rf"{_START}[^.!?:\n]{{0,70}}?"
"""The beginning of a sentence; what follows a colon is as often what somebody else says."""

_PLAIN = str.maketrans({"’": "'", "\u02bc": "'", "\u00a0": " ", "\u202f": " "})
"""Signs that say the same as others: apostrophes, and blanks that do not break."""


def refusal(text: str, _context: CheckContext) -> Verdict | None:
    """An answer in which the model declines to give one is no caption."""
    plain = text.translate(_PLAIN)
    heard = words(plain)
    # "i'm sorry, but i can't …": some datasets have all captions in lower case
    listed = _listed(in_lower_case=plain.islower())
    languages = [one for one in listed.languages if one.may_be_in(plain, heard)]
    plain = without_quotations(plain)
    for one in languages:
        for found in _compiled(one.statements, listed.flags).finditer(plain):
            if not listed.is_reported(plain, found.start(), found.end()):
                reason = f"the model declines: “{clipped(found[0].strip(), 80)}”"
                return Verdict("refusal", reason, _FOLLOW_UP)
    own = of_form(text, ("refusal",))
    if own is not None and not listed.is_reported(own.segment.text, 0, len(own.segment.text)):
        reason = f"the model declines: {evidence(own)}"
        return Verdict("refusal", reason, _FOLLOW_UP)
    return None


@dataclass(frozen=True, slots=True)
class _Language:
    """How models decline in a language, or in some that are written alike.

    Attributes:
        words: Of which one is in each text that a statement is in; empty where `signs` say it.
        signs: Such a sign is; None where `words` say it.
        statements: As a regular expression.
    """

    words: frozenset[str]
    signs: re.Pattern[str] | None
    statements: str

    def may_be_in(self, text: str, heard: Collection[str]) -> bool:
        """Whether a statement may be in `text`, which has the words `heard`."""
        if self.signs is None:
            return not self.words.isdisjoint(heard)
        return not text.isascii() and self.signs.search(text) is not None


@dataclass(frozen=True, slots=True)
class _Listed:
    """What `refusals.txt` holds; most texts need little of it, so it is compiled when it is needed.

    Attributes:
        flags: Of all its regular expressions.
        languages: In their order there.
        reported_before: What says, before a statement, that it is somebody else's.
        reported_after: The same, behind it.
    """

    flags: re.RegexFlag
    languages: Sequence[_Language]
    reported_before: str
    reported_after: str

    def is_reported(self, text: str, start: int, end: int) -> bool:
        """Whether the caption says of what stands from `start` to `end` that somebody says it."""
        begins = max(text.rfind(sign, 0, start + 1) for sign in _SENTENCE_ENDS) + 1
        if _compiled(self.reported_before, self.flags).search(text, begins, end):
            return True
        ends = [found for sign in _SENTENCE_ENDS if (found := text.find(sign, end)) >= 0]
        is_all = start == 0 and end == len(text)
        after = _compiled(self.reported_after, self.flags)
        return after.search(text, 0 if is_all else end, min(ends, default=len(text))) is not None


@functools.cache
def _compiled(expression: str, flags: re.RegexFlag) -> re.Pattern[str]:
    return re.compile(expression, flags)


@functools.cache
def _listed(*, in_lower_case: bool) -> _Listed:
    """What the file holds.

    Args:
        in_lower_case: For texts that have no capital letters, else letter case counts.
    """
    phrases = resources.files("dataflow.checks.forms").joinpath("refusals.txt").read_text("utf-8")
    flags = re.IGNORECASE if in_lower_case else re.RegexFlag(0)
    short = {"start": _START, "opening": _OPENING}
    found: list[_Language] = []
    for block in re.split(r"^\[.*\]\n", phrases, flags=re.MULTILINE):
        triggers, signs, lines = list[str](), None, list[str]()
        for line in block.splitlines():
            if not line or line.startswith("#"):
                continue
            if defined := re.fullmatch(r"(\w+) = (.*)", line):
                short[defined[1]] = _filled(defined[2], short)
            elif line.startswith("words: "):
                triggers = line.split()[1:]
            elif line.startswith("signs: "):
                signs = re.compile(f"[{line.split()[1]}]")
            else:
                lines.append(line)
        if lines:
            heard = frozenset(map(str.lower, triggers) if in_lower_case else triggers)
            found.append(_Language(heard, signs, _joined(lines, short)))
    return _Listed(flags, found, short["reported_before"], short["reported_after"])


def _filled(line: str, short: Mapping[str, str]) -> str:
    return re.sub(r"<(\w+)>", lambda name: short.get(name[1], name[0]), line)


def _joined(lines: Sequence[str], short: Mapping[str, str]) -> str:
    """One expression of all lines; those that begin with the same short form are tried together."""
    rests: dict[str, list[str]] = {}
    for line in lines:
        found = re.match(r"<\w+>", line)
        head = found[0] if found else ""
        rests.setdefault(head, []).append(_filled(line.removeprefix(head), short))
    return "|".join(f"{_filled(head, short)}(?:{'|'.join(rest)})" for head, rest in rests.items())
