"""Memory and time by the number of rows, with an engine that answers by itself."""

from __future__ import annotations

import argparse
import json
import sqlite3
import sys
import time
from pathlib import Path
from typing import Any

from bench.dataset import pictures, rows_file, say
from bench.process import ROOT, Used, fresh, measured
from bench.report import Goal, Report

TITLE = "peak memory by rows; a finished run again; a run of which 1,000 rows are missing"
MISSING = 1000
PROGRAM = [sys.executable, ROOT / "bench" / "clients" / "fake_run.py"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The bench's own options."""
    parser.add_argument(
        "--rows",
        type=int,
        nargs="+",
        help="captioned, in numbers that grow; default: 10000 100000 (2000 10000 with --short)",
    )
    parser.add_argument(
        "--resume",
        type=int,
        help="rows of the finished run; default: 1000000 (20000 with --short)",
    )


def run(options: argparse.Namespace) -> Report:
    """Each number of rows once: a peak does not vary as times do."""
    sizes = options.rows or ([2000, 10_000] if options.short else [10_000, 100_000])
    resumed = options.resume or (20_000 if options.short else 1_000_000)
    report = Report(
        "memory", TITLE, ("run", "rows", "peak MB", "seconds", "requests", "first request after, s")
    )
    folder = pictures(100)
    peaks = []
    for size in sizes:
        used, said = _run(rows_file(folder, size), fresh(f"memory-{size}.jsonl"))
        peaks.append(used.peak_mb)
        _add(report, "from the start", size, used, said)
    report.goals.append(Goal("peak MB", 250, max(peaks), at_least=False))
    if len(sizes) > 1:
        slope = (peaks[-1] - peaks[0]) / (sizes[-1] - sizes[0]) * 1e6
        report.goals.append(Goal("MB per million rows more", 10, slope, at_least=False))
    _resume(report, rows_file(folder, resumed), resumed)
    report.notes.append(
        "640×480 JPEGs of about 150 kB, 64 in flight, all cores; the finished run's journal is "
        "written by the bench; seconds are those of whole processes"
    )
    return report


def _resume(report: Report, rows: Path, size: int) -> None:
    output = fresh(f"resume-{size}.jsonl")
    say(f"writing a journal of {size} rows")
    measured([*PROGRAM, rows, output, "--fill"])
    _add(report, "all answered, no row seen yet", size, *_run(rows, output))
    _add(report, "all done before", size, *_run(rows, output))
    every = size // MISSING
    _forget(output, f"row % {every} = {every - 1}")
    used, said = _run(rows, output)
    _add(report, f"{MISSING} missing, here and there", size, used, said)
    _forget(output, f"row >= {size - MISSING}")
    used, last = _run(rows, output)
    _add(report, f"{MISSING} missing, the last ones", size, used, last)
    for where, one in (("here and there", said), ("the last ones", last)):
        what = f"seconds to the first request, {MISSING} missing, {where}"
        report.goals.append(Goal(what, 10, one["first"], at_least=False))


def _run(rows: Path, output: Path) -> tuple[Used, dict[str, Any]]:
    environment = {"BENCH_BEGAN": str(time.monotonic())}
    used = measured([*PROGRAM, rows, output], environment=environment)
    said: dict[str, Any] = json.loads(used.output.splitlines()[-1])
    say(f"{rows.name}: {used.peak_mb:.0f} MB, {used.seconds:.0f} s, {said}")
    return used, said


def _add(report: Report, what: str, rows: int, used: Used, said: dict[str, Any]) -> None:
    first = "–" if said["first"] is None else said["first"]
    report.rows.append((what, rows, used.peak_mb, used.seconds, said["requests"], first))


def _forget(output: Path, rows: str) -> None:
    """Take the answers of these rows out of the journal."""
    database = sqlite3.connect(output.with_name(output.name + ".dataflow") / "journal.sqlite")
    with database:
        database.execute(f"DELETE FROM results WHERE key IN (SELECT key FROM plan WHERE {rows})")
    database.close()
