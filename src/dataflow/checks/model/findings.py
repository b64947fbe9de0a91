"""A text → the sentences in it that belong to no caption.

What models say around a caption stands at its beginning or its end, so a sentence there counts
where all before it, or all behind it, count too. A refusal counts anywhere among the sentences that
are looked at. What follows a colon is what somebody says or what is written somewhere.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from dataflow.checks.model.classifier import classifier
from dataflow.checks.model.segments import Segment, edges
from dataflow.checks.rules.text import clipped

SURE = 1.1
"""The score from which a sentence counts."""

SURE_OF_THOUGHTS = 1.5
"""The same for thoughts, which are likest to what captions say."""

_ANYWHERE = frozenset({"refusal"})
_COLONS = (":", "：")


_OPENINGS = frozenset({"lead_in", "thoughts"})
_SHOUT = 24
"""Characters of the longest opening that is shouted: “Sure thing!”"""

_SURE_OF_SHOUT = 0.9
"""The score from which it counts."""

_SURE_OF_CAPTION = 1.2
"""Below minus this score a sentence surely is a caption."""


class Finding(NamedTuple):
    """A sentence that belongs to no caption.

    Attributes:
        form: What it is: ``lead_in``, ``lead_out``, ``thoughts``, ``refusal``, ``error`` or
            ``leak``.
        segment: The sentence.
        place: ``"head"`` where nothing but such sentences is before it, ``"tail"`` where nothing
            else is behind it, ``"inside"`` else.
        score: How surely it is one; see `classifier.Classifier`.
    """

    form: str
    segment: Segment
    place: str
    score: float


@functools.lru_cache(maxsize=8)  # several checks ask about the same text, one after the other
def findings(text: str) -> tuple[Finding, ...]:
    """The sentences of `text` that belong to no caption, in their order."""
    head, tail = edges(text)
    score = classifier()
    segments = (*head, *tail)
    scores = [score(segment.text) for segment in segments]
    if max(scores, default=0.0) <= _SURE_OF_SHOUT:
        return ()
    return tuple(_found(segments, scores))


def _found(segments: Sequence[Segment], scores: Sequence[float]) -> Iterator[Finding]:
    count = len(segments)
    form = classifier().form
    forms = [form(one.text) if scores[at] > 0 else "" for at, one in enumerate(segments)]
    is_one = [
        value > (SURE_OF_THOUGHTS if forms[at] == "thoughts" else SURE)
        for at, value in enumerate(scores)
    ]
    if count > 1 and not is_one[0] and _is_shout(segments[0].text):
        # "Great photo! Here is …", "Jasne! Oto …": what is shouted before talk is talk too
        is_one[0] = scores[0] > _SURE_OF_SHOUT or (is_one[1] and forms[1] in _OPENINGS)
        forms[0] = forms[0] or forms[1]
    for at, following in enumerate(scores[1:]):
        if (
            forms[at] == "error"
            and following < -_SURE_OF_CAPTION
            and segments[at].text.endswith(_COLONS)
        ):
            is_one[at] = False  # "Out of order: an old lift": what surely is a caption has a title
    speaks = next(
        (
            at
            for at, segment in enumerate(segments)
            if not is_one[at] and segment.text.endswith(_COLONS) and " " in segment.text
        ),
        count,
    )
    is_one[speaks:] = [False] * (count - speaks)
    first = next((at for at, one in enumerate(is_one) if not one), count)
    if first < count and "lead_out" in forms[:first]:
        # "What a day! Children play …": nobody says goodbye at the beginning
        first = forms.index("lead_out")
    last = next((at for at in range(count, 0, -1) if not is_one[at - 1]), 0)
    for at, segment in enumerate(segments):
        place = "head" if at < first else "tail" if at >= last else "inside"
        if is_one[at] and (place != "inside" or forms[at] in _ANYWHERE):
            own = _form(forms[at], place, is_all=first == count)
            yield Finding(own, segment, place, scores[at])


def _is_shout(text: str) -> bool:
    return len(text) <= _SHOUT and text[-1] in "!,.！。，"


def _form(form: str, place: str, *, is_all: bool) -> str:
    if form == "error" and not is_all and place != "head":
        return "lead_out"
    if form == "lead_in" and place == "tail" and not is_all:
        return "lead_out"
    return form


def of_form(text: str, forms: Sequence[str]) -> Finding | None:
    """The surest sentence of `text` that is one of `forms`; None where there is none."""
    there = findings(text)
    if not there:
        return None
    found = [one for one in there if one.form in forms]
    return max(found, key=lambda one: one.score, default=None)


def evidence(found: Finding) -> str:
    """The sentence, shortened, and the words in it that decided."""
    named = ", ".join(classifier().deciding(found.segment.text))
    shown = f"“{clipped(found.segment.text)}”"
    return f"{shown}, by the words {named}" if named else shown
