"""Objects that captions name and pictures do not hold, where a column says what they hold.

Source: Rohrbach et al., "Object hallucination in image captioning", EMNLP 2018 (CHAIR), section 2:
CHAIR_i is the share of named objects that are not there, CHAIR_s the share of captions with at
least one.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from dataflow.evaluate.statistics import IntervalEstimate, bootstrap_ratio, wilson


class ObjectNames:
    """Which words of a caption name which objects.

    Args:
        synonyms: Object → other words for it. An object's own name and the plain English plural of
            each word are known without being listed.
    """

    def __init__(self, synonyms: Mapping[str, Iterable[str]]) -> None:
        self._objects: dict[str, str] = {}
        for name, words in synonyms.items():
            for word in (name, *words):
                for form in _forms(word.casefold()):
                    self._objects.setdefault(form, name)
        longest_first = sorted(self._objects, key=len, reverse=True)
        self._pattern = re.compile(
            r"(?<!\w)(?:" + "|".join(map(re.escape, longest_first)) + r")(?!\w)"
        )

    def named_in(self, caption: str) -> set[str]:
        """The objects that a caption names."""
        if not self._objects:
            return set()
        return {self._objects[match] for match in self._pattern.findall(caption.casefold())}

    def known(self, names: Iterable[str]) -> set[str]:
        """The objects that a picture's list names, under one name each."""
        return {self._objects.get(name.casefold(), name) for name in names}


@dataclass(frozen=True, slots=True)
class ObjectSummary:
    """What captions name of what is there, and beyond it.

    Attributes:
        chair_i: The share of named objects that are not there, over pictures.
        chair_s: The share of captions that name at least one such.
        recall: The share of objects that are there and are named, over pictures.
        invented: Object → captions that name it where it is not, the commonest first.
    """

    chair_i: IntervalEstimate | None
    chair_s: IntervalEstimate | None
    recall: IntervalEstimate | None
    invented: dict[str, int]


def summarize_objects(
    rows: Iterable[tuple[str, Collection[str]]], names: ObjectNames, *, seed: int = 0
) -> ObjectSummary:
    """Count objects in captions.

    Args:
        rows: A caption and the objects that its picture holds.
        names: Which words name which objects.
        seed: Of the bootstrap.
    """
    invented: dict[str, int] = {}
    wrong_of_named: list[tuple[float, float]] = []
    named_of_there: list[tuple[float, float]] = []
    captions = faulty = 0
    for caption, there in rows:
        named, known = names.named_in(caption), names.known(there)
        wrong = named - known
        captions += 1
        faulty += bool(wrong)
        wrong_of_named.append((float(len(wrong)), float(len(named))))
        named_of_there.append((float(len(named & known)), float(len(known))))
        for name in wrong:
            invented[name] = invented.get(name, 0) + 1
    return ObjectSummary(
        chair_i=bootstrap_ratio(wrong_of_named, seed=seed),
        chair_s=wilson(faulty, captions) if captions else None,
        recall=bootstrap_ratio(named_of_there, seed=seed),
        invented=dict(sorted(invented.items(), key=lambda item: (-item[1], item[0]))),
    )


def _forms(word: str) -> Iterable[str]:
    """A word and its plain English plural."""
    yield word
    if word.endswith(("s", "x", "ch", "sh")):
        yield f"{word}es"
    elif word.endswith("y") and word[-2:-1] not in "aeiou":
        yield f"{word[:-1]}ies"
    else:
        yield f"{word}s"
