"""Local engines behind the road, against the same engines asked by a bare client."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.dataset import say
from bench.process import DATA, ROOT, Used, fresh, measured, road_command
from bench.report import Goal, Report, ratio, spread

TITLE = "the demo model in local engines: the road beside a bare client, one server for both"
MAX_TOKENS = 48
ROAD, FLOOR, OFFLINE = "dataflow caption", "aiohttp", "LLM.chat, no server"
CLIENTS = ROOT / "bench" / "clients"
CHECKPOINT = ROOT / "demo" / "checkpoint"


@dataclass(frozen=True, slots=True)
class Server:
    """A running engine: its address, its key, the model's name there, requests in flight."""

    url: str
    key: str
    model: str
    in_flight: int


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The bench's own options."""
    parser.add_argument("--rows", type=int, help="default: 2000 (200 with --short)")
    parser.add_argument(
        "--vllm",
        type=Path,
        metavar="PYTHON",
        default=ROOT / ".venv-vllm" / "bin" / "python",
        help="of vLLM's environment (default: the one that `make test-vllm` makes)",
    )


def run(options: argparse.Namespace) -> Report:
    """Road and bare client in turn, `options.runs` times, at one server that stays up."""
    rows = options.rows or (200 if options.short else 2000)
    report = Report(
        "engines",
        TITLE,
        ("engine", "client", "captions/s", "CPU ms/caption, client alone", "÷ bare client"),
    )
    with llamacpp() as server:
        _compare(report, "llama.cpp", server, rows, options.runs)
    if not options.vllm.exists():
        report.notes.append("vLLM is absent")
    else:
        with vllm(options.vllm) as server:
            bare = _compare(report, "vLLM", server, rows, options.runs)
        _offline(report, options.vllm, rows, bare)
    report.notes.append(
        f"{rows} drawn scenes, {MAX_TOKENS} tokens at most; clients as whole processes, start and "
        "end included, the server's not; client and engine share the machine's cores"
    )
    return report


def _compare(report: Report, engine: str, server: Server, rows: int, runs: int) -> list[float]:
    """Adds both clients' figures; returns the bare one's captions per second."""
    used: dict[str, list[Used]] = {ROAD: [], FLOOR: []}
    _run_one(FLOOR, scenes(50), server)  # the first answers are slower
    for number in range(runs):
        for name, ones in used.items():
            ones.append(_run_one(name, scenes(rows), server))
            say(f"run {number + 1}: {engine}, {name}: {rows / ones[-1].seconds:.1f}/s")
    rates = {name: [rows / one.seconds for one in ones] for name, ones in used.items()}
    for name, ones in used.items():
        cpu = spread([one.cpu * 1000 / rows for one in ones])
        to_bare = ratio(rates[name], rates[FLOOR])
        report.rows.append((engine, name, spread(rates[name]), cpu, to_bare))
    share = ratio(rates[ROAD], rates[FLOOR]).median
    report.goals.append(Goal(f"{engine}: captions/s over the bare client's", 0.98, share))
    return rates[FLOOR]


def _offline(report: Report, python: Path, rows: int, bare: list[float]) -> None:
    program = [python, CLIENTS / "vllm_offline.py", scenes(rows), CHECKPOINT]
    used = measured([*program, str(MAX_TOKENS), str(len(bare))])
    line = next(line for line in reversed(used.output.splitlines()) if line.startswith("["))
    rates = [rows / seconds for seconds in json.loads(line)]
    report.rows.append(("vLLM", OFFLINE, spread(rates), "–", ratio(rates, bare)))


def scenes(count: int) -> Path:
    """A dataset of `count` drawn scenes that the demo model was not trained on."""
    folder = DATA / f"scenes-{count}"
    rows = folder / "rows.jsonl"
    if not rows.exists():
        program = [sys.executable, ROOT / "demo" / "scenes.py", folder]
        measured([*program, "--count", str(count), "--seed", "1000000"])
        names = sorted(path.name for path in folder.iterdir() if path.suffix in {".png", ".jpg"})
        asked = [{"from": "human", "value": "Describe the image."}]
        rows.write_text(
            "".join(json.dumps({"image": name, "conversation": asked}) + "\n" for name in names)
        )
    return rows


@contextmanager
def llamacpp() -> Iterator[Server]:
    """The embedded llama.cpp server with the demo model."""
    from dataflow.serving.local_model_vlm_serving import LocalModelVLMServing_llamacpp

    serving = LocalModelVLMServing_llamacpp("demo")
    try:
        url = f"{serving.child().ensure()}/v1"
        yield Server(url, serving.key(), serving.model, serving.max_workers)
    finally:
        serving.cleanup()


@contextmanager
def vllm(python: Path) -> Iterator[Server]:
    """The server of vLLM with the demo model's checkpoint, started by its own environment."""
    child = subprocess.Popen(
        [python, CLIENTS / "vllm_server.py", CHECKPOINT],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        line = child.stdout.readline() if child.stdout else ""
        yield Server(*json.loads(line))
    finally:
        child.communicate()


def _run_one(name: str, rows: Path, server: Server) -> Used:
    output = fresh("engines.jsonl")
    common = ["--api-url", server.url, "--model", server.model]
    common += ["--concurrency", str(server.in_flight), "--max-tokens", str(MAX_TOKENS)]
    if name == ROAD:
        command = [*road_command(rows, output), *common, "--temperature", "0"]
    else:
        command = [sys.executable, CLIENTS / "floor.py", rows, output, *common]
    return measured(command, environment={"DF_API_KEY": server.key})
