"""Peak memory and rows per second of each format, with an engine that answers by itself.

Rows are 2 kB of text, without pictures: a million of them are 2 GB. In a .tar each has a small
picture.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from bench.dataset import say
from bench.process import DATA, ROOT, Used, fresh, measured
from bench.report import Goal, Report

TITLE = "peak memory and rows per second of each dataset format"
ENDINGS = ("json", "jsonl", "csv", "parquet", "tar", "jsonl.gz")
MOST_MB = 300
MOST_GROWTH_MB = 30
PROGRAM = [sys.executable, ROOT / "bench" / "clients" / "formats_run.py"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The bench's own options."""
    parser.add_argument(
        "--rows",
        type=int,
        nargs="+",
        help="in numbers that grow; default: 10000 100000 (2000 10000 with --short)",
    )
    parser.add_argument("--formats", nargs="+", default=ENDINGS, choices=ENDINGS, metavar="ENDING")


def run(options: argparse.Namespace) -> Report:
    """Each number of rows once: a peak does not vary as times do."""
    sizes = options.rows or ([2000, 10_000] if options.short else [10_000, 100_000])
    columns = ("format", "rows", "MB", "peak MB", "rows/s", "read and written only, rows/s")
    report = Report("formats", TITLE, columns)
    for ending in options.formats:
        peaks = [_one(report, ending, size) for size in sizes]
        report.goals.append(Goal(f"{ending}: peak MB", MOST_MB, max(peaks), at_least=False))
        growth = peaks[-1] - peaks[0]
        what = f"{ending}: MB more at {sizes[-1]:,} rows than at {sizes[0]:,}"
        report.goals.append(Goal(what, MOST_GROWTH_MB, growth, at_least=False))
    report.notes.append("whole processes, 64 in flight, all cores; each row asks its own question")
    return report


def _one(report: Report, ending: str, rows: int) -> float:
    source = _dataset(ending, rows)
    captioned = _run("caption", source, rows)
    copied = _run("copy", source, rows)
    megabytes = source.stat().st_size / 1e6
    report.rows.append(
        (
            ending,
            rows,
            megabytes,
            captioned.peak_mb,
            rows / captioned.seconds,
            rows / copied.seconds,
        )
    )
    return captioned.peak_mb


def _dataset(ending: str, rows: int) -> Path:
    path = DATA / "formats" / f"rows-{rows}.{ending}"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"part-{path.name}")
        measured([*PROGRAM, "make", str(rows), part])
        part.replace(path)
    return path


def _run(what: str, source: Path, rows: int) -> Used:
    output = fresh(f"formats-{source.name}")
    used = measured([*PROGRAM, what, source, output])
    done = json.loads(used.output.splitlines()[-1])["rows"]
    if done != rows:
        raise RuntimeError(f"{what} {source.name}: {done} rows came out")
    say(f"{what} {source.name}: {used.peak_mb:.0f} MB, {used.seconds:.0f} s")
    fresh(output.name)  # gigabytes that nobody needs
    return used
