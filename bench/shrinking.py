"""Large photographs made ready to send: ours, the best that Pillow can, and libvips."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from bench.dataset import pictures, say
from bench.process import ROOT, cores, environment_with, measured
from bench.report import Goal, Report, ratio, spread

TITLE = "12-megapixel photographs shrunk to 1024 pixels, on one core"
SIZE = (4000, 3000)
OURS, PILLOW, VIPS = "images/", "Pillow, draft", "libvips thumbnail"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The bench's own options."""
    parser.add_argument("--pictures", type=int, help="default: 100 (30 with --short)")


def run(options: argparse.Namespace) -> Report:
    """Each way in turn, `options.runs` times, each in a process of its own."""
    count = options.pictures or (30 if options.short else 100)
    folder = pictures(20, SIZE, weight=3500)
    programs: dict[str, list[str | Path]] = {OURS: [sys.executable], PILLOW: [sys.executable]}
    vips = environment_with("vips", "pyvips[binary]")
    report = Report(
        "shrinking", TITLE, ("way", "pictures/s per core", "CPU ms/picture", "÷ Pillow", "peak MB")
    )
    if vips is None:
        report.notes.append("libvips is absent")
    else:
        programs[VIPS] = [vips]
    found: dict[str, list[dict[str, float]]] = {way: [] for way in programs}
    for number in range(options.runs):
        for way, program in programs.items():
            client = ROOT / "bench" / "clients" / "shrinker.py"
            command = [*program, client, way, folder, str(count)]
            used = measured(command, core=cores()[0])
            one = json.loads(used.output.splitlines()[-1])
            found[way].append({**one, "peak": used.peak_mb})
            say(f"run {number + 1}: {way}: {1 / one['cpu']:.1f}/s")
    rates = {way: [1 / one["cpu"] for one in ones] for way, ones in found.items()}
    for way, ones in found.items():
        milliseconds = spread([one["cpu"] * 1000 for one in ones])
        peak = max(one["peak"] for one in ones)
        to_pillow = ratio(rates[way], rates[PILLOW])
        report.rows.append((way, spread(rates[way]), milliseconds, to_pillow, peak))
    best = max((way for way in rates if way != OURS), key=lambda way: spread(rates[way]).median)
    share = ratio(rates[OURS], rates[best]).median
    report.goals.append(Goal(f"pictures/s over those of the better one ({best})", 0.9, share))
    report.notes.append(
        f"{count} pictures of {SIZE[0]}×{SIZE[1]}, about 2 MB each, to JPEGs of quality 90; "
        "Pillow: draft() to at least the size sent, then bicubic"
    )
    return report
