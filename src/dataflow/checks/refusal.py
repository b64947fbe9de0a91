"""Does the model decline to answer, in place of a caption?

It speaks of itself then, in the first person, of what it cannot do, of its policies or of a picture
that it did not get. So the patterns look for that person or those things where a sentence begins,
and not in quotations: “a sign that says 'Sorry, we can't open'” is a fine caption. They stand in
`refusals.txt`, for six languages.
"""

from __future__ import annotations

import functools
import re
from importlib import resources

from dataflow.checks.words import clipped, without_quotations, words
from dataflow.core.check import Context, Verdict

_START = (
    r"(?:\A(?:(?:[Cc]ontent )?[Ww]arning: |[Nn]ote: |[Aa]nswer: |[Cc]aption: )?|(?<=[.!?\n]))"
    r"[\s*\"'“(\[]*"
)
_FOLLOW_UP = "Describe neutrally what is visible in the image; name nobody."

_OPENING = rf"{_START}[^.!?:\n]{{0,70}}?"
"""The beginning of a sentence; what follows a colon is as often what somebody else says."""

_HAN = re.compile("[\u3040-\u30ff\u4e00-\u9fff]")


_PLAIN = str.maketrans({"’": "'", "\u02bc": "'", "\u00a0": " ", "\u202f": " "})
"""Signs that say the same as others: apostrophes, and blanks that do not break."""


def refusal(text: str, _context: Context) -> Verdict | None:
    """An answer in which the model declines to give one is no caption."""
    plain = text.translate(_PLAIN)
    heard = words(plain)
    patterns = [
        pattern
        # "i'm sorry, but i can't …": some datasets have all captions in lower case
        for triggers, pattern in _languages(in_lower_case=plain.islower())
        if (not triggers.isdisjoint(heard) if triggers else _HAN.search(plain))
    ]
    if not patterns:
        return None
    plain = without_quotations(plain)
    found = next((found for pattern in patterns if (found := pattern.search(plain))), None)
    if found is None:
        return None
    return Verdict("refusal", f"the model declines: “{clipped(found[0].strip(), 80)}”", _FOLLOW_UP)


@functools.cache
def _languages(*, in_lower_case: bool) -> tuple[tuple[frozenset[str], re.Pattern[str]], ...]:
    """Each language's words of which one must be there (none: Han or kana), and its pattern.

    Args:
        in_lower_case: For texts that have no capital letters, else letter case counts.
    """
    listed = resources.files("dataflow.checks").joinpath("refusals.txt").read_text("utf-8")
    short: dict[str, str] = {}
    found: list[tuple[frozenset[str], list[str]]] = []
    for line in listed.splitlines():
        if not line or line.startswith("#"):
            continue
        defined = re.fullmatch(r"(\w+) = (.*)", line)
        if defined:
            short[defined[1]] = defined[2]
        elif line.startswith("["):
            found.append((frozenset(), []))
        elif line.startswith("words: "):
            found[-1] = (frozenset(line.split()[1:]), [])
        else:
            filled = re.sub(r"<(\w+)>", lambda name: short.get(name[1], name[0]), line)
            found[-1][1].append(filled)
    if in_lower_case:
        found = [(frozenset(map(str.lower, triggers)), lines) for triggers, lines in found]
    flags = re.IGNORECASE if in_lower_case else re.RegexFlag(0)
    return tuple((triggers, _joined(lines, flags)) for triggers, lines in found)


def _joined(lines: list[str], flags: re.RegexFlag) -> re.Pattern[str]:
    """One pattern of all lines; those that begin alike share their beginning, which takes time."""
    begins = {"<opening>": _OPENING, "<start>": _START, "": ""}
    rests: dict[str, list[str]] = {mark: [] for mark in begins}
    for line in lines:
        mark = next(mark for mark in begins if line.startswith(mark))
        rests[mark].append(line.removeprefix(mark))
    return re.compile(
        "|".join(f"{begins[mark]}(?:{'|'.join(rest)})" for mark, rest in rests.items() if rest),
        flags,
    )
