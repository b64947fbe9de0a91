"""The road against floors: a server that answers at once, one core for the client."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from bench.dataset import pictures, rows_file, say
from bench.process import ROOT, Used, cores, environment_with, fresh, measured, road_command, stub
from bench.report import Goal, Report, ratio, spread

TITLE = "the whole road beside bare clients, zero-latency server"
ROAD, DECODING, PLAIN = "dataflow caption", "aiohttp, decoding", "aiohttp"
OPENAI = {"openai client, threads": [], "openai client, tasks": ["--tasks"]}
"""The ways that the openai client is used in, and their options."""

CLIENTS = ROOT / "bench" / "clients"
Command: TypeAlias = "list[str | Path]"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The bench's own options."""
    parser.add_argument("--rows", type=int, help="default: 3000 (600 with --short)")
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--without-openai", action="store_true", help="leave the slow one out")


def run(options: argparse.Namespace) -> Report:
    """Each client in turn, `options.runs` times, each with a server of its own."""
    rows = options.rows or (600 if options.short else 3000)
    dataset = rows_file(pictures(100), rows)
    openai = None if options.without_openai else environment_with("openai", "openai")
    names = [ROAD, DECODING, PLAIN, *(OPENAI if openai else ())]
    report = Report(
        "road",
        TITLE,
        ("client", "captions/s", "CPU ms/caption", "captions/s ÷ floor", "CPU ÷ floor", "peak MB",
         "server's CPU share"),
    )  # fmt: skip
    if openai is None:
        report.notes.append("the plain openai client is absent")
    used: dict[str, list[Used]] = {name: [] for name in names}
    shares: dict[str, list[float]] = {name: [] for name in names}
    for number in range(options.runs):
        for name in names:
            one, share = _run_one(name, dataset, rows, options.concurrency, openai)
            used[name].append(one)
            shares[name].append(share)
            say(f"run {number + 1}: {name}: {rows / one.seconds:.0f}/s")
    _fill(report, rows, used, shares)
    report.notes.append(
        f"{rows} rows, 100 JPEGs of 640×480 and about 150 kB, {options.concurrency} in flight, the "
        "client on one core and the server on another; whole processes, start and end included; "
        "the floor is the bare aiohttp loop that decodes each picture once"
    )
    return report


def _fill(
    report: Report, rows: int, used: dict[str, list[Used]], shares: dict[str, list[float]]
) -> None:
    rate = {name: [rows / one.seconds for one in ones] for name, ones in used.items()}
    cpu = {name: [one.cpu * 1000 / rows for one in ones] for name, ones in used.items()}
    for name, ones in used.items():
        report.rows.append(
            (
                name,
                spread(rate[name]),
                spread(cpu[name]),
                ratio(rate[name], rate[DECODING]),
                ratio(cpu[name], cpu[DECODING]),
                max(one.peak_mb for one in ones),
                spread(shares[name]),
            )
        )
    to_floor = ratio(rate[ROAD], rate[DECODING]).median
    cpu_to_floor = ratio(cpu[ROAD], cpu[DECODING]).median
    report.goals += [
        Goal("captions/s over the decoding floor's", 0.85, to_floor),
        Goal("CPU per caption over the floor's", 1.2, cpu_to_floor, at_least=False),
    ]
    for name in [name for name in OPENAI if name in rate]:
        to_openai = ratio(rate[ROAD], rate[name]).median
        report.goals.append(Goal(f"captions/s over those of {name}", 3.0, to_openai))


def _run_one(
    name: str, dataset: Path, rows: int, concurrency: int, openai: Path | None
) -> tuple[Used, float]:
    def command(url: str, output: Path) -> Command:
        common = ["--concurrency", str(concurrency)]
        if name == ROAD:
            return road_command(dataset, output, url, *common)
        if name in OPENAI:
            program = [openai or "", CLIENTS / "plain_openai.py"]
            return [*program, dataset, output, "--api-url", url, *common, *OPENAI[name]]
        decode = ["--decode"] if name == DECODING else []
        program = [sys.executable, CLIENTS / "floor.py"]
        return [*program, dataset, output, "--api-url", url, *common, *decode]

    return captioned(name, command, rows)


def captioned(
    name: str, command: Callable[[str, Path], Command], rows: int, *, probes: int = 0
) -> tuple[Used, float]:
    """What a client on one core took for `rows` captions, and the server's share of its core.

    Args:
        name: The client's, for errors.
        command: The API's address and the output → its command line.
        rows: So many, each asked once.
        probes: Requests that the client makes besides.

    Raises:
        RuntimeError: it failed, or not every row was asked once and written.
    """
    output = fresh("road.jsonl")
    client, _ = cores()
    with stub() as server:
        time.sleep(0.2)  # what ended before lets go of its memory
        used = measured(command(server.urls[0], output), core=client)
        stats = server.stats()
    answered, written = len(stats["answered"]), output.read_bytes().count(b"\n")
    if (answered, written) != (rows + probes, rows):
        raise RuntimeError(f"{name}: {rows} rows, {answered} answered, {written} written")
    return used, stats["cpu_share"]
