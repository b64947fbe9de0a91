"""Tokens and money of what a run would ask, each with the span in which it lies."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from dataflow.billing.interval import Interval
from dataflow.billing.price import NoPrice, Price
from dataflow.billing.text_tokens import text_tokens
from dataflow.engine.estimate.dry_run import DryRun, PlannedRequest
from dataflow.images.decode.target_size import sent_size

ASSUMED_ANSWER = Interval(30, 200, 1000)
"""Tokens of a caption where none was seen yet: from one sentence to a page."""

_NONE = Interval.exactly(0)
_ENOUGH = 3  # answers by which the rules are checked
_PREFIX_ERROR = 0.1  # the first rows of a dataset may differ from the others
_COUNT_ERROR = 0.01  # three standard errors of `DistinctCounter`, rounded up
_LEAST_ERROR = 0.02  # of what is measured: servers' counts change a little from day to day
_MEAN_ERROR = 0.05  # of answers' length: the rest may be of another kind
_SPREAD = 0.5  # of answers' lengths and pictures' tokens around their mean


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """By what is counted.

    Attributes:
        rule: Width and height in pixels, as sent → tokens; None where it is not known.
        rule_error: How far a bill may lie from the rule, as a share.
        price: What tokens cost.
        max_tokens: Of one answer at most; None for any number.
    """

    rule: Callable[[int, int], int] | None
    rule_error: float
    price: Price | NoPrice
    max_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class CostBreakdown:
    """What a run would use and cost.

    Attributes:
        pictures: Tokens read, of pictures; None where no rule is known.
        texts: Tokens read, of texts and what stands around them.
        prompt: Tokens read, together; None where neither a rule nor an answer tells them.
        completion: Tokens written.
        cost: US dollars; None where tokens or price are not known.
    """

    pictures: Interval | None
    texts: Interval
    prompt: Interval | None
    completion: Interval
    cost: Interval | None


@dataclass(frozen=True, slots=True)
class Estimate:
    """A forecast with its bill.

    Attributes:
        requests: Distinct requests to be made, unreadable pictures' among them.
        unreadable: Kind of error → requests that would not be made for it.
        bill: At the size that is planned.
        by_side: Other longest sides, in pixels → the bill at them.
        checked: Answers by which the tokens read were checked, or from which they were taken.
        measured: Answers from which the length was taken; 0 where it is assumed.
        charged: What the server charged for those answers, as a share of what the rules say of
            them; None where that is not known.
        asks: Of one caption on the average, in those answers; None where there are none.
    """

    requests: Interval
    unreadable: dict[str, Interval]
    bill: CostBreakdown
    by_side: dict[int, CostBreakdown]
    checked: int
    measured: int
    charged: float | None
    asks: float | None


def estimate(
    found: DryRun, terms: Terms, *, max_side: int, other_sides: Iterable[int] = ()
) -> Estimate:
    """What the run of `found` would use and cost.

    Args:
        found: What it would ask.
        terms: By what is counted.
        max_side: Pixels of the longest side that is sent.
        other_sides: Others, to compare with.
    """
    return _Estimator(found, terms).estimate(max_side, other_sides)


class _Estimator:
    def __init__(self, found: DryRun, terms: Terms) -> None:
        self._found = found
        self._terms = terms
        self._requests = _requests(found)
        is_whole = found.is_exact and found.read == found.rows
        self._population = found.requests if is_whole else math.inf
        self._answers = [asked for asked in found.answered if _was_captioned(asked)]
        # columns differ in what they ask and in how long their answers are
        self._columns = list(dict.fromkeys(asked.column for asked in found.open))

    def estimate(self, max_side: int, other_sides: Iterable[int]) -> Estimate:
        ratios = self._ratios(max_side)
        problems = Counter(asked.problem for asked in self._found.open if asked.problem)
        bill = self._bill(max_side, ratios, is_planned=True)
        asks = self._asks()
        return Estimate(
            requests=self._requests,
            unreadable={kind: self._share(kind) for kind in problems},
            bill=bill,
            by_side={side: self._bill(side, ratios, side == max_side) for side in other_sides},
            checked=len(ratios) if self._terms.rule else len(_prompt_tokens(self._answers)),
            measured=self._measured(),
            charged=math.fsum(ratios) / len(ratios) / (asks or 1) if ratios else None,
            asks=asks,
        )

    def _asks(self) -> float | None:
        """Of one caption on the average; what was measured holds all of them."""
        counts = [one.answer.asks for one in self._answers if one.answer]
        return math.fsum(counts) / len(counts) if counts else None

    def _share(self, kind: str) -> Interval:
        """Requests with this problem."""
        return self._mean([float(asked.problem == kind) for asked in self._found.open])

    def _mean(self, values: Sequence[float]) -> Interval:
        """All requests' sum, from the sample's values."""
        return Interval.of_mean(values, self._population) * self._requests if values else _NONE

    def _bill(self, side: int, ratios: Sequence[float], is_planned: bool) -> CostBreakdown:
        asked = self._found.open
        texts = [_texts(one) for one in asked]
        text = Interval(
            self._mean([span.low for span in texts]).low,
            self._mean([span.likely for span in texts]).likely,
            self._mean([span.high for span in texts]).high,
        )
        pictures = [self._pictures(one, side) for one in asked] if self._terms.rule else None
        picture = self._mean(pictures).within(self._terms.rule_error) if pictures else None
        if pictures is None:
            prompt = self._read() if is_planned else None
        elif len(ratios) >= _ENOUGH:
            both = [a + b.likely for a, b in zip(pictures, texts, strict=True)]
            prompt = self._mean(both) * Interval.of_mean(ratios).within(_LEAST_ERROR)
        else:
            prompt = (picture or _NONE) + text
        completion = self._completion()
        return CostBreakdown(picture, text, prompt, completion, self._cost(prompt, completion))

    def _completion(self) -> Interval:
        written = [self._made(column) * self._length(column) for column in self._columns]
        return sum(written, start=_NONE)

    def _length(self, column: str) -> Interval:
        """Tokens of one answer in `column`."""
        lengths = _completion_tokens(self._answers_in(column))
        if lengths:
            return _per_answer(lengths)
        own = [asked.most for asked in self._found.open if asked.column == column]
        most = max((number for number in own if number), default=self._terms.max_tokens) or math.inf
        assumed = ASSUMED_ANSWER
        return Interval(min(assumed.low, most), min(assumed.likely, most), min(assumed.high, most))

    def _read(self) -> Interval | None:
        """Tokens read, by what was charged for other answers; None where a column has none."""
        charged = [_prompt_tokens(self._answers_in(column)) for column in self._columns]
        if not all(charged):
            return None
        read = [
            self._made(column) * _per_answer(counts)
            for column, counts in zip(self._columns, charged, strict=True)
        ]
        return sum(read, start=_NONE) if read or _prompt_tokens(self._answers) else None

    def _made(self, column: str) -> Interval:
        """Requests for `column` that can be made."""
        asked = self._found.open
        return self._mean([float(a.problem is None and a.column == column) for a in asked])

    def _answers_in(self, column: str) -> list[PlannedRequest]:
        return [asked for asked in self._answers if asked.column == column]

    def _measured(self) -> int:
        """Answers from which the length of all columns' answers was taken."""
        counts = [len(_completion_tokens(self._answers_in(column))) for column in self._columns]
        return len(_completion_tokens(self._answers)) if all(counts) else 0

    def _pictures(self, asked: PlannedRequest, side: int) -> float:
        rule = self._terms.rule
        if rule is None:
            return 0.0
        return float(sum(rule(*sent_size(size, side)) for size in asked.sizes))

    def _ratios(self, side: int) -> list[float]:
        """What was charged for each answer ÷ what the rules say of it."""
        if self._terms.rule is None:
            return []
        predicted = [self._pictures(one, side) + _texts(one).likely for one in self._answers]
        charged = [one.answer.prompt_tokens if one.answer else None for one in self._answers]
        return [c / t for c, t in zip(charged, predicted, strict=True) if c is not None and t > 0]

    def _cost(self, prompt: Interval | None, completion: Interval) -> Interval | None:
        price = self._terms.price
        if isinstance(price, NoPrice):
            return None
        if price.is_free:
            return _NONE
        if prompt is None:
            return None
        rates = price.rates
        return (prompt * float(rates.prompt) + completion * float(rates.completion)) * 1e-6


def _requests(found: DryRun) -> Interval:
    whole = Interval.exactly(found.requests * found.rows / max(1, found.read))
    if found.read < found.rows:
        return whole.within(_PREFIX_ERROR)
    return whole if found.is_exact else whole.within(_COUNT_ERROR)


def _per_answer(values: Sequence[float]) -> Interval:
    return Interval.of_mean(values, spread=_SPREAD).within(_MEAN_ERROR)


def _prompt_tokens(answers: Iterable[PlannedRequest]) -> list[float]:
    found = [one.answer.prompt_tokens for one in answers if one.answer]
    return [float(count) for count in found if count is not None]


def _completion_tokens(answers: Iterable[PlannedRequest]) -> list[float]:
    found = [one.answer.completion_tokens for one in answers if one.answer]
    return [float(count) for count in found if count is not None]


def _was_captioned(asked: PlannedRequest) -> bool:
    return asked.answer is not None and asked.answer.has_caption and asked.problem is None


def _texts(asked: PlannedRequest) -> Interval:
    return _NONE if asked.problem is not None else text_tokens(asked.texts, asked.turns)
