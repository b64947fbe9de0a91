"""What stands in nearly every caption of a dataset: words, phrases, and a trigger's company.

Such words are what a trained model can no longer leave out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from dataflow.checks.rules.text import words

NEARLY_EVERY = 0.8
"""The share of captions from which a word or a phrase is named."""

FEWEST_CAPTIONS = 10
"""With fewer captions nothing is common."""

LONGEST_PHRASE = 4
"""Words in a phrase."""

MOST = 100_000
"""Different phrases that are counted; what is in nearly every caption comes early."""

_SHORT_WORD = 3


@dataclass(slots=True)
class CommonWords:
    """In how many captions words and phrases stand.

    Attributes:
        captions: That were looked at, empty ones left out.
        counts: Word or phrase in lower case → captions.
    """

    captions: int = 0
    counts: Counter[str] = field(default_factory=Counter)

    def note(self, parts: Sequence[str]) -> None:
        """Take in the words of a caption, in lower case."""
        if not parts:
            return
        self.captions += 1
        found = set(_phrases(parts))
        if len(self.counts) < MOST:
            self.counts.update(found)
        else:
            self.counts.update(found & self.counts.keys())

    def add(self, more: CommonWords) -> None:
        """Take in what was counted elsewhere."""
        self.captions += more.captions
        for name, count in more.counts.items():
            if name in self.counts or len(self.counts) < MOST:
                self.counts[name] += count

    def in_nearly_every(self) -> list[tuple[str, float]]:
        """The longest phrases in nearly every caption, and their shares, the commonest first."""
        if self.captions < FEWEST_CAPTIONS:
            return []
        least = NEARLY_EVERY * self.captions
        found = [(name, count) for name, count in self.counts.items() if count >= least]
        names = [f" {name} " for name, _ in found]
        whole = [
            (name, count / self.captions)
            for name, count in found
            if not any(f" {name} " in other and other != f" {name} " for other in names)
            and _says_something(name.split())
        ]
        return sorted(whole, key=lambda one: -one[1])


def _says_something(parts: Sequence[str]) -> bool:
    """Whether it is more than a word or two such as "of the"."""
    return len(parts) > 2 or any(len(word) > _SHORT_WORD for word in parts)


def _phrases(parts: Sequence[str]) -> Iterator[str]:
    for size in range(1, LONGEST_PHRASE + 1):
        for start in range(len(parts) - size + 1):
            yield " ".join(parts[start : start + size])


def trigger_fault(text: str, trigger: str) -> str | None:
    """What is wrong with a trigger in a caption: missing or misspelt; None for nothing."""
    wanted = words(trigger)
    parts = words(text)
    size = len(wanted)
    near = None
    for start in range(len(parts) - size + 1):
        found = parts[start : start + size]
        if found == wanted:
            return None
        here, goal = " ".join(found), " ".join(wanted)
        if near is None and _is_near(here.casefold(), goal.casefold()):
            near = here
    if near is not None:
        return f"the trigger {trigger!r} is misspelt: {near!r}"
    return f"the trigger {trigger!r} is missing"


def _is_near(one: str, other: str) -> bool:
    """Whether at most one letter is another, missing, doubled or swapped with the next."""
    if one == other:
        return True
    if abs(len(one) - len(other)) > 1 or min(len(one), len(other)) < _SHORT_WORD:
        return False
    start = next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), None)
    if start is None:
        return True
    a, b = one[start:], other[start:]
    is_swapped = a[:2] == b[1::-1] and a[2:] == b[2:]
    return a[1:] == b[1:] or a[1:] == b or a == b[1:] or is_swapped
