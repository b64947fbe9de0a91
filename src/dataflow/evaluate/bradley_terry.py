"""Ratings of several models from the pairs in which they met.

The model is Bradley and Terry's ("Rank analysis of incomplete block designs", Biometrika 39, 1952),
fitted by maximum likelihood with Hunter's MM steps ("MM algorithms for generalized Bradley-Terry
models", Annals of Statistics 32, 2004). Ratings are on the Elo scale:
400 points are odds of 10 to 1.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from dataflow.evaluate.statistics import CONFIDENCE, IntervalEstimate, percentiles

Wins: TypeAlias = "Mapping[tuple[str, str], float]"
"""(winner, loser) → how often; a tie counts half for each."""

MEAN = 1500.0
POINTS = 400 / math.log(10)
STEPS = 10_000
ENOUGH = 1e-10


class DisconnectedError(ValueError):
    """Some models never lost to, or never won against, the others: no finite rating fits them."""


def ratings(wins: Wins) -> dict[str, float]:
    """Model → rating; the ratings' mean is 1500.

    Raises:
        DisconnectedError: the maximum is at infinity.
    """
    names = sorted({name for pair in wins for name in pair})
    if not _is_connected(names, wins):
        raise DisconnectedError("some models won or lost all their pairs against the others")
    won = {name: sum(n for (winner, _), n in wins.items() if winner == name) for name in names}
    met = _meetings(wins)
    strength = dict.fromkeys(names, 1.0)
    for _ in range(STEPS):
        new = {
            name: won[name]
            / sum(count / (strength[name] + strength[other]) for other, count in met[name].items())
            for name in names
        }
        center = math.exp(sum(map(math.log, new.values())) / len(new))
        new = {name: value / center for name, value in new.items()}
        change = max(abs(math.log(new[name] / strength[name])) for name in names)
        strength = new
        if change < ENOUGH:
            break
    return {name: MEAN + POINTS * math.log(strength[name]) for name in names}


def rating_intervals(
    clusters: Sequence[Wins], *, seed: int = 0, resamples: int = 500
) -> dict[str, IntervalEstimate]:
    """Ratings with bootstrap intervals over clusters, each the pairs of one picture.

    Resamples to which no finite rating fits are left out.

    Raises:
        DisconnectedError: no finite rating fits all clusters together.
    """
    values = ratings(_sum(clusters))
    rng = random.Random(seed)
    drawn: dict[str, list[float]] = {name: [] for name in values}
    for _ in range(resamples):
        try:
            found = ratings(_sum(rng.choices(clusters, k=len(clusters))))
        except DisconnectedError:
            continue
        for name, rating in found.items():
            drawn[name].append(rating)
    return {
        name: IntervalEstimate(value, *percentiles(sorted(drawn[name]) or [value], CONFIDENCE))
        for name, value in values.items()
    }


def _sum(clusters: Sequence[Wins]) -> dict[tuple[str, str], float]:
    total: Counter[tuple[str, str]] = Counter()
    for wins in clusters:
        total.update(wins)
    return dict(total)


def _meetings(wins: Wins) -> dict[str, dict[str, float]]:
    met: dict[str, dict[str, float]] = {}
    for (winner, loser), count in wins.items():
        for one, other in ((winner, loser), (loser, winner)):
            row = met.setdefault(one, {})
            row[other] = row.get(other, 0.0) + count
    return met


def _is_connected(names: Sequence[str], wins: Wins) -> bool:
    """Whether each model can be reached from each other by wins (Ford 1957)."""
    if len(names) < 2:
        return False
    beaten: dict[str, set[str]] = {name: set() for name in names}
    beat_by: dict[str, set[str]] = {name: set() for name in names}
    for (winner, loser), count in wins.items():
        if count > 0:
            beaten[winner].add(loser)
            beat_by[loser].add(winner)
    return all(_reach(names[0], edges) == set(names) for edges in (beaten, beat_by))


def _reach(start: str, edges: Mapping[str, set[str]]) -> set[str]:
    seen, left = {start}, [start]
    while left:
        new = edges[left.pop()] - seen
        seen |= new
        left.extend(new)
    return seen
