"""What a trial of several models or prompts found, as values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from dataflow.app.evaluation.comparison_result import Comparison, comparison_value
from dataflow.core.version import __version__
from dataflow.evaluate.front import pareto_front
from dataflow.evaluate.statistics import IntervalEstimate, bootstrap_ratio, interval_value


@dataclass(frozen=True, slots=True)
class VariantFigures:
    """What one model with one prompt did on the sample.

    Attributes:
        name: How it is called in the trial.
        captions: Captions that it gave.
        failed: Kind of failure → rows without a caption.
        faults: Kind of fault → captions with it.
        sound: The share of rows with a caption and without a fault.
        words: The mean length of a caption; 0 without any.
        prompt_tokens: Read for the whole dataset, with a 95 % interval; None where not counted.
        completion_tokens: Written for the whole dataset, likewise.
        cost: US dollars for the whole dataset, likewise; None without a price.
        sample_cost: US dollars for the sample.
        seconds: From question to answer, the median of the captions.
        per_second: Captions a second of the run that asked; None where nothing is known of one.
        stopped: Why its run stopped; empty where it did not.
    """

    name: str
    captions: int
    failed: Mapping[str, int] = field(default_factory=dict)
    faults: Mapping[str, int] = field(default_factory=dict)
    sound: float = 0.0
    words: float = 0.0
    prompt_tokens: IntervalEstimate | None = None
    completion_tokens: IntervalEstimate | None = None
    cost: IntervalEstimate | None = None
    sample_cost: float | None = None
    seconds: float = 0.0
    per_second: float | None = None
    stopped: str = ""


@dataclass(frozen=True, slots=True)
class SideBySide:
    """A picture of the sample with the captions of all variants.

    Attributes:
        picture: Its path or URL.
        texts: Variant → caption; None where it has none.
    """

    picture: str
    texts: Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class TrialResult:
    """What a trial found.

    Attributes:
        source: The dataset.
        rows: Rows of the sample.
        of: Rows of the whole dataset.
        seed: Of the sample and of the intervals.
        variants: What each did.
        comparison: What the judge said; None without one, or where fewer than two have captions.
        prompts: Variant → what it was asked, in words.
        outputs: Variant → its captions' dataset.
        captions: The captions side by side.
        folder: Where everything is.
    """

    source: str
    rows: int
    of: int
    seed: int
    variants: Sequence[VariantFigures]
    comparison: Comparison | None
    prompts: Mapping[str, str]
    outputs: Mapping[str, Path]
    captions: Sequence[SideBySide] = field(repr=False)
    folder: Path

    @property
    def quality(self) -> dict[str, float]:
        """Variant → 0 to 1: points of its judged pairs, or without a judge its sound captions."""
        if self.comparison is None:
            return {one.name: one.sound for one in self.variants if not one.stopped}
        by_path = judged_points(self.comparison)
        return {
            name: by_path[str(path)] for name, path in self.outputs.items() if str(path) in by_path
        }

    @property
    def offers(self) -> dict[str, tuple[float, float]]:
        """Variant → price of the whole dataset in US dollars, and quality; those with both."""
        quality = self.quality
        return {
            one.name: (one.cost.value, quality[one.name])
            for one in self.variants
            if one.cost is not None and one.name in quality
        }

    @property
    def front(self) -> list[str]:
        """The variants that no other beats in price and quality, the cheapest first."""
        return pareto_front(self.offers)


def judged_points(comparison: Comparison) -> dict[str, float]:
    """Dataset → its points over all its judged pairs: wins, and half the ties."""
    points: dict[str, list[float]] = {}
    for (one, other), summary in comparison.summaries.items():
        if summary.score is not None:
            points.setdefault(one, []).append(summary.score.value)
            points.setdefault(other, []).append(1 - summary.score.value)
    return {name: sum(found) / len(found) for name, found in points.items()}


def figures_of(
    name: str,
    rows: Iterable[tuple[str | None, Mapping[str, Any]]],
    *,
    faults: Mapping[str, int],
    faulty: int,
    of: int,
    per_second: float | None,
    seed: int,
) -> VariantFigures:
    """The figures of one variant.

    Args:
        name: How it is called.
        rows: Caption and meta of each row; see `engine.meta`.
        faults: Kind of fault → captions with it.
        faulty: Captions with any fault.
        of: Rows of the whole dataset.
        per_second: Captions a second.
        seed: Of the intervals.
    """
    found = list(rows)
    texts = [text for text, _ in found if text]
    metas = [meta for _, meta in found]
    costs = [meta.get("cost") for meta in metas]
    known = [cost for cost in costs if cost is not None]
    tokens = [meta.get("tokens") or {} for meta in metas]
    failed = Counter(str(meta.get("status")) for text, meta in found if text is None)
    seconds = [meta.get("seconds") or 0.0 for text, meta in found if text]
    return VariantFigures(
        name=name,
        captions=len(texts),
        failed=dict(failed),
        faults=dict(faults),
        sound=max(0, len(texts) - faulty) / len(found) if found else 0.0,
        words=sum(len(text.split()) for text in texts) / len(texts) if texts else 0.0,
        prompt_tokens=_whole([one.get("prompt") for one in tokens], of, seed),
        completion_tokens=_whole([one.get("completion") for one in tokens], of, seed),
        cost=_whole(costs, of, seed),
        sample_cost=sum(known) if known else None,
        seconds=median(seconds) if seconds else 0.0,
        per_second=per_second,
    )


def _whole(values: Sequence[float | None], of: int, seed: int) -> IntervalEstimate | None:
    """The sum over the whole dataset, from the mean of a sample; None where a value is unknown.

    A row that was never sent has no value and costs nothing; where none has one, nothing is known.
    """
    if all(value is None for value in values):
        return None
    mean = bootstrap_ratio(((float(value or 0), 1.0) for value in values), seed=seed)
    if mean is None:
        return None
    return IntervalEstimate(mean.value * of, mean.low * of, mean.high * of)


def trial_value(result: TrialResult) -> dict[str, Any]:
    """The result as JSON values."""
    quality = result.quality
    return {
        "dataflow": __version__,
        "source": result.source,
        "sample": {"rows": result.rows, "of": result.of, "seed": result.seed},
        "variants": [
            {
                **{k: v for k, v in asdict(one).items() if not isinstance(v, IntervalEstimate)},
                "prompt_tokens": interval_value(one.prompt_tokens),
                "completion_tokens": interval_value(one.completion_tokens),
                "cost": interval_value(one.cost),
                "quality": quality.get(one.name),
                "prompt": result.prompts[one.name],
                "output": str(result.outputs[one.name]),
            }
            for one in result.variants
        ],
        "quality": "judged" if result.comparison else "share of sound captions",
        "front": result.front,
        "comparison": None if result.comparison is None else comparison_value(result.comparison),
    }
