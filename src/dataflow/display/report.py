"""What `dataflow check` tells: a page for people, JSON for scripts."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import accumulate

from rich.console import Console
from rich.table import Table
from rich.text import Text

from dataflow.app.quality.faults import fault_value, picture_name
from dataflow.checks.dataset.near_duplicates import NEAR
from dataflow.checks.dataset.report import (
    MOST_WORDS,
    DatasetReport,
    FaultCount,
    NearDuplicateGroups,
    QualityReport,
)
from dataflow.checks.dataset.scan import Fault
from dataflow.checks.encoder_tokens import ENCODERS, counter_of
from dataflow.checks.rules.text import clipped
from dataflow.core.text import is_shown
from dataflow.display.changes import changes_value, show_changes

_BINS = 12
_WIDTHS = [unit * ten for ten in (1, 10, 100, 1000, 10_000) for unit in (1, 2, 5)]
_BAR = 40
_SHORTEST_BAR = 10
_SHOWN_ROWS = 5
_SHOWN_WORDS = 12
_SHOWN_PHRASES = 6
_SHORT_WORD = 3
"""Up to this many letters a word says little about what captions speak of: the, und, avec …"""


# --- for scripts -------------------------------------------------------------------------------


def as_json(quality: QualityReport) -> str:
    """One JSON object."""
    value: dict[str, object] = {
        "rows": quality.rows,
        "unreadable": quality.unreadable,
        "columns": {name: _column(report) for name, report in quality.columns.items()},
    }
    if quality.changes is not None:
        value["changes"] = changes_value(quality.changes)
    return json.dumps(value, ensure_ascii=False)


def _column(report: DatasetReport) -> dict[str, object]:
    near = report.near
    return {
        "captions": report.captions,
        "faulty": report.faulty,
        "faults": {
            kind: {
                "count": found.count,
                "rows": found.rows,
                "examples": [fault_value(fault) for fault in found.examples],
            }
            for kind, found in _by_count(report)
        },
        "words": {str(length): count for length, count in sorted(report.lengths.items())},
        "languages": dict(report.languages.most_common()),
        "tokens": {
            name: {str(length): count for length, count in sorted(counts.items())}
            for name, counts in report.tokens.items()
        },
        "in_nearly_every_caption": dict(report.common.in_nearly_every()),
        "vocabulary": len(report.vocabulary),
        "vocabulary_is_whole": len(report.vocabulary) < MOST_WORDS,
        "openings": dict(report.openings.most_common(_SHOWN_WORDS)),
        "duplicates": None if near is None else near.same,
        "near_duplicates": None if near is None else near.near,
    }


# --- for people --------------------------------------------------------------------------------


def show_report(quality: QualityReport, console: Console) -> None:
    """The report as a page."""
    if not any(report.captions for report in quality.columns.values()):
        _say(console, f"{quality.name} has no rows, and so no captions")
    for name, report in quality.columns.items():
        if not report.captions:
            continue
        if len(quality.columns) > 1:
            console.print(Text(f"\n{_plain(name)}", style="bold"))
        _show_column(report, quality.rows, console)
    if quality.changes is not None:
        show_changes(quality, quality.changes, console)
    if quality.unreadable:
        _say(console, f"\nrows that cannot be read, and are left out: {quality.unreadable:,}")
        _show_list(console, (("", example) for example in quality.examples))


def _show_column(report: DatasetReport, rows: int, console: Console) -> None:
    total, sound = report.captions, report.captions - report.faulty
    of_rows = f" of {rows:,} rows" if total != rows else ""
    _say(
        console,
        f"{total:,} captions{of_rows}: {sound:,} without a fault ({_share(sound, total)}), "
        f"{report.faulty:,} with one or more ({_share(report.faulty, total)})",
    )
    _show_faults(report, console)
    if any(report.lengths.keys()):
        _show_lengths(report.lengths, console)
        _show_tokens(report.tokens, console)
        _show_words(report, console)
    if report.near is not None:
        _show_near(report.near, report.captions, console)


def _by_count(report: DatasetReport) -> list[tuple[str, FaultCount]]:
    return sorted(report.kinds.items(), key=lambda item: -item[1].count)


def _show_faults(report: DatasetReport, console: Console) -> None:
    if not report.kinds:
        return
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("fault")
    table.add_column("captions", justify="right")
    table.add_column("share", justify="right")
    table.add_column("rows, from 0", no_wrap=True)
    for kind, found in _by_count(report):
        more = " …" * (len(found.rows) > _SHOWN_ROWS)
        rows = " ".join(map(str, found.rows[:_SHOWN_ROWS])) + more
        table.add_row(kind, f"{found.count:,}", _share(found.count, report.captions), rows)
    console.print()
    console.print(table, highlight=False)
    _say(console, "\nfor example")
    several = any(fault.caption.number for kind in report.kinds.values() for fault in kind.examples)
    _show_list(
        console,
        (
            (kind, f"{_where(fault, several=several)}: {clipped(fault.reason, 110)}")
            for kind, found in _by_count(report)
            for fault in found.examples
        ),
    )


def _where(fault: Fault, *, several: bool) -> str:
    caption = fault.caption
    picture = os.path.basename(picture_name(caption.picture))  # noqa: PTH119
    name = f" ({picture})" if picture else ""
    return f"row {caption.row}{name}" + f", caption {caption.number + 1}" * several


def _show_lengths(lengths: Counter[int], console: Console) -> None:
    total = sum(lengths.values())
    width = _bin_width(_quantile(lengths, 0.99))
    bins: Counter[int] = Counter()
    for length, count in lengths.items():
        bins[min(length // width, _BINS)] += count
    low, middle, high = (_quantile(lengths, share) for share in (0.05, 0.5, 0.95))
    _say(
        console,
        f"\nwords in a caption: {middle} in the middle, {low} to {high} for nine of ten, "
        f"{max(lengths):,} at most",
    )
    lines = [
        (_span(number, width), bins[number], f"{bins[number]:,}  {_share(bins[number], total):>8}")
        for number in range(min(bins), max(bins) + 1)
    ]
    first = max(len(name) for name, _, _ in lines)
    last = max(len(figures) for _, _, figures in lines)
    longest = max(_SHORTEST_BAR, min(_BAR, console.width - first - last - 6))
    most = max(bins.values())
    for name, count, figures in lines:
        bar = "█" * round(longest * count / most) or "▏" * (count > 0)
        _say(console, f"  {name:>{first}}  {bar:<{longest}}  {figures:>{last}}")


def _show_tokens(tokens: Mapping[str, Counter[int]], console: Console) -> None:
    """How long captions are to text encoders, and how many are cut off."""
    parts = []
    for name, counts in tokens.items():
        limit = ENCODERS[name]
        over = sum(count for length, count in counts.items() if length > limit)
        cut = f", {over:,} over {limit}" if over else ""
        estimated = "" if counter_of(name).is_exact else " (estimated)"
        parts.append(f"{name} {_quantile(counts, 0.5)}, up to {max(counts)}{cut}{estimated}")
    _say(console, f"tokens of text encoders: {'; '.join(parts)}")


def _bin_width(longest: int) -> int:
    """So wide that captions up to `longest` go into the bins, and easy to read."""
    least = -(-(longest + 1) // _BINS)
    return next((width for width in _WIDTHS if width >= least), least)


def _span(number: int, width: int) -> str:
    first, last = number * width, number * width + width - 1
    return f"{first}+" if number == _BINS else f"{first}" + f"–{last}" * (width > 1)


def _show_words(report: DatasetReport, console: Console) -> None:
    words = report.vocabulary
    more = " or more" * (len(words) >= MOST_WORDS)
    long = [word for word, _ in words.most_common(500) if len(word) > _SHORT_WORD]
    frequent = (long or [word for word, _ in words.most_common(_SHOWN_WORDS)])[:_SHOWN_WORDS]
    lines = [f"vocabulary: {len(words):,}{more} different words; often {', '.join(frequent)}"]
    openings = report.openings.most_common(3)
    if openings and openings[0][1] > 1:
        shown = (f"“{text}” {_share(count, report.captions)}" for text, count in openings)
        lines.append(f"openings: {', '.join(shown)}")
    if common := report.common.in_nearly_every():
        named = (f"“{text}” {_share(share, 1)}" for text, share in common[:_SHOWN_PHRASES])
        lines.append(f"in nearly every caption: {', '.join(named)}")
    shares = [f"{code} {_share(n, report.captions)}" for code, n in report.languages.most_common(6)]
    cure = "not looked at; pip install 'dataflow-caption[check]'"
    lines.append(f"languages: {', '.join(shares) or cure}")
    console.print()
    for line in lines:
        _say(console, line)


def _show_near(near: NearDuplicateGroups, total: int, console: Console) -> None:
    bound = f" of the first {near.kept:,} different ones" if total > near.kept else ""
    _say(
        console,
        f"duplicates: {near.same:,} captions ({_share(near.same, total)}) are the same as an "
        f"earlier one{bound}, {near.near:,} ({_share(near.near, total)}) nearly the same "
        f"(similarity {NEAR} or more)",
    )
    pairs = ((f"row {row} as row {earlier}", text) for row, earlier, text in near.pairs)
    _show_list(console, ((rows, f"“{clipped(text, 110)}”") for rows, text in pairs))


def _quantile(lengths: Counter[int], share: float) -> int:
    ordered = sorted(lengths.items())
    least = share * sum(lengths.values())
    passed = zip(ordered, accumulate(count for _, count in ordered), strict=True)
    return next((length for (length, _), count in passed if count >= least), 0)


def _share(count: float, total: int) -> str:
    share = 100 * count / max(1, total)
    return "<0.01 %" if 0 < share < 0.01 else f"{share:.2f} %"


def _say(console: Console, line: str) -> None:
    """Print `line`, broken between words where the terminal ends."""
    console.print(Text(_plain(line)), highlight=False)


def _show_list(console: Console, items: Iterable[tuple[str, str]]) -> None:
    """Print each item beside its name; a long one goes on below itself."""
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in items:
        table.add_row(" ", Text(_plain(name)), Text(_plain(text)))
    console.print(table, highlight=False)


def _plain(text: str) -> str:
    """`text` without what could draw on a terminal."""
    return "".join(c if is_shown(c) or c == "\n" else "�" for c in text)
