"""A number that is not known exactly: from where to where it lies, and what is likeliest."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Interval:
    """From `low` to `high`; the bounds of a sum are the sums of the bounds, so that they hold."""

    low: float
    likely: float
    high: float

    @classmethod
    def exactly(cls, value: float) -> Interval:
        """A number that is known."""
        return cls(value, value, value)

    @classmethod
    def of_mean(
        cls, values: Sequence[float], population: float = math.inf, *, spread: float = 0.0
    ) -> Interval:
        """The mean of a population, of which `values` are a fair sample.

        Two standard errors to each side; more for few values, since Student's t at 95 % lies
        below 2 + 8 / (n - 1); less where the sample is much of the population, and none where it is
        all of it (https://en.wikipedia.org/wiki/Standard_error#Finite_population_correction_(FPC)).
        From half to twice the value where there is only one.

        Args:
            values: At least one.
            population: How many there are in all.
            spread: How far values may be expected to lie from their mean, as a share of it; it
                weighs as much as one value, so that a few that are equal by chance claim nothing.
        """
        count = len(values)
        mean = math.fsum(values) / count
        if count >= population:
            return cls.exactly(mean)
        if count == 1:
            return cls(mean / 2, mean, mean * 2)
        squares = math.fsum((value - mean) ** 2 for value in values)
        expected = (spread * mean) ** 2
        variance = (squares + expected) / (count if spread else count - 1)
        error = math.sqrt(variance / count * (1 - count / population)) * (2 + 8 / (count - 1))
        return cls(max(0.0, mean - error), mean, mean + error)

    def __add__(self, other: Interval) -> Interval:
        return Interval(self.low + other.low, self.likely + other.likely, self.high + other.high)

    def __mul__(self, other: Interval | float) -> Interval:
        if not isinstance(other, Interval):
            other = Interval.exactly(other)
        return Interval(self.low * other.low, self.likely * other.likely, self.high * other.high)

    def within(self, error: float) -> Interval:
        """The same, where the truth may be up to ``1 + error`` times as much, or as little."""
        return Interval(self.low / (1 + error), self.likely, self.high * (1 + error))
