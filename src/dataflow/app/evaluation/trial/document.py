"""What a trial found, in words, one table and a drawing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice

from dataflow.app.evaluation.comparison_document import comparison_document
from dataflow.app.evaluation.output.document import (
    Block,
    Drawing,
    PictureExample,
    ResultDocument,
    ResultTable,
)
from dataflow.app.evaluation.trial.front_drawing import draw_front, money
from dataflow.app.evaluation.trial.result import TrialResult, VariantFigures
from dataflow.core.version import __version__
from dataflow.evaluate.statistics import IntervalEstimate

EXAMPLES = 100
"""Pictures of the sample that the page shows."""

_HEADER = (
    *("variant", "captions", "no fault", "words", "tokens in, out, whole set"),
    *("price, whole set", "price, sample", "seconds", "captions/s", "quality", "front"),
)
_METHOD = (
    "Every variant captioned the same rows, drawn at random by the seed, in an ordinary run each. "
    "Tokens and price of the whole dataset are the sample's mean times its rows, with 95 % "
    "percentile bootstrap intervals over rows; price and tokens of rejected attempts are in them. "
    "Seconds are the median from question to answer; captions per second are those of the run that "
    "asked. Faults are what dataflow check finds. A variant is on the front where no other is at "
    "least as good for no more money."
)


def trial_document(result: TrialResult) -> ResultDocument:
    """The result for people."""
    blocks: list[Block] = [
        (
            f"{result.rows:,} of {result.of:,} rows of {result.source}, drawn at random; "
            f"quality is {_quality_words(result)}."
        ),
        ResultTable("", _HEADER, list(_rows(result))),
    ]
    blocks += [f"{one.name} stopped: {one.stopped}" for one in result.variants if one.stopped]
    blocks.append(_front(result))
    if (faults := _faults(result)) is not None:
        blocks.append(faults)
    if result.comparison is not None:
        names = {str(path): name for name, path in result.outputs.items()}
        blocks += _renamed(comparison_document(result.comparison).blocks, names)
    return ResultDocument(
        title=f"Models tried on {result.source}",
        blocks=blocks,
        method=list(_method(result)),
        examples=list(islice(_examples(result), EXAMPLES)),
        examples_title="Captions side by side",
    )


def _quality_words(result: TrialResult) -> str:
    if result.comparison is None:
        return "the share of rows with a caption in which dataflow check finds no fault"
    return f"the share of points in judged pairs, ties as half, by {result.comparison.model}"


def _rows(result: TrialResult) -> Iterator[tuple[str, ...]]:
    quality, front = result.quality, result.front
    for one in sorted(result.variants, key=lambda one: -quality.get(one.name, -1.0)):
        value = quality.get(one.name)
        yield (
            one.name,
            f"{one.captions:,} of {result.rows:,}",
            f"{one.sound:.0%}",
            f"{one.words:.0f}",
            f"{_count(one.prompt_tokens)}, {_count(one.completion_tokens)}",
            _price(one.cost),
            "unknown" if one.sample_cost is None else money(one.sample_cost),
            f"{one.seconds:.2f}",
            "unknown" if one.per_second is None else f"{one.per_second:.1f}",
            "none" if value is None else f"{value:.1%}",
            "yes" if one.name in front else "",
        )


def _count(found: IntervalEstimate | None) -> str:
    return "unknown" if found is None else f"{found.value:,.0f}"


def _price(found: IntervalEstimate | None) -> str:
    if found is None:
        return "unknown"
    return f"{money(found.value)} ({money(found.low)} to {money(found.high)})"


def _front(result: TrialResult) -> Block:
    offers, front = result.offers, result.front
    if not offers:
        return (
            "No price against quality can be drawn: no variant has both a price and a quality. "
            "--prices FILE gives prices that the price list lacks."
        )
    words = ", then ".join(
        f"{name} ({money(offers[name][0])}, {offers[name][1]:.1%})" for name in front
    )
    axis = "judged quality" if result.comparison else "captions without a fault"
    return Drawing(
        "Price against quality",
        draw_front(offers, front, quality=axis),
        f"On the front of price and quality, the cheapest first: {words}.",
    )


def _faults(result: TrialResult) -> ResultTable | None:
    """Failures and faults by check, a column each."""
    kinds = sorted({kind for one in result.variants for kind in one.faults})
    failures = sorted({kind for one in result.variants for kind in one.failed})
    if not kinds and not failures:
        return None
    header = ("variant", *(f"failed: {kind}" for kind in failures), *kinds)
    rows = [
        (one.name, *_counts(one, failures, one.failed), *_counts(one, kinds, one.faults))
        for one in result.variants
    ]
    return ResultTable("Failures, and faults by check", header, rows)


def _counts(_one: VariantFigures, kinds: list[str], counts: Mapping[str, int]) -> Iterator[str]:
    return (f"{counts.get(kind, 0):,}" for kind in kinds)


def _renamed(blocks: object, names: Mapping[str, str]) -> list[Block]:
    """The comparison's blocks, with the variants' names for their datasets'."""

    def named(text: str) -> str:
        for path, name in names.items():
            text = text.replace(path, name)
        return text

    found: list[Block] = []
    for block in blocks if isinstance(blocks, (list, tuple)) else ():
        if isinstance(block, str):
            found.append(named(block))
        elif isinstance(block, ResultTable):
            rows = [[named(cell) for cell in row] for row in block.rows]
            found.append(ResultTable(named(block.title), block.header, rows))
    return found


def _method(result: TrialResult) -> Iterator[Block]:
    yield _METHOD
    if result.comparison is not None:
        yield from comparison_document(result.comparison).method
    rows = [
        ("dataset", f"{result.source}, {result.of:,} rows"),
        ("sample", f"{result.rows:,} rows, seed {result.seed}"),
        ("dataflow", __version__),
    ]
    yield ResultTable("", (), rows)
    yield ResultTable("What was asked", ("variant", "question"), list(result.prompts.items()))


def _examples(result: TrialResult) -> Iterator[PictureExample]:
    for one in result.captions:
        texts = [(name, text or "") for name, text in one.texts.items()]
        yield PictureExample(one.picture, texts)
