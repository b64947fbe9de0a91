"""What a comparison found, as values: for programs, and for `result.json`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dataflow.core.version import __version__
from dataflow.evaluate.arena import arena_scores
from dataflow.evaluate.pairs import PairResult, PairSummary
from dataflow.evaluate.statistics import IntervalEstimate, interval_value

BLIND = "blind"
"""What stands for the judge where a person decides."""


@dataclass(frozen=True, slots=True)
class JudgedCaptions:
    """A picture with its captions and what was said of them.

    Attributes:
        picture: Its path or URL.
        texts: Dataset → caption.
        results: Two datasets → what both orders say.
        reasons: The judge's reasons.
    """

    picture: str
    texts: Mapping[str, str]
    results: Mapping[tuple[str, str], PairResult]
    reasons: Sequence[str]


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a comparison found.

    Attributes:
        names: The datasets, as they were given.
        pictures: Pictures that were compared.
        joined: Pictures that all datasets have.
        joined_by: How the datasets were joined, in words.
        missing: Dataset → pictures that another has and it lacks.
        left_out: Dataset → rows without a picture of their own.
        judge: What tells this judge and its question from others.
        model: The judge's model.
        prompt: What the judge is asked.
        seed: Of the sample and of the intervals.
        summaries: Two datasets → what all their pairs say.
        ratings: Dataset → Bradley-Terry rating; empty where only two are compared or none fits.
        examples: Pictures with their captions and what was said of them.
        folder: Where answers and result are.
    """

    names: tuple[str, ...]
    pictures: int
    joined: int
    joined_by: str
    missing: Mapping[str, int]
    left_out: Mapping[str, int]
    judge: str
    model: str
    prompt: str
    seed: int
    summaries: Mapping[tuple[str, str], PairSummary]
    ratings: Mapping[str, IntervalEstimate]
    examples: Sequence[JudgedCaptions] = field(repr=False)
    folder: Path

    @property
    def is_by_person(self) -> bool:
        """Whether a person was the judge, blind."""
        return self.judge == BLIND

    @property
    def arena(self) -> dict[str, float]:
        """Dataset → wins less losses, as the mean over the others; see `evaluate.arena`."""
        return arena_scores(self.summaries)

    @property
    def failed(self) -> int:
        """Pairs without a caption or without an answer that can be read."""
        return sum(summary.counts[PairResult.FAILED] for summary in self.summaries.values())


def comparison_value(result: Comparison) -> dict[str, Any]:
    """The comparison as JSON values."""
    return {
        "dataflow": __version__,
        "datasets": list(result.names),
        "pictures": result.pictures,
        "joined": {
            "pictures": result.joined,
            "by": result.joined_by,
            "missing": dict(result.missing),
            "left_out": dict(result.left_out),
        },
        "judge": {"model": result.model, "digest": result.judge, "prompt": result.prompt},
        "seed": result.seed,
        "pairs": [
            {"a": one, "b": other, **summary_value(summary)}
            for (one, other), summary in result.summaries.items()
        ],
        "ratings": {name: interval_value(found) for name, found in result.ratings.items()},
        "arena": result.arena,
    }


def summary_value(summary: PairSummary) -> dict[str, Any]:
    """What all pairs of two datasets say, as JSON values."""
    return {
        **{outcome.value: count for outcome, count in summary.counts.items()},
        "win_rate": interval_value(summary.win_rate),
        "score": interval_value(summary.score),
        "p_value": summary.p_value,
        "flip_rate": summary.flip_rate,
        "first_rate": summary.first_rate,
        "longer_rate": summary.longer_rate,
        "pairs_to_decide": summary.wanted,
        "pictures_to_decide": pictures_to_decide(summary),
        "facets": {name: summary_value(found) for name, found in summary.facets.items()},
    }


def pictures_to_decide(summary: PairSummary) -> int:
    """How many pictures would settle the difference seen, at the share of decided pairs seen.

    0 where nothing is decided, or no number of pictures would do.
    """
    decided = summary.counts[PairResult.WIN] + summary.counts[PairResult.LOSS]
    if not decided:
        return 0
    return math.ceil(summary.wanted * sum(summary.counts.values()) / decided)
