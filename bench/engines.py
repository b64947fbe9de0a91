"""Local engines behind the road, against the same engines asked by a bare client."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.dataset import say
from bench.process import DATA, ROOT, Used, fresh, measured, road_command
from bench.report import Goal, Report, ratio, spread

TITLE = "llama.cpp with the demo model: the road beside a bare client, one server"
MAX_TOKENS = 48
ROAD, FLOOR = "dataflow caption", "aiohttp"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The bench's own options."""
    parser.add_argument("--rows", type=int, help="default: 2000 (200 with --short)")


def run(options: argparse.Namespace) -> Report:
    """Road and bare client in turn, `options.runs` times, at one server that stays up."""
    rows = options.rows or (200 if options.short else 2000)
    dataset = scenes(rows)
    report = Report(
        "engines", TITLE, ("client", "captions/s", "CPU ms/caption, client alone", "÷ bare client")
    )
    used: dict[str, list[Used]] = {ROAD: [], FLOOR: []}
    with llamacpp() as (url, key, slots):
        _run_one(FLOOR, scenes(50), url, key, slots)  # the first answers are slower
        for number in range(options.runs):
            for name, ones in used.items():
                ones.append(_run_one(name, dataset, url, key, slots))
                say(f"run {number + 1}: {name}: {rows / ones[-1].seconds:.1f}/s")
    rates = {name: [rows / one.seconds for one in ones] for name, ones in used.items()}
    for name, ones in used.items():
        cpu = spread([one.cpu * 1000 / rows for one in ones])
        report.rows.append((name, spread(rates[name]), cpu, ratio(rates[name], rates[FLOOR])))
    share = ratio(rates[ROAD], rates[FLOOR]).median
    report.goals.append(Goal("captions/s over the bare client's", 0.98, share))
    report.notes.append(
        f"{rows} drawn scenes, {slots} slots, as many in flight, {MAX_TOKENS} tokens at most; "
        "whole processes, start and end included, the server's not"
    )
    return report


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
def llamacpp() -> Iterator[tuple[str, str, int]]:
    """The embedded llama.cpp server with the demo model: its address, key and slots."""
    from dataflow.serving.local_model_vlm_serving import LocalModelVLMServing_llamacpp

    serving = LocalModelVLMServing_llamacpp("demo")
    try:
        yield f"{serving.child().ensure()}/v1", serving.key(), serving.max_workers
    finally:
        serving.cleanup()


def _run_one(name: str, rows: Path, url: str, key: str, slots: int) -> Used:
    output = fresh("engines.jsonl")
    common = ["--concurrency", str(slots), "--max-tokens", str(MAX_TOKENS)]
    if name == ROAD:
        command = road_command(rows, output, url, *common, "--temperature", "0")
    else:
        client = ROOT / "bench" / "clients" / "floor.py"
        command = [sys.executable, client, rows, output, "--api-url", url, *common]
    return measured(command, environment={"DF_API_KEY": key})
