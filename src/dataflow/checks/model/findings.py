"""A text → the sentences in it that belong to no caption.

What models say around a caption stands at its beginning or its end, so a sentence there counts
where all before it, or all behind it, count too. A refusal counts anywhere among the sentences that
are looked at. What follows a colon is what somebody says or what is written somewhere.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import NamedTuple

from dataflow.checks.model.classifier import Scores, classifier
from dataflow.checks.model.segments import Segment, edges

SURE = 1.2
"""The score from which a sentence counts."""

_ANYWHERE = frozenset({"refusal"})
_COLONS = (":", "：")


_OPENINGS = frozenset({"lead_in", "thoughts"})
_SHOUT = 24
"""Characters of the longest opening that is shouted: “Sure thing!”"""

_SURE_OF_SHOUT = 0.3
"""The score from which it counts."""


class Finding(NamedTuple):
    """A sentence that belongs to no caption.

    Attributes:
        form: What it is: ``lead_in``, ``lead_out``, ``thoughts``, ``refusal``, ``error`` or
            ``leak``.
        segment: The sentence.
        place: ``"head"`` where nothing but such sentences is before it, ``"tail"`` where nothing
            else is behind it, ``"inside"`` else.
        score: How surely it is one; see `classifier.Scores`.
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
    scored = [(segment, score(segment.text)) for segment in (*head, *tail)]
    is_one = [scores.value > SURE for _, scores in scored]
    if len(scored) > 1 and scored[0][1].value > _SURE_OF_SHOUT:
        is_one[0] = is_one[0] or _is_shout(scored[0][0].text)
    if len(scored) > 1 and is_one[1] and scored[1][1].form in _OPENINGS:
        # "Great photo! Here is …", "Jasne! Oto …": what is shouted before is talk too
        is_one[0] = is_one[0] or _is_shout(scored[0][0].text)
    speaks = next(
        (
            at
            for at, (segment, _) in enumerate(scored)
            if not is_one[at] and segment.text.endswith(_COLONS) and " " in segment.text
        ),
        len(scored),
    )
    is_one[speaks:] = [False] * (len(scored) - speaks)
    first = next((at for at, one in enumerate(is_one) if not one), len(scored))
    if first < len(scored):
        # "What a day! Children play …": nobody says goodbye at the beginning
        forms = [scores.form for _, scores in scored[:first]]
        first = forms.index("lead_out") if "lead_out" in forms else first
    last = next((at for at in range(len(scored), 0, -1) if not is_one[at - 1]), 0)
    found = []
    for at, (segment, scores) in enumerate(scored):
        place = "head" if at < first else "tail" if at >= last else "inside"
        if is_one[at] and (place != "inside" or scores.form in _ANYWHERE):
            found.append(_finding(segment, scores, place, is_all=first == len(scored)))
    return tuple(found)


def _is_shout(text: str) -> bool:
    return len(text) <= _SHOUT and text[-1] in "!,.！。，"


def _finding(segment: Segment, scores: Scores, place: str, *, is_all: bool) -> Finding:
    form = scores.form
    if form == "error" and not is_all and place != "head":
        form = "lead_out"
    if form == "lead_in" and place == "tail" and not is_all:
        form = "lead_out"
    return Finding(form, segment, place, scores.value)


def of_form(text: str, forms: Sequence[str]) -> Finding | None:
    """The surest sentence of `text` that is one of `forms`; None where there is none."""
    found = [one for one in findings(text) if one.form in forms]
    return max(found, key=lambda one: one.score, default=None)
