"""What a comparison found, in words and tables."""

from __future__ import annotations

from collections.abc import Iterator

from dataflow.app.evaluation.comparison_result import (
    Comparison,
    JudgedCaptions,
    pictures_to_decide,
)
from dataflow.app.evaluation.output.document import (
    Block,
    PictureExample,
    ResultDocument,
    ResultTable,
)
from dataflow.core.version import __version__
from dataflow.evaluate.pairs import PairResult, PairSummary
from dataflow.evaluate.statistics import IntervalEstimate

_LEAN = 0.6  # from here on a judge's lean to a side or to length is worth a sentence
_SIGNIFICANT = 0.05
_METHOD = (
    "Each pair of captions is shown to the judge twice, once in each order, with the picture. A "
    "pair is won only where both orders agree; a tie is a pair in which an order sees no "
    "difference, a flip one whose orders contradict each other, and equal texts tie without being "
    "shown. Pairs without a caption or without a readable answer are failures and left out. Win "
    "rates are of decided pairs, with 95 % percentile bootstrap intervals over pictures (Wilson's "
    "where all pictures agree); the p "
    "value is that of the exact two-sided sign test."
)


_BLIND = (
    "A person saw each picture with two captions, in a drawn order and with drawn sides, and not "
    "whose they were, and chose one of them or neither. Pairs that were not decided yet are left "
    "out. Win rates are of decided pairs, with 95 % percentile bootstrap intervals over pictures; "
    "the p value is that of the exact two-sided sign test."
)


def comparison_document(result: Comparison) -> ResultDocument:
    """The result for people: what was found, then how."""
    blocks: list[Block] = [
        (
            f"{result.pictures:,} pictures, judged by {result.model or 'the model'}; "
            f"joined {result.joined_by}."
        )
    ]
    for (one, other), summary in result.summaries.items():
        blocks.append(_table(one, other, summary))
        blocks += notes_of(one, other, summary)
    if result.ratings:
        blocks.append(_ratings(result))
    if len(result.names) > 2:
        blocks.append(_arena(result))
    return ResultDocument(
        title=f"Captions compared: {', '.join(result.names)}",
        blocks=blocks,
        method=list(_method(result)),
        examples=[_example(one) for one in result.examples],
        examples_title="Judged pictures",
    )


def _method(result: Comparison) -> Iterator[Block]:
    yield _BLIND if result.is_by_person else _METHOD
    rows = [
        ("judge", result.model),
        ("judge and question", result.judge),
        ("pictures in all datasets", f"{result.joined:,}, joined {result.joined_by}"),
        ("pictures compared", f"{result.pictures:,}"),
        ("seed", str(result.seed)),
        ("dataflow", __version__),
    ]
    for name in result.names:
        lacks, left_out = result.missing[name], result.left_out[name]
        rows.append((name, f"lacks {lacks:,} pictures; {left_out:,} rows left out"))
    yield ResultTable("", (), rows)
    yield f"The judge's question:\n\n{result.prompt}"


def notes_of(one: str, other: str, summary: PairSummary) -> list[str]:
    """What the figures mean, a sentence each."""
    notes = [_verdict(one, other, summary)]
    if summary.flip_rate is not None and summary.flip_rate > 1 - _LEAN:
        notes.append(
            f"The judge contradicts itself in {summary.flip_rate:.0%} of the pairs when their "
            "order changes: take a better judge."
        )
    if summary.longer_rate is not None and summary.longer_rate > _LEAN:
        notes.append(f"The longer caption won {summary.longer_rate:.0%} of the decided pairs.")
    return notes


def _verdict(one: str, other: str, summary: PairSummary) -> str:
    wins, losses = (summary.counts[r] for r in (PairResult.WIN, PairResult.LOSS))
    if wins + losses == 0:
        return "No pair is decided."
    if summary.p_value < _SIGNIFICANT:
        better = one if wins > losses else other
        return f"{better} is better (sign test, p = {summary.p_value:.2g})."
    chance = f"The difference may be chance (sign test, p = {summary.p_value:.2g})."
    if not summary.wanted:
        return chance
    return (
        f"{chance} About {summary.wanted:,} decided pairs would settle it: "
        f"{pictures_to_decide(summary):,} pictures like these."
    )


def _table(one: str, other: str, summary: PairSummary) -> ResultTable:
    counts = summary.counts
    rows = [
        ("wins, losses", f"{counts[PairResult.WIN]:,}, {counts[PairResult.LOSS]:,}"),
        (
            "ties",
            (
                f"{counts[PairResult.TIE]:,} by the judge, {counts[PairResult.FLIP]:,} by "
                f"contradiction, {counts[PairResult.EQUAL]:,} of equal texts"
            ),
        ),
        ("failed", f"{counts[PairResult.FAILED]:,}"),
        ("win rate", shown_rate(summary.win_rate)),
        ("with ties as half", shown_rate(summary.score)),
        ("sign test", f"p {_p_value(summary.p_value)}"),
        ("flips", _share(summary.flip_rate)),
        ("first shown chosen", _share(summary.first_rate)),
        ("longer caption won", _share(summary.longer_rate)),
    ]
    rows += [
        (f"win rate, {name or 'no group'}", shown_rate(facet.win_rate))
        for name, facet in summary.facets.items()
    ]
    return ResultTable(f"{one} against {other}", (), rows)


def _ratings(result: Comparison) -> ResultTable:
    ordered = sorted(result.ratings.items(), key=lambda item: -item[1].value)
    rows = [
        (name, f"{found.value:.0f}", f"{found.low:.0f} to {found.high:.0f}")
        for name, found in ordered
    ]
    return ResultTable(
        "Bradley-Terry ratings, on the Elo scale", ("dataset", "rating", "95 % interval"), rows
    )


def _arena(result: Comparison) -> ResultTable:
    ordered = sorted(result.arena.items(), key=lambda item: -item[1])
    rows = [(name, f"{score:+.2f}") for name, score in ordered]
    return ResultTable("Wins less losses", ("dataset", "mean over the others"), rows)


def _example(found: JudgedCaptions) -> PictureExample:
    results = "; ".join(
        f"{one} against {other}: {result.value}" for (one, other), result in found.results.items()
    )
    reasons = " / ".join(found.reasons)
    return PictureExample(found.picture, list(found.texts.items()), f"{results}. {reasons}".strip())


def shown_rate(estimate: IntervalEstimate | None) -> str:
    """A share with its interval, for people."""
    if estimate is None:
        return "no pair is decided"
    return f"{estimate.value:.1%} (95 % interval {estimate.low:.1%} to {estimate.high:.1%})"


def _p_value(value: float) -> str:
    return "< 0.0001" if value < 0.0001 else f"= {value:.4f}"


def _share(value: float | None) -> str:
    return "none" if value is None else f"{value:.1%}"
