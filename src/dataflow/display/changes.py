"""What `dataflow check --before` tells: two states of a dataset side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from rich.console import Console
from rich.table import Table
from rich.text import Text

from dataflow.checks.dataset.report import CaptionChanges, DatasetReport, QualityReport
from dataflow.checks.encoder_tokens import ENCODERS
from dataflow.checks.rules.text import clipped
from dataflow.display.plain import printable


def changes_value(changes: CaptionChanges) -> dict[str, object]:
    """As plain JSON."""
    return {
        "same": changes.same,
        "changed": changes.changed,
        "added": changes.added,
        "removed": changes.removed,
        "examples": [
            {"row": after.row, "picture": after.picture, "before": was.text, "after": after.text}
            for was, after in changes.examples
        ],
    }


def show_changes(quality: QualityReport, changes: CaptionChanges, console: Console) -> None:
    """What changed, with the figures of both states of each column."""
    console.print(
        Text(
            f"\nsince {printable(changes.before.name)}: {changes.same:,} captions the same, "
            f"{changes.changed:,} changed, {changes.added:,} new, {changes.removed:,} gone"
        ),
        highlight=False,
    )
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("")
    table.add_column("before", justify="right")
    table.add_column("now", justify="right")
    several = len(quality.columns) > 1
    for name, now in quality.columns.items():
        column = f"{printable(name)}: " if several else ""
        for figure, was, here in _figures(changes.before.columns[name], now):
            table.add_row(Text(f"{column}{figure}"), f"{was:,}", f"{here:,}")
    console.print(table, highlight=False)
    for former, after in changes.examples:
        where = f"row {after.row}" + (f" ({after.picture})" if after.picture else "")
        lines = f"{where}\n  was “{clipped(former.text, 110)}”\n  now “{clipped(after.text, 110)}”"
        console.print(Text("\n".join(map(printable, lines.split("\n")))), highlight=False)


def _figures(was: DatasetReport, now: DatasetReport) -> Iterator[tuple[str, int, int]]:
    """What is compared: a name, and a number of each state."""
    yield "captions", was.captions, now.captions
    yield "with a fault", was.faulty, now.faulty
    for kind in sorted({*was.kinds, *now.kinds}):
        counts = [report.kinds[kind].count if kind in report.kinds else 0 for report in (was, now)]
        yield f"  {kind}", counts[0], counts[1]
    yield "words, in the middle", _middle(was.lengths), _middle(now.lengths)
    for name, limit in ENCODERS.items():
        over = [
            sum(n for tokens, n in report.tokens.get(name, Counter()).items() if tokens > limit)
            for report in (was, now)
        ]
        if any(over):
            yield f"over {limit} tokens of {name}", over[0], over[1]
    yield "different words", len(was.vocabulary), len(now.vocabulary)


def _middle(lengths: Counter[int]) -> int:
    ordered = sorted(lengths.elements())
    return ordered[len(ordered) // 2] if ordered else 0
