"""Other packages with which people caption datasets, beside the road and the same stub server."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from bench.dataset import pictures, rows_file, say
from bench.process import Used, environment_with, road_command
from bench.report import Report, ratio, spread
from bench.road import CLIENTS, ROAD, Command, captioned

TITLE = "packages that others caption with, beside the road, zero-latency server"


@dataclass(frozen=True, slots=True)
class Peer:
    """A package with the script that captions through it.

    Attributes:
        packages: What its environment needs.
        program: In `CLIENTS`.
        environment: Its environment's name.
        arguments: Of the program, besides the usual ones.
        probes: Requests that it makes besides those of the rows.
    """

    packages: tuple[str, ...]
    program: str
    environment: str
    arguments: tuple[str, ...] = ()
    probes: int = 0


_OPENAI = "plain_openai.py"
PEERS = {
    "openai, threads": Peer(("openai",), _OPENAI, "openai"),
    "openai, tasks": Peer(("openai",), _OPENAI, "openai", ("--tasks",)),
    "openai 2, tasks": Peer(("openai<3",), _OPENAI, "openai-2", ("--tasks",)),
    "litellm": Peer(("litellm",), "peer_litellm.py", "litellm"),
    # the two others are imported by its client of OpenAI, and come with none of its extras
    "distilabel": Peer(
        ("distilabel[openai]", "requests", "pillow"), "peer_distilabel.py", "distilabel"
    ),
    "curator": Peer(("bespokelabs-curator", "pillow"), "peer_curator.py", "curator", probes=1),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The bench's own options."""
    parser.add_argument("--rows", type=int, help="default: 1000 (200 with --short)")
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--peer", choices=PEERS, action="append", help="default: all")


def run(options: argparse.Namespace) -> Report:
    """The road and each peer in turn, `options.runs` times."""
    rows = options.rows or (200 if options.short else 1000)
    report = Report(
        "peers",
        TITLE,
        ("client", "captions/s", "CPU ms/caption", "captions/s ÷ road", "CPU ÷ road",
         "peak MB of its largest process"),
    )  # fmt: skip
    pythons: dict[str, Path] = {}
    for name in options.peer or PEERS:
        python = environment_with(PEERS[name].environment, *PEERS[name].packages)
        if python is None:
            report.notes.append(f"{name} is absent: it could not be installed")
        else:
            pythons[name] = python
    _fill(report, rows, _measure(options, rows, pythons, report.notes))
    report.notes.append(
        f"{rows} rows, 100 JPEGs of 640×480 and about 150 kB, {options.concurrency} in flight, the "
        "client on one core; whole processes, start and end included. The road alone looks into "
        "every picture and keeps a journal"
    )
    return report


def _measure(
    options: argparse.Namespace, rows: int, pythons: dict[str, Path], notes: list[str]
) -> dict[str, list[Used]]:
    dataset = rows_file(pictures(100), rows)
    common = ["--concurrency", str(options.concurrency)]
    used: dict[str, list[Used]] = {name: [] for name in (ROAD, *pythons)}
    for number in range(options.runs):
        for name in [*used]:

            def command(url: str, output: Path, name: str = name) -> Command:
                if name == ROAD:
                    return road_command(dataset, output, url, *common)
                program = [pythons[name], CLIENTS / PEERS[name].program]
                more = [*common, *PEERS[name].arguments]
                return [*program, dataset, output, "--api-url", url, *more]

            probes = 0 if name == ROAD else PEERS[name].probes
            try:
                one, _ = captioned(name, command, rows, probes=probes)
            except RuntimeError as error:
                if name == ROAD:
                    raise
                del used[name]
                notes.append(f"{name} is absent: {str(error).splitlines()[-1]}")
                continue
            used[name].append(one)
            say(f"run {number + 1}: {name}: {rows / one.seconds:.0f}/s")
    return used


def _fill(report: Report, rows: int, used: dict[str, list[Used]]) -> None:
    rates = {name: [rows / one.seconds for one in ones] for name, ones in used.items()}
    cpu = {name: [one.cpu * 1000 / rows for one in ones] for name, ones in used.items()}
    for name, ones in used.items():
        report.rows.append(
            (
                name,
                spread(rates[name]),
                spread(cpu[name]),
                ratio(rates[name], rates[ROAD]),
                ratio(cpu[name], cpu[ROAD]),
                max(one.peak_mb for one in ones),
            )
        )
