"""Three endpoints as one: one of them slow, one that dies and comes back."""

from __future__ import annotations

import argparse
from itertools import chain

from bench.dataset import pictures, rows_file, say
from bench.process import fresh, measured, road_command, stub
from bench.report import Goal, Report, spread

TITLE = "three endpoints, one 5 times slower, one that dies and comes back"
SLOTS = 16
LATENCIES = (0.2, 1.0, 0.2)
AWAY = (20.0, 40.0)
"""Seconds after its first request in which the third is away."""

SECONDS = 70.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The bench's own options."""


def run(options: argparse.Namespace) -> Report:
    """As many rows as the endpoints together answer in `SECONDS`, `options.runs` times."""
    report = Report(
        "endpoints",
        TITLE,
        ("seconds", "captions/s", "possible", "captions/s ÷ possible", "failed rows",
         "requests ÷ rows"),
    )  # fmt: skip
    rows = int(possible(0, SECONDS))
    found = []
    for number in range(options.runs):
        found.append(_run_one(rows))
        say(f"run {number + 1}: {found[-1]}")
    figures = [spread(column) for column in zip(*found, strict=True)]
    report.rows.append(tuple(figures))
    report.goals += [
        Goal("captions/s over what is possible", 0.95, figures[3].median),
        Goal("failed rows", 0, figures[4].median, at_least=False),
    ]
    report.notes.append(
        f"{rows} rows; each endpoint works at {SLOTS} requests at a time, for 0.2 s, 1 s and 0.2 s "
        f"each; the third is away from {AWAY[0]:.0f} to {AWAY[1]:.0f} s; possible: what those that "
        "are there can answer between the first and the last answer of the run"
    )
    return report


def possible(first: float, last: float) -> float:
    """Answers that the endpoints can give between these seconds."""
    whole = sum(SLOTS / latency for latency in LATENCIES) * (last - first)
    missed = max(0.0, min(last, AWAY[1]) - max(first, AWAY[0])) * SLOTS / LATENCIES[2]
    return whole - missed


def _run_one(rows: int) -> tuple[float, ...]:
    dataset = rows_file(pictures(8, (64, 48), weight=2), rows, 8)
    latencies = chain.from_iterable(("--latency", str(latency)) for latency in LATENCIES)
    away = f"2:{AWAY[0]}:{AWAY[1]}"
    with stub(*latencies, "--slots", str(SLOTS), "--away", away) as server:
        more = chain.from_iterable(("--api-url", url) for url in server.urls[1:])
        output = fresh("endpoints.jsonl")
        used = measured(road_command(dataset, output, server.urls[0], *more), check=False)
        stats = [server.stats(port) for port in range(len(server.urls))]
    answered = sorted(one["first"] + at for one in stats for at in one["answered"])
    began = min(one["first"] for one in stats)
    seconds = answered[-1] - began
    errors = output.with_name(output.name + ".errors.jsonl")
    failed = len(errors.read_text().splitlines()) if errors.exists() else 0
    if used.status not in (0, 3):
        raise RuntimeError(used.output[-2000:])
    can = possible(0, seconds)
    return seconds, rows / seconds, can / seconds, rows / can, failed, len(answered) / rows
