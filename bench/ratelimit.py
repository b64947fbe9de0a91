"""A server with a rate limit that it tells of by turning requests down alone."""

from __future__ import annotations

import argparse
from bisect import bisect_left
from collections.abc import Sequence

from bench.dataset import pictures, rows_file, say
from bench.process import fresh, measured, road_command, stub
from bench.report import Goal, Report, spread

TITLE = "a rate limit that is not known beforehand, then halved, then doubled"
RATE = 50.0
TOKENS = 500.0  # of a request on the average
FIRST, SECOND, THIRD = 60.0, 40.0, 40.0
SETTLED = 0.95
WINDOW = 5.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The bench's own options."""


def run(options: argparse.Namespace) -> Report:
    """Limits in requests and in tokens, `options.runs` times each."""
    report = Report(
        "ratelimit",
        TITLE,
        ("limit", "taken ÷ limit, 20–60 s", "turned down, 20–60 s", "turned down, all",
         "settles after halving, s", "settles after doubling, s"),
    )  # fmt: skip
    for kind, unit in (("50 requests/s", 1.0), ("25,000 tokens/s", TOKENS)):
        found = []
        for number in range(options.runs):
            found.append(_run_one(unit))
            say(f"run {number + 1}: {kind}: {found[-1]}")
        figures = [spread(column) for column in zip(*found, strict=True)]
        report.rows.append((kind, *figures))
        share, wasted, _, halved, doubled = (figure.median for figure in figures)
        report.goals += [
            Goal(f"{kind}: taken over the limit", 0.97, share),
            Goal(f"{kind}: share turned down", 0.02, wasted, at_least=False),
            Goal(f"{kind}: seconds to settle after halving", 15, halved, at_least=False),
            Goal(f"{kind}: seconds to settle after doubling", 15, doubled, at_least=False),
        ]
    report.notes.append(
        "answers after 0.2 s; the limit is a bucket that holds one second of it, and a 429 says "
        "nothing of when to come again; settled: the next five seconds "
        "bring 95 to 105 % of the limit, and under 5 % are turned down"
    )
    return report


def _run_one(unit: float) -> tuple[float, ...]:
    changed, back = FIRST, FIRST + SECOND
    limit = f"0:{RATE * unit},{changed}:{RATE * unit / 2},{back}:{RATE * unit}"
    rows = int(RATE * (FIRST + SECOND / 2 + THIRD))
    dataset = rows_file(pictures(8, (64, 48), weight=2), rows, 8)
    options = ["--latency", "0.2", "--limit", limit]
    with stub(*options, *(["--tokens"] if unit != 1 else [])) as server:
        measured(road_command(dataset, fresh("ratelimit.jsonl"), server.urls[0]))
        stats = server.stats()
    sent = [at - 0.2 for at in stats["answered"]]
    refused = stats["refused"]
    taken_then, refused_then = _between(sent, 20, changed), _between(refused, 20, changed)
    return (
        taken_then / (changed - 20) / RATE,
        refused_then / (taken_then + refused_then),
        len(refused) / (len(sent) + len(refused)),
        _settled(sent, refused, changed, RATE / 2),
        _settled(sent, refused, back, RATE),
    )


def _between(times: Sequence[float], first: float, last: float) -> int:
    return bisect_left(times, last) - bisect_left(times, first)


def _settled(taken: Sequence[float], refused: Sequence[float], change: float, rate: float) -> float:
    """Seconds from `change` on until five seconds bring what `rate` allows, with little waste.

    After a halving the bucket's rest goes first, so more than the rate is no sign either.
    """
    for tenth in range(600):
        start = change + tenth / 10
        these, those = (_between(times, start, start + WINDOW) for times in (taken, refused))
        share = these / WINDOW / rate
        if SETTLED <= share <= 2 - SETTLED and those <= (1 - SETTLED) * these:
            return tenth / 10
    return float("inf")
