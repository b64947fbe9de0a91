"""Servers that join and leave every ten seconds while a run goes, by the file of --endpoints."""

from __future__ import annotations

import argparse
import itertools
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from bench.dataset import pictures, rows_file, say
from bench.process import fresh, measured, road_command, stub
from bench.report import Goal, Report, spread

TITLE = "servers that join and leave every ten seconds"
SLOTS = 8
LATENCY = 0.2
STEP = 10.0
"""Seconds between two changes."""

STAGES = ((0,), (0, 1), (1,), (1, 2), (2,), (0, 2))
"""Which servers there are, one step after another, again and again."""

SECONDS = 120.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The bench's own options."""


def run(options: argparse.Namespace) -> Report:
    """As many rows as the servers that are there answer in `SECONDS`, `options.runs` times."""
    report = Report(
        "members",
        TITLE,
        ("seconds", "captions/s", "possible", "captions/s ÷ possible", "failed rows",
         "requests ÷ rows"),
    )  # fmt: skip
    rows = int(possible(0, SECONDS / (4 if options.short else 1)))
    found = []
    for number in range(options.runs):
        found.append(_run_one(rows))
        say(f"run {number + 1}: {found[-1]}")
    figures = [spread(column) for column in zip(*found, strict=True)]
    report.rows.append(tuple(figures))
    report.goals += [
        Goal("captions/s over what is possible", 0.9, figures[3].median),
        Goal("failed rows", 0, figures[4].median, at_least=False),
        Goal("requests over rows", 1, figures[5].median, at_least=False),
    ]
    report.notes.append(
        f"{rows} rows; each server works at {SLOTS} requests at a time, for {LATENCY} s each; "
        "possible: what those in the file can answer between the first and the last answer"
    )
    return report


def possible(first: float, last: float) -> float:
    """Answers that the servers in the file can give between these seconds."""
    total, at = 0.0, 0.0
    for there in itertools.cycle(STAGES):
        if at >= last:
            return total * SLOTS / LATENCY
        total += len(there) * max(0.0, min(at + STEP, last) - max(at, first))
        at += STEP
    raise AssertionError("the stages have no end")


def _change(path: Path, urls: Sequence[str], over: threading.Event) -> None:
    """Write who is there into the file, step by step, until it is over."""
    for there in itertools.cycle(STAGES):
        part = path.with_name(f"{path.name}.part")
        part.write_text("".join(f"{urls[number]}\n" for number in there))
        part.replace(path)
        if over.wait(STEP):
            return


def _run_one(rows: int) -> tuple[float, ...]:
    dataset = rows_file(pictures(8, (64, 48), weight=2), rows, 8)
    latencies = itertools.chain.from_iterable([("--latency", str(LATENCY))] * 3)
    output, servers = fresh("members.jsonl"), fresh("servers.txt")
    over = threading.Event()
    with stub(*latencies, "--slots", str(SLOTS)) as server:
        changing = threading.Thread(target=_change, args=(servers, server.urls, over))
        began = time.time()
        changing.start()
        while not servers.exists():
            time.sleep(0.01)
        command = [*road_command(dataset, output), "--endpoints", servers, "--model", "stub"]
        try:
            used = measured([*command, "--fault-alarm", "off"], check=False)
        finally:
            over.set()
            changing.join()
        stats = [server.stats(port) for port in range(len(server.urls))]
    if used.status not in (0, 3):
        raise RuntimeError(used.output[-2000:])
    now, clock = time.time(), time.monotonic()
    answered = sorted(one["first"] + at for one in stats for at in one["answered"])
    since = [at - clock + now - began for at in answered]
    seconds = since[-1] - since[0]
    errors = output.with_name(output.name + ".errors.jsonl")
    failed = len(errors.read_text().splitlines()) if errors.exists() else 0
    can = possible(since[0], since[-1])
    return seconds, rows / seconds, can / seconds, rows / can, failed, len(answered) / rows
