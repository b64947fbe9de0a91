"""What `dataflow compare` found, as a table."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from dataflow.app.compare import Comparison
from dataflow.evaluate.pairs import PairResult, PairSummary
from dataflow.evaluate.statistics import IntervalEstimate

_LEAN = 0.6  # from here on a judge's lean to a side or to length is worth a sentence


def show_comparison(result: Comparison, console: Console) -> None:
    """Print the result for people."""
    console.print(Text(f"{result.pictures:,} pictures, judged by {result.model or 'the model'}"))
    for (one, other), summary in result.summaries.items():
        console.print(_table(one, other, summary))
        for sentence in notes_of(one, other, summary):
            console.print(Text(sentence))
    if result.ratings:
        table = Table(
            "dataset", "rating", "95 % interval", title="Bradley-Terry", title_justify="left"
        )
        for name, found in sorted(result.ratings.items(), key=lambda item: -item[1].value):
            table.add_row(Text(name), f"{found.value:.0f}", f"{found.low:.0f} to {found.high:.0f}")
        console.print(table)
    console.print(Text(f"Answers and result: {result.folder}"))


def notes_of(one: str, other: str, summary: PairSummary) -> list[str]:
    """What the figures mean, a sentence each."""
    notes = []
    wins, losses = (summary.counts[r] for r in (PairResult.WIN, PairResult.LOSS))
    if wins + losses == 0:
        notes.append("No pair is decided.")
    elif summary.p_value < 0.05:
        better = one if wins > losses else other
        notes.append(f"{better} is better (sign test, p = {summary.p_value:.2g}).")
    else:
        notes.append(
            f"The difference may be chance (sign test, p = {summary.p_value:.2g})."
            + (
                f" About {summary.wanted:,} decided pairs would settle it."
                if summary.wanted
                else ""
            )
        )
    if summary.flip_rate is not None and summary.flip_rate > 1 - _LEAN:
        notes.append(
            f"The judge contradicts itself in {summary.flip_rate:.0%} of the pairs when their "
            "order changes: take a better judge."
        )
    if summary.longer_rate is not None and summary.longer_rate > _LEAN:
        notes.append(f"The longer caption won {summary.longer_rate:.0%} of the decided pairs.")
    return notes


def _table(one: str, other: str, summary: PairSummary) -> Table:
    counts = summary.counts
    table = Table(title=Text(f"{one} against {other}"), title_justify="left", show_header=False)
    table.add_row("wins, losses", f"{counts[PairResult.WIN]:,}, {counts[PairResult.LOSS]:,}")
    table.add_row(
        "ties",
        f"{counts[PairResult.TIE]:,} by the judge, {counts[PairResult.FLIP]:,} by contradiction, "
        f"{counts[PairResult.EQUAL]:,} of equal texts",
    )
    table.add_row("failed", f"{counts[PairResult.FAILED]:,}")
    table.add_row("win rate", _shown(summary.win_rate))
    for name, facet in summary.facets.items():
        table.add_row(Text(f"  {name or 'none'}"), _shown(facet.win_rate))
    return table


def _shown(estimate: IntervalEstimate | None) -> str:
    if estimate is None:
        return "no pair is decided"
    return f"{estimate.value:.1%} (95 % interval {estimate.low:.1%} to {estimate.high:.1%})"
