"""One score for each of several competitors, from what their pairs say.

CapArena-Auto (Cheng et al., "CapArena: Benchmarking and Analyzing Detailed Image Captioning in the
LLM Era", arXiv:2503.12329, section 6) counts +1 for a win, -1 for a loss and 0 for a draw over the
pairs with each opponent; a model's score is the mean over its opponents.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from dataflow.evaluate.pairs import PairResult, PairSummary


def net_wins(summary: PairSummary) -> int:
    """Wins of A less its losses."""
    return summary.counts[PairResult.WIN] - summary.counts[PairResult.LOSS]


def arena_mean(scores: Sequence[float]) -> float:
    """The mean of a model's net wins over its opponents.

    Raises:
        ValueError: there are no opponents.
    """
    if not scores:
        raise ValueError("a mean over opponents needs at least one")
    return sum(scores) / len(scores)


def arena_scores(summaries: Mapping[tuple[str, str], PairSummary]) -> dict[str, float]:
    """Name → mean of its net wins over all the others."""
    scores: dict[str, list[float]] = defaultdict(list)
    for (one, other), summary in summaries.items():
        scores[one].append(net_wins(summary))
        scores[other].append(-net_wins(summary))
    return {name: arena_mean(found) for name, found in scores.items()}
