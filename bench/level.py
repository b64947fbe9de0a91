"""How many requests are in flight, and how fast they come, second by second: two plots."""

from __future__ import annotations

import argparse
from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

from bench.dataset import pictures, rows_file, say
from bench.process import ROOT, fresh, measured, road_command, stub
from bench.ratelimit import RATE
from bench.report import Report, spread
from bench.svg import Line, Plot

TITLE = "requests in flight at servers of several sizes, and the pace at a rate limit; as plots"
SLOTS = {16: "#1b7f5c", 48: "#c4581b", 128: "#3455a4"}
LATENCY = 1.0
SECONDS = 120.0
STEPS = ((0.0, RATE), (60.0, RATE / 2), (100.0, RATE))
FOUND = 30.0
"""Seconds after which the level should be found."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The bench's own options."""
    parser.add_argument(
        "--plots", type=Path, default=ROOT / "docs", help="where they go (default: docs/)"
    )


def run(options: argparse.Namespace) -> Report:
    """Each server once: this is to be looked at; the figures are those of the other benches."""
    seconds = SECONDS / 4 if options.short else SECONDS
    report = Report(
        "level",
        TITLE,
        ("server", "answers/s ÷ possible", "in flight, median (range) from 30 s on",
         "429s of requests"),
    )  # fmt: skip
    lines = []
    for slots, colour in SLOTS.items():
        stats = _run_one(int(slots / LATENCY * seconds), "--slots", str(slots), latency=LATENCY)
        flights = in_flight(stats)
        lines.append(Line(f"{slots} at a time", flights, colour))
        bound = [(0.0, float(slots)), (flights[-1][0], float(slots))]
        lines.insert(0, Line("", bound, colour, dashed=True))
        _add(report, f"works at {slots}", stats, flights, slots / LATENCY)
    Plot(
        "Requests in flight at servers that work at 16, 48 and 128 at a time",
        "seconds since the first request",
        "in flight",
        lines,
    ).write(options.plots / "level.svg")
    _pace(report, options, seconds)
    report.notes.append(
        f"the real command with its own choice of the level; answers after {LATENCY} s (0.2 s with "
        "the limit); each point of a plot is the mean of a second; dashed: what the server can do"
    )
    return report


def _pace(report: Report, options: argparse.Namespace, seconds: float) -> None:
    steps = [(since * seconds / SECONDS, rate) for since, rate in STEPS]
    limit = ",".join(f"{since}:{rate}" for since, rate in steps)
    ends = [since for since, _ in steps[1:]] + [seconds * 1.15]
    rows = sum(rate * (end - since) for (since, rate), end in zip(steps, ends, strict=True))
    stats = _run_one(int(rows), "--limit", limit, latency=0.2)
    allowed = [
        (at, rate) for (since, rate), end in zip(steps, ends, strict=True) for at in (since, end)
    ]
    lines = [
        Line("the limit", allowed, "#888", dashed=True),
        Line("answered", per_second(stats["answered"]), "#1b7f5c"),
        Line("turned down (429)", per_second(stats["refused"]), "#c4581b"),
    ]
    Plot(
        "Requests per second at a rate limit that is halved, then doubled",
        "seconds since the first request",
        "requests/s",
        lines,
    ).write(options.plots / "pace.svg")
    _add(report, "a limit of 50, 25, 50 requests/s", stats, in_flight(stats), None)


def _run_one(rows: int, *options: str, latency: float) -> dict[str, Any]:
    dataset = rows_file(pictures(8, (64, 48), weight=2), rows, 8)
    with stub("--latency", str(latency), *options) as server:
        measured(road_command(dataset, fresh("level.jsonl"), server.urls[0]))
        stats = server.stats()
    say(f"{' '.join(options)}: {rows} rows in {stats['answered'][-1]:.0f} s")
    return stats


def _add(
    report: Report,
    server: str,
    stats: dict[str, Any],
    flights: Sequence[tuple[float, float]],
    possible: float | None,
) -> None:
    answered, refused = stats["answered"], len(stats["refused"])
    share: object = "–"
    if possible is not None:
        first, last = len(answered) // 10, len(answered) * 9 // 10
        share = (last - first) / (answered[last] - answered[first]) / possible
    # the last seconds run out of rows
    settled = [count for at, count in flights if FOUND <= at < flights[-1][0] - 5]
    found = spread(settled) if settled else "–"
    report.rows.append((server, share, found, refused / (refused + len(answered))))


def in_flight(stats: dict[str, Any]) -> list[tuple[float, float]]:
    """The mean number of requests under way in each second."""
    changes = [(at, 1) for at in stats["arrived"]]
    changes += [(at, -1) for name in ("answered", "refused") for at in stats[name]]
    changes.sort()
    counts = [0, *accumulate(change for _, change in changes)]
    area = [0.0] * (int(changes[-1][0]) + 1)
    for (since, _), (until, _), count in zip(changes, changes[1:], counts[1:], strict=False):
        while int(since) < int(until):
            area[int(since)] += count * (int(since) + 1 - since)
            since = float(int(since) + 1)
        area[int(since)] += count * (until - since)
    return [(second + 0.5, mean) for second, mean in enumerate(area[:-1])]


def per_second(times: Sequence[float]) -> list[tuple[float, float]]:
    """How many of `times` lie in each second."""
    if not times:
        return [(0.0, 0.0)]
    whole = range(int(times[-1]))
    counted = [bisect_left(times, second + 1) - bisect_left(times, second) for second in whole]
    return [(second + 0.5, float(count)) for second, count in enumerate(counted)]
