"""What `dataflow check` tells: a page for people, JSON for scripts."""

from __future__ import annotations

import json
from collections import Counter
from itertools import accumulate

from rich.console import Console
from rich.table import Table

from dataflow.checks.look import Fault
from dataflow.checks.near import KEPT, NEAR
from dataflow.checks.report import MOST_WORDS, Kind, Report
from dataflow.checks.words import clipped

_BINS = 12
_BAR = 40
_SHOWN_ROWS = 5
_SHOWN_WORDS = 12


def as_json(report: Report) -> str:
    """One JSON object."""
    near = report.near
    value = {
        "rows": report.rows,
        "faulty": report.faulty,
        "faults": {
            kind: {
                "count": found.count,
                "rows": found.rows,
                "examples": [_example(fault) for fault in found.examples],
            }
            for kind, found in _by_count(report)
        },
        "words": {str(length): count for length, count in sorted(report.lengths.items())},
        "languages": dict(report.languages.most_common()),
        "vocabulary": len(report.vocabulary),
        "vocabulary_is_whole": len(report.vocabulary) < MOST_WORDS,
        "openings": dict(report.openings.most_common(_SHOWN_WORDS)),
        "near_duplicates": None if near is None else near.count,
    }
    return json.dumps(value, ensure_ascii=False)


def _example(fault: Fault) -> dict[str, object]:
    row, place, text, _ = fault.caption
    return {"row": row, "place": place, "reason": fault.reason, "text": text}


def show_report(report: Report, console: Console) -> None:
    """The report as a page."""
    sound = report.rows - report.faulty
    console.print(
        f"{report.rows:,} captions: {sound:,} without a fault ({_share(sound, report.rows)}), "
        f"{report.faulty:,} with one or more ({_share(report.faulty, report.rows)})",
        highlight=False,
    )
    if not report.rows:
        return
    _show_faults(report, console)
    _show_lengths(report.lengths, console)
    _show_words(report, console)
    _show_near(report, console)


def _by_count(report: Report) -> list[tuple[str, Kind]]:
    return sorted(report.kinds.items(), key=lambda item: -item[1].count)


def _show_faults(report: Report, console: Console) -> None:
    if not report.kinds:
        return
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("fault")
    table.add_column("captions", justify="right")
    table.add_column("share", justify="right")
    table.add_column("rows")
    for kind, found in _by_count(report):
        rows = " ".join(map(str, found.rows[:_SHOWN_ROWS])) + " …" * (found.count > _SHOWN_ROWS)
        share = _share(found.count, report.rows)
        table.add_row(kind, f"{found.count:,}", share, rows)
    console.print()
    console.print(table, highlight=False)
    console.print("\nfor example")
    for kind, found in _by_count(report):
        for fault in found.examples:
            line = f"  {kind}, row {fault.caption.row}: {clipped(fault.reason, 110)}"
            console.print(_plain(line), highlight=False, soft_wrap=True)


def _show_lengths(lengths: Counter[int], console: Console) -> None:
    total = sum(lengths.values())
    longest = _quantile(lengths, 0.99)
    width = max(1, -(-(longest + 1) // _BINS))
    bins: Counter[int] = Counter()
    for length, count in lengths.items():
        bins[min(length // width, _BINS)] += count
    most = max(bins.values())
    half, tail = _quantile(lengths, 0.5), max(lengths)
    console.print(f"\nwords in a caption: {half} in the middle, {tail:,} at most", highlight=False)
    for number in range(max(bins) + 1):
        first, last = number * width, number * width + width - 1
        name = f"{first}+" if number == _BINS else f"{first}" + f"–{last}" * (width > 1)
        bar = "█" * round(_BAR * bins[number] / most) or "▏" * (bins[number] > 0)
        line = f"{name:>9}  {bar:<{_BAR}} {bins[number]:>10,}  {_share(bins[number], total)}"
        console.print(line, highlight=False)


def _show_words(report: Report, console: Console) -> None:
    words, more = report.vocabulary, " or more" * (len(report.vocabulary) >= MOST_WORDS)
    frequent = ", ".join(word for word, _ in words.most_common(_SHOWN_WORDS))
    lines = [f"vocabulary: {len(words):,}{more} different words; most often {frequent}"]
    openings = report.openings.most_common(3)
    if openings and openings[0][1] > 1:
        shown = ", ".join(f"“{text}” {_share(count, report.rows)}" for text, count in openings)
        lines.append(f"openings: {shown}")
    shares = [f"{code} {_share(n, report.rows)}" for code, n in report.languages.most_common(6)]
    cure = r"not looked at; pip install 'dataflow-caption[check]'"
    lines.append(f"languages: {', '.join(shares) or cure}")
    console.print()
    for line in lines:
        console.print(_plain(line), highlight=False, soft_wrap=True)


def _show_near(report: Report, console: Console) -> None:
    near = report.near
    if near is None:
        return
    bound = f" of the first {KEPT:,}" if report.rows > KEPT else ""
    line = (
        f"near-duplicates: {near.count:,} captions ({_share(near.count, report.rows)}) are nearly "
        f"the same as an earlier one{bound} (similarity {NEAR} or more)"
    )
    console.print(_plain(line), highlight=False, soft_wrap=True)
    for row, earlier, text in near.pairs:
        line = f"  row {row} as row {earlier}: “{clipped(text, 80)}”"
        console.print(_plain(line), highlight=False, soft_wrap=True)


def _quantile(lengths: Counter[int], share: float) -> int:
    ordered = sorted(lengths.items())
    least = share * sum(lengths.values())
    passed = zip(ordered, accumulate(count for _, count in ordered), strict=True)
    return next((length for (length, _), count in passed if count >= least), 0)


def _share(count: int, total: int) -> str:
    return f"{100 * count / max(1, total):.2f} %"


def _plain(text: str) -> str:
    """`text` for the console: no markup in it, no control characters."""
    safe = "".join(c if c.isprintable() or c == "\n" else "�" for c in text)
    return safe.replace("[", r"\[")
