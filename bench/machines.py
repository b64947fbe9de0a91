"""One process, workers and Ray actors; the driver alone; merges of shards."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from bench.dataset import pictures, rows_file, say
from bench.process import ROOT, Used, fresh, measured, road_command, stub
from bench.report import Report

TITLE = "one process, workers and Ray; the driver alone; merges of shards"
WAYS = {
    "one process": [],
    "--workers 2": ["--workers", "2"],
    "--ray, 2 actors": ["--ray", "--replicas", "2"],
}
SHARDS = (1, 8, 64)
LARGE_ROWS = 60
PROGRAM = [sys.executable, "-m", "bench.clients.leases"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The bench's own options."""
    parser.add_argument("--rows", type=int, help="small pictures; default: 3000 (600 with --short)")
    parser.add_argument(
        "--driver", type=int, nargs="+", default=[10_000], help="rows of the driver alone"
    )
    parser.add_argument("--merge", type=int, default=100_000, help="rows of the merged shards")
    parser.add_argument("--without-ray", action="store_true", help="leave the actors out")


def run(options: argparse.Namespace) -> Report:
    """Each way once per kind of picture: these are whole processes, start and end included."""
    report = Report(
        "machines",
        TITLE,
        ("what", "rows", "seconds", "rows/s", "CPU ms/row", "peak MB"),
    )
    small = rows_file(pictures(100), options.rows or (600 if options.short else 3000))
    large = rows_file(pictures(4, (4000, 3000), weight=2000), LARGE_ROWS, 4)
    for kind, rows in (("640×480", small), ("4000×3000", large)):
        for way, words in WAYS.items():
            if options.without_ray and "ray" in way:
                continue
            with stub() as server:
                output = fresh("machines.jsonl")
                used = measured(road_command(rows, output, server.urls[0], *words))
            _add(report, f"{way}, {kind}", rows, used)
    for count in options.driver:
        rows, output = rows_file(pictures(100), count), fresh("driver.jsonl")
        _add(
            report, "driver alone, workers that answer at once", rows, *_own("driver", rows, output)
        )
    rows = rows_file(pictures(100), options.merge)
    for shards in SHARDS:
        output = fresh("merge.jsonl")
        _own("fill", rows, output, str(shards))
        _add(report, f"merge of {shards} shards", rows, *_own("merge", rows, output, str(shards)))
    report.notes.append(
        "whole processes on all cores, each once; peak MB is that of the largest process; the "
        "seconds of driver and merges are those of the work itself"
    )
    return report


def _own(what: str, *words: str | Path) -> tuple[Used, float]:
    used = measured([*PROGRAM, what, *words], environment={"PYTHONPATH": str(ROOT)})
    said: dict[str, Any] = json.loads(used.output.splitlines()[-1])
    return used, said["seconds"]


def _add(report: Report, what: str, rows: Path, used: Used, seconds: float | None = None) -> None:
    count = sum(1 for _ in rows.open())
    took = used.seconds if seconds is None else seconds
    report.rows.append((what, count, took, count / took, used.cpu / count * 1e3, used.peak_mb))
    say(f"{what}: {count / took:.0f} rows/s, {used.cpu / count * 1e3:.2f} ms CPU")
