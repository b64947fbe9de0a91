"""How long one waits for the first sign of life."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from bench.dataset import pictures, rows_file
from bench.process import fresh, measured, road_command, stub
from bench.report import Goal, Report, spread

TITLE = "from the start of the program to its help and to its first request"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The bench's own options."""


def run(options: argparse.Namespace) -> Report:
    """Each `options.runs` times, and once more before, to warm the disk's cache."""
    report = Report("startup", TITLE, ("what", "seconds"))
    program = Path(sys.executable).with_name("dataflow")
    ways = {
        "dataflow --help": lambda: measured([program, "--help"]).seconds,
        "first request at an API": _first_request,
    }
    for (what, way), wanted in zip(ways.items(), (0.3, 0.5), strict=True):
        way()
        seconds = spread([way() for _ in range(options.runs)])
        report.rows.append((what, seconds))
        report.goals.append(Goal(f"seconds: {what}", wanted, seconds.median, at_least=False))
    ratio = spread([_imports() for _ in range(options.runs)])
    report.rows.append(("import of the operators, in imports of asyncio", ratio))
    report.goals.append(Goal("imports of asyncio", 3.5, ratio.median, at_least=False))
    return report


def _imports() -> float:
    """How many times as long as asyncio's the import of the operators takes."""
    operators = "from dataflow.operators.core_vision import ImageCaptionGenerator"
    return (
        measured([sys.executable, "-c", operators]).seconds
        / measured([sys.executable, "-c", "import asyncio"]).seconds
    )


def _first_request() -> float:
    dataset = rows_file(pictures(100), 100)
    with stub() as server:
        began = time.monotonic()
        measured(road_command(dataset, fresh("startup.jsonl"), server.urls[0]))
        asked: float = server.stats()["first"]
    return asked - began
