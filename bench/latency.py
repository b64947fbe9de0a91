"""A server that takes a second for each answer: does the road keep its places full?"""

from __future__ import annotations

import argparse
from typing import Any

from bench.dataset import pictures, rows_file, say
from bench.process import fresh, measured, road_command, stub
from bench.report import Goal, Report, spread

TITLE = "a server with 1 s latency, against the rate that its latency allows"
KINDS = {"always 1 s": "1.0", "log-normal, mean 1 s": "lognormal:1.0"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The bench's own options."""
    parser.add_argument("--rows", type=int, help="default: 20000 (3000 with --short)")
    parser.add_argument("--in-flight", type=int, default=256)
    parser.add_argument("--search", action="store_true", help="let the level be found, up to that")


def run(options: argparse.Namespace) -> Report:
    """Each kind of latency in turn, `options.runs` times."""
    rows = options.rows or (3000 if options.short else 20_000)
    report = Report(
        "latency",
        TITLE,
        ("latency", "captions/s, steady", "ideal", "steady ÷ ideal", "whole run ÷ ideal",
         "CPU ms/caption", "server's CPU share"),
    )  # fmt: skip
    for kind, latency in KINDS.items():
        found = []
        for number in range(options.runs):
            found.append(_run_one(rows, options, latency))
            say(f"run {number + 1}: {kind}: {found[-1]['share']:.3f} of the ideal")
        columns = ("rate", "ideal", "share", "whole", "cpu", "server")
        figures = [spread([one[name] for one in found]) for name in columns]
        report.rows.append((kind, *figures))
        report.goals.append(Goal(f"{kind}: steady rate over the ideal", 0.98, figures[2].median))
    report.notes.append(
        f"{rows} rows, 640×480 JPEGs of about 150 kB, {options.in_flight} in flight"
        f"{' at most, the level found' if options.search else ''}; ideal: in flight ÷ the mean of "
        "the latencies drawn; steady: from a tenth to nine tenths of the answers"
    )
    return report


def _run_one(rows: int, options: argparse.Namespace, latency: str) -> dict[str, float]:
    dataset = rows_file(pictures(100), rows)
    in_flight = options.in_flight
    more = [] if options.search else ["--concurrency", str(in_flight)]
    with stub("--latency", latency) as server:
        used = measured(road_command(dataset, fresh("latency.jsonl"), server.urls[0], *more))
        stats = server.stats()
    rate = steady_rate(stats)
    ideal = in_flight / stats["mean_delay"]
    return {
        "rate": rate,
        "ideal": ideal,
        "share": rate / ideal,
        "whole": rows / used.seconds / ideal,
        "cpu": used.cpu * 1000 / rows,
        "server": stats["cpu_share"],
    }


def steady_rate(stats: dict[str, Any]) -> float:
    """Answers per second between the first and the last tenth of them."""
    answered: list[float] = stats["answered"]
    first, last = len(answered) // 10, len(answered) * 9 // 10
    return (last - first) / (answered[last] - answered[first])
