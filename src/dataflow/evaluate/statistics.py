"""Honest intervals and tests for shares, means and comparisons.

Standard library only, so that every machine gives the same figures for the same seed.
"""

from __future__ import annotations

import bisect
import contextlib
import itertools
import math
import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TypeVar

T = TypeVar("T")

CONFIDENCE = 0.95
_MANY = 200  # hits from which a binomial is as good as normal: its skew is below 0.07
RESAMPLES = 2_000
"""Bootstrap resamples; the bounds of a 95 % interval then vary by about 3 % of its width."""


@dataclass(frozen=True, slots=True)
class IntervalEstimate:
    """A figure with its interval.

    Attributes:
        value: The figure.
        low: Lower bound of the interval.
        high: Upper bound of the interval.
    """

    value: float
    low: float
    high: float


def interval_value(estimate: IntervalEstimate | None) -> dict[str, float] | None:
    """A figure with its interval, as JSON values; None where there is none."""
    if estimate is None:
        return None
    return {"value": estimate.value, "low": estimate.low, "high": estimate.high}


def wilson(hits: float, count: float, *, confidence: float = CONFIDENCE) -> IntervalEstimate:
    """A share with Wilson's score interval.

    Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference",
    JASA 22 (1927); it holds for shares near 0 and 1, where the usual interval does not.

    Args:
        hits: How many of `count`; partial credit may make it no whole number.
        count: Of how many; more than 0.
        confidence: Between 0 and 1.

    Raises:
        ValueError: `count` is not positive, or `hits` is outside 0 to `count`.
    """
    if count <= 0 or not 0 <= hits <= count:
        raise ValueError(f"no share: {hits} of {count}")
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share = hits / count
    center = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    half /= 1 + z * z / count
    low, high = max(0.0, center - half), min(1.0, center + half)
    return IntervalEstimate(
        share, min(low, share), max(high, share)
    )  # rounding may pass a bound of 0 or 1


def sign_test(wins: int, losses: int) -> float:
    """The exact two-sided p value of `wins` against `losses` under a fair coin; ties are left out.

    Source: Dixon and Mood, "The statistical sign test", JASA 41 (1946).

    Raises:
        ValueError: a count is negative.
    """
    if wins < 0 or losses < 0:
        raise ValueError(f"no counts: {wins} and {losses}")
    count, few = wins + losses, min(wins, losses)
    tail: int = sum(math.comb(count, k) for k in range(few + 1))
    return min(1.0, float(2 * tail / 2**count))


def decisive_count(share: float, *, confidence: float = CONFIDENCE, power: float = 0.8) -> int:
    """How many decided pairs would tell a win rate of `share` from one half.

    The usual normal approximation for one share (Fleiss, "Statistical Methods for Rates and
    Proportions", 3rd ed., section 2.2).

    Args:
        share: The win rate seen, 0 to 1.
        confidence: Of the two-sided test.
        power: The chance to see the difference if it is there.

    Returns:
        Pairs; 0 where `share` is one half, for no number tells them apart.
    """
    difference = abs(share - 0.5)
    if difference == 0:
        return 0
    normal = NormalDist()
    z_test, z_power = normal.inv_cdf(0.5 + confidence / 2), normal.inv_cdf(power)
    spread = math.sqrt(share * (1 - share))
    return math.ceil(((0.5 * z_test + spread * z_power) / difference) ** 2)


def bootstrap(
    clusters: Sequence[T],
    statistic: Callable[[Sequence[T]], float],
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
    confidence: float = CONFIDENCE,
) -> IntervalEstimate:
    """`statistic` of all clusters, with a percentile bootstrap interval over clusters.

    A cluster is what was drawn independently: a picture with all that belongs to it. Source: Efron
    and Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 13.

    Args:
        clusters: At least one.
        statistic: A figure of a list of clusters; it may raise ZeroDivisionError for a resample
            that has none, which is left out.
        seed: The same seed gives the same interval.
        resamples: How often clusters are drawn anew.
        confidence: Between 0 and 1.

    Raises:
        ValueError: there are no clusters.
        ZeroDivisionError: `statistic` has none for the clusters as they are.
    """
    if not clusters:
        raise ValueError("no clusters")
    value = statistic(clusters)
    rng = random.Random(seed)
    drawn: list[float] = []
    for _ in range(resamples):
        with contextlib.suppress(ZeroDivisionError):
            drawn.append(statistic(rng.choices(clusters, k=len(clusters))))
    return IntervalEstimate(value, *percentiles(sorted(drawn) or [value], confidence))


def bootstrap_ratio(
    clusters: Iterable[tuple[float, float]],
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
    confidence: float = CONFIDENCE,
) -> IntervalEstimate | None:
    """Points of points possible, with a percentile bootstrap interval over clusters.

    As `bootstrap`, but the time does not grow with the clusters: it counts those that are alike and
    draws how often each kind comes. Where each gets all its points or nothing, nothing is drawn:
    the percentiles are those of the binomial law.

    Args:
        clusters: The points that each got, and those that it could get.
        seed: The same seed gives the same interval.
        resamples: How often clusters are drawn anew.
        confidence: Between 0 and 1.

    Returns:
        None where no point could be got.
    """
    kinds = Counter(clusters)
    possible = sum(most * count for (_, most), count in kinds.items())
    if not possible:
        return None
    if (exact := _binary_interval(kinds, confidence)) is not None:
        return exact
    value = sum(got * count for (got, _), count in kinds.items()) / possible
    rng = random.Random(seed)
    ordered = sorted(kinds.items())
    law = _Multinomial([count for _, count in ordered])
    drawn: list[float] = []
    for _ in range(resamples):
        counts = law.draw(rng)
        most = sum(kind[1] * n for (kind, _), n in zip(ordered, counts, strict=True))
        if most:
            got = sum(kind[0] * n for (kind, _), n in zip(ordered, counts, strict=True))
            drawn.append(got / most)
    return IntervalEstimate(value, *percentiles(sorted(drawn) or [value], confidence))


def _binary_interval(
    kinds: Mapping[tuple[float, float], int], confidence: float
) -> IntervalEstimate | None:
    """The bootstrap of clusters that get all of one and the same number of points, or nothing.

    What resamples get is then binomial, so that its percentiles are known without drawing any.
    None where the clusters are others.
    """
    most = {possible for _, possible in kinds}
    if len(most) != 1 or any(got not in (0.0, *most) for got, _ in kinds):
        return None
    [points] = most
    count, hits = sum(kinds.values()), kinds.get((points, points), 0)
    law = _Binomial(count, hits / count)
    tail = (1 - confidence) / 2
    return IntervalEstimate(
        hits / count, law.quantile(tail) / count, law.quantile(1 - tail) / count
    )


class _Binomial:
    """The binomial law: so many draws, each a hit with the same chance.

    Args:
        count: Draws.
        share: The chance of a hit.
    """

    def __init__(self, count: int, share: float) -> None:
        self._first, self._sums = 0, [1.0]
        if share >= 1:
            self._first = count
        elif share > 0 and count > 0:
            mean, spread = count * share, math.sqrt(count * share * (1 - share))
            self._first = max(0, math.floor(mean - 10 * spread - 10))
            last = min(count, math.ceil(mean + 10 * spread + 10))  # beyond lies less than 1e-20
            whole = math.lgamma(count + 1)
            hit, miss = math.log(share), math.log1p(-share)
            self._sums = list(itertools.accumulate(
                math.exp(whole - math.lgamma(k + 1) - math.lgamma(count - k + 1)
                         + k * hit + (count - k) * miss)
                for k in range(self._first, last + 1)
            ))  # fmt: skip

    def quantile(self, level: float) -> int:
        """The least number of hits that so large a share of the draws does not exceed."""
        at = bisect.bisect_left(self._sums, level * self._sums[-1])
        return self._first + min(at, len(self._sums) - 1)


class _Multinomial:
    """How often each of several kinds comes in as many draws as there are clusters."""

    def __init__(self, weights: Sequence[int]) -> None:
        self._weights = weights
        self._known: dict[tuple[int, int, int], _Binomial] = {}

    def draw(self, rng: random.Random) -> list[int]:
        """One resample."""
        left = total = sum(self._weights)
        counts = []
        for weight in self._weights:
            count = self._hits(rng, left, weight, total) if total else 0
            counts.append(count)
            left, total = left - count, total - weight
        return counts

    def _hits(self, rng: random.Random, count: int, weight: int, total: int) -> int:
        """How many of `count` draws hit; by the normal law where both sides are many."""
        mean = count * weight / total
        if min(mean, count - mean) > _MANY:
            hits = rng.gauss(mean, math.sqrt(mean * (1 - weight / total)))
            return min(count, max(0, round(hits)))
        key = (count, weight, total)
        if key not in self._known:
            self._known[key] = _Binomial(count, weight / total)
        return self._known[key].quantile(rng.random())


def percentiles(ordered: Sequence[float], confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The bounds between which the middle `confidence` of sorted figures lies."""
    tail = (1 - confidence) / 2
    return quantile(ordered, tail), quantile(ordered, 1 - tail)


def quantile(ordered: Sequence[float], share: float) -> float:
    """The figure below which `share` of sorted figures lie, interpolated (Hyndman-Fan type 7)."""
    position = share * (len(ordered) - 1)
    below = math.floor(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (position - below) * (ordered[above] - ordered[below])
