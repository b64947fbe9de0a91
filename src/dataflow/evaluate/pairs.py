"""What a judge said of pairs of captions → wins, ties and losses with intervals.

A judge sees a picture and two captions, in both orders. A win counts only where both orders agree:
judges prefer a side (Zheng et al., "Judging LLM-as-a-judge", arXiv:2306.05685, section 3.3).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from dataflow.evaluate.statistics import (
    IntervalEstimate,
    bootstrap_ratio,
    decisive_count,
    sign_test,
    wilson,
)


class Choice(Enum):
    """What a judge says of the two captions that it sees in one order."""

    FIRST = "first"
    SECOND = "second"
    TIE = "tie"


class PairResult(Enum):
    """What both orders together say of captions A and B."""

    WIN = "win"  # both orders prefer A
    LOSS = "loss"  # both orders prefer B
    TIE = "tie"  # at least one order sees no difference
    FLIP = "flip"  # the orders contradict each other
    EQUAL = "equal"  # the texts are the same; nobody was asked
    FAILED = "failed"  # a caption or an answer is missing


@dataclass(frozen=True, slots=True)
class JudgedPair:
    """Two captions of one picture, judged.

    Attributes:
        picture: What the pair is about; pairs of one picture are one cluster.
        result: What both orders say.
        first_chosen: Orders in which the judge took the side that was shown first, of `answers`
            that took a side.
        sides_taken: Orders in which it took a side.
        longer_won: Whether the longer text won; None for ties and for texts of one length.
        facet: The group that the row belongs to; empty where rows have none.
    """

    picture: str
    result: PairResult
    first_chosen: int = 0
    sides_taken: int = 0
    longer_won: bool | None = None
    facet: str = ""


def judged(
    picture: str,
    texts: tuple[str | None, str | None],
    choices: tuple[Choice | None, Choice | None] = (None, None),
    *,
    facet: str = "",
) -> JudgedPair:
    """The result of one pair.

    Args:
        picture: Its name.
        texts: Caption A and caption B; None where there is none.
        choices: What the judge said with A first, and with B first; None where it failed.
        facet: The row's group.
    """
    one, other = texts
    if one is None or other is None:
        return JudgedPair(picture, PairResult.FAILED, facet=facet)
    if one.split() == other.split():
        return JudgedPair(picture, PairResult.EQUAL, facet=facet)
    straight, swapped = choices
    if straight is None or swapped is None:
        return JudgedPair(picture, PairResult.FAILED, facet=facet)
    result = _result(straight, swapped)
    sides = [choice for choice in choices if choice is not Choice.TIE]
    longer = None
    if result in (PairResult.WIN, PairResult.LOSS) and len(one) != len(other):
        longer = (len(one) > len(other)) == (result is PairResult.WIN)
    return JudgedPair(picture, result, sides.count(Choice.FIRST), len(sides), longer, facet)


def needs_judge(texts: tuple[str | None, str | None]) -> bool:
    """Whether a pair has to be shown to a judge at all."""
    return judged("", texts, (Choice.TIE, Choice.TIE)).result is PairResult.TIE


def _result(straight: Choice, swapped: Choice) -> PairResult:
    if Choice.TIE in (straight, swapped):
        return PairResult.TIE
    if straight is swapped:
        return PairResult.FLIP
    return PairResult.WIN if straight is Choice.FIRST else PairResult.LOSS


@dataclass(frozen=True, slots=True)
class PairSummary:
    """What all pairs of A and B say together.

    Attributes:
        counts: Result → pairs.
        win_rate: Wins of decided pairs, with a bootstrap interval over pictures; None where no
            pair is decided.
        score: Wins and half the ties of all judged pairs, likewise.
        p_value: Of the exact two-sided sign test of wins against losses.
        flip_rate: Flips of the pairs that were shown to the judge; None where none was.
        first_rate: How often the judge took the side that it saw first; one half is fair.
        longer_rate: How often the longer text won where one was longer.
        wanted: Decided pairs that would settle a win rate like this one; 0 where none would.
        facets: The same by facet.
    """

    counts: dict[PairResult, int]
    win_rate: IntervalEstimate | None
    score: IntervalEstimate | None
    p_value: float
    flip_rate: float | None
    first_rate: float | None
    longer_rate: float | None
    wanted: int
    facets: dict[str, PairSummary] = field(default_factory=dict)


def summarize(pairs: Sequence[JudgedPair], *, seed: int = 0) -> PairSummary:
    """Count pairs, with intervals over pictures; facets apart where there are any."""
    counts = Counter(pair.result for pair in pairs)
    wins, losses = counts[PairResult.WIN], counts[PairResult.LOSS]
    flips = counts[PairResult.FLIP]
    shown = wins + losses + counts[PairResult.TIE] + flips
    longer = [pair.longer_won for pair in pairs if pair.longer_won is not None]
    facets = sorted({pair.facet for pair in pairs})
    return PairSummary(
        counts={result: counts[result] for result in PairResult},
        win_rate=_interval(pairs, _DECIDED, seed),
        score=_interval(pairs, _JUDGED, seed),
        p_value=sign_test(wins, losses),
        flip_rate=flips / shown if shown else None,
        first_rate=_share(
            sum(pair.first_chosen for pair in pairs), sum(pair.sides_taken for pair in pairs)
        ),
        longer_rate=_share(sum(longer), len(longer)),
        wanted=decisive_count(wins / (wins + losses)) if wins + losses else 0,
        facets={
            facet: summarize([pair for pair in pairs if pair.facet == facet], seed=seed)
            for facet in (facets if len(facets) > 1 else ())
        },
    )


_DECIDED = {PairResult.WIN: 1.0, PairResult.LOSS: 0.0}
_JUDGED = {**_DECIDED, PairResult.TIE: 0.5, PairResult.FLIP: 0.5, PairResult.EQUAL: 0.5}


def _share(hits: int, count: int) -> float | None:
    return hits / count if count else None


def _interval(
    pairs: Iterable[JudgedPair], points: Mapping[PairResult, float], seed: int
) -> IntervalEstimate | None:
    """Points of the pairs that can get some, over pictures.

    A bootstrap interval; where all pictures have one and the same result, Wilson's.
    """
    got: Counter[str] = Counter()
    possible: Counter[str] = Counter()
    for pair in pairs:
        value = points.get(pair.result)
        if value is not None:
            got[pair.picture] += value  # type: ignore[assignment]  # halves add up as well
            possible[pair.picture] += 1
    if possible and all(got[p] == n for p, n in possible.items()):
        return wilson(len(possible), len(possible))
    if possible and not any(got.values()):
        return wilson(0, len(possible))  # no resample of equal results would differ
    return bootstrap_ratio(((got[p], n) for p, n in possible.items()), seed=seed)
