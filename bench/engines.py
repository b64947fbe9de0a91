"""Local engines behind the road, against the same engines asked by a bare client."""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from bench.dataset import say
from bench.models import MAX_TOKENS, NAMES, Model, model_named, scenes
from bench.process import ROOT, Used, fresh, measured, road_command
from bench.report import Goal, Report, ratio, spread

TITLE = "a model in local engines: the road beside a bare client, one server for both"
ROAD, FLOOR = "dataflow caption", "aiohttp"
OFFLINE, THEIRS = "LLM.chat, no server", "vllm bench serve"
ENGINES = ("llama.cpp", "vLLM")
CLIENTS = ROOT / "bench" / "clients"
OURS = {"PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}
"""So that vLLM's environment runs this project's code as it stands here."""


@dataclass(frozen=True, slots=True)
class Server:
    """A running engine, and what it is asked for.

    Attributes:
        url: Its address.
        key: Its key.
        model: The model's name there.
        in_flight: Requests at a time.
        max_tokens: Of each answer.
    """

    url: str
    key: str
    model: str
    in_flight: int
    max_tokens: int = MAX_TOKENS


@dataclass(frozen=True, slots=True)
class Ran:
    """A client's run.

    Attributes:
        rate: Captions per second.
        tokens: Of all captions together.
        cpu: Seconds of the client alone; None where the engine runs in it.
    """

    rate: float
    tokens: int
    cpu: float | None = None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The bench's own options."""
    parser.add_argument("--rows", type=int, help="default: 2000 (100 with --short)")
    parser.add_argument(
        "--model", choices=NAMES, default="big", help="random weights or the demo (default: big)"
    )
    parser.add_argument(
        "--max-tokens", type=int, default=MAX_TOKENS, help=f"of each answer (default: {MAX_TOKENS})"
    )
    parser.add_argument("--in-flight", type=int, help="default: as many as the serving asks for")
    parser.add_argument("--engine", choices=ENGINES, action="append", help="default: both")
    parser.add_argument(
        "--apart",
        action="store_true",
        help="vLLM's worker on the first core and all else on the others, as where it has a GPU",
    )
    parser.add_argument(
        "--vllm",
        type=Path,
        metavar="PYTHON",
        default=ROOT / ".venv-vllm" / "bin" / "python",
        help="of vLLM's environment (default: the one that `make test-vllm` makes)",
    )


def run(options: argparse.Namespace) -> Report:
    """Road and bare client in turn, `options.runs` times, at one server that stays up."""
    rows = options.rows or (100 if options.short else 2000)
    if options.apart:
        _set_apart()
    model, engines = model_named(options.model), options.engine or ENGINES
    report = Report(
        "engines",
        TITLE,
        ("engine", "client", "captions/s", "÷ bare client", "tokens/caption",
         "CPU ms/caption, client alone"),
    )  # fmt: skip
    if "llama.cpp" in engines:
        with llamacpp(model) as started:
            server = _asked(started, options)
            _add(report, "llama.cpp", rows, _clients(server, rows, options.runs))
    if "vLLM" in engines:
        if options.vllm.exists():
            with vllm(options.vllm, model) as started:
                server = _asked(started, options)
                ran = _clients(server, rows, options.runs, theirs=options.vllm)
            ran[OFFLINE] = _offline(options.vllm, model, server, scenes(rows), options.runs)
            _add(report, "vLLM", rows, ran)
        else:
            report.notes.append("vLLM is absent")
    report.notes.append(
        f"model {model.name}, {rows} drawn scenes, {options.max_tokens} tokens at most; clients as "
        "whole processes, start and end included (those of vLLM tell their own time, without it); "
        + ("vLLM's worker has a core of its own" if options.apart else "all share the cores")
    )
    return report


def _set_apart() -> None:
    """Leave the first core to vLLM's worker; for this process and all that it starts."""
    first, *others = sorted(os.sched_getaffinity(0))
    os.environ["VLLM_CPU_OMP_THREADS_BIND"] = str(first)
    os.sched_setaffinity(0, others)


def _asked(started: Server, options: argparse.Namespace) -> Server:
    in_flight = options.in_flight or started.in_flight
    return replace(started, in_flight=in_flight, max_tokens=options.max_tokens)


def _clients(
    server: Server, rows: int, runs: int, *, theirs: Path | None = None
) -> dict[str, list[Ran]]:
    """Runs of each client, in turn; with `theirs`, the Python of vLLM, also of vLLM's own."""
    ran: dict[str, list[Ran]] = {name: [] for name in (ROAD, FLOOR, THEIRS)}
    if theirs is None:
        del ran[THEIRS]
    _ask(FLOOR, scenes(50), 50, server)  # the first answers are slower
    for number in range(runs):
        for name, ones in ran.items():
            if name == THEIRS and theirs is not None:
                ones.append(_ask_theirs(theirs, scenes(rows), server))
            else:
                ones.append(_ask(name, scenes(rows), rows, server))
            say(f"run {number + 1}: {name}: {ones[-1].rate:.1f}/s")
    return ran


def _add(report: Report, engine: str, rows: int, ran: dict[str, list[Ran]]) -> None:
    rates = {name: [one.rate for one in ones] for name, ones in ran.items()}
    for name, ones in ran.items():
        cpu = [one.cpu * 1000 / rows for one in ones if one.cpu is not None]
        report.rows.append(
            (
                engine,
                name,
                spread(rates[name]),
                ratio(rates[name], rates[FLOOR]),
                spread([one.tokens / rows for one in ones]),
                spread(cpu) if cpu else "–",
            )
        )
    for name in (FLOOR, OFFLINE):
        if name in rates:
            share = ratio(rates[ROAD], rates[name]).median
            report.goals.append(Goal(f"{engine}: captions/s over those of {name}", 0.98, share))


def _ask(name: str, dataset: Path, rows: int, server: Server) -> Ran:
    output = fresh("engines.jsonl")
    common = ["--api-url", server.url, "--model", server.model]
    common += ["--concurrency", str(server.in_flight), "--max-tokens", str(server.max_tokens)]
    if name == ROAD:
        more = ["--temperature", "0", "--no-checks"]  # random weights write no captions
        command = [*road_command(dataset, output), *common, *more]
    else:
        command = [sys.executable, CLIENTS / "floor.py", dataset, output, *common]
    used = measured(command, environment={"DF_API_KEY": server.key})
    tokens = _journalled(output) if name == ROAD else json.loads(_line(used, "{"))["tokens"]
    return Ran(rows / used.seconds, tokens, used.cpu)


def _ask_theirs(python: Path, dataset: Path, server: Server) -> Ran:
    """The client that vLLM brings."""
    arguments = [dataset, server.url, server.model, str(server.max_tokens), str(server.in_flight)]
    program = [python, CLIENTS / "vllm_bench.py", *arguments]
    used = measured(program, environment={**OURS, "OPENAI_API_KEY": server.key})
    return Ran(**json.loads(_line(used, "{")))


def _offline(python: Path, model: Model, server: Server, dataset: Path, runs: int) -> list[Ran]:
    """The engine without a server, with as many requests at a time as `server` was given."""
    program = [python, CLIENTS / "vllm_offline.py", dataset, model.checkpoint]
    numbers = (server.max_tokens, server.in_flight, runs)
    used = measured([*program, *map(str, numbers)], environment=OURS)
    return [Ran(**one) for one in json.loads(_line(used, "["))]


def _line(used: Used, start: str) -> str:
    """The last line of JSON among what a program wrote."""
    return next(line for line in reversed(used.output.splitlines()) if line.startswith(start))


def _journalled(output: Path) -> int:
    """Tokens of the captions in the journal of `output`."""
    with closing(
        sqlite3.connect(output.with_name(output.name + ".dataflow") / "journal.sqlite")
    ) as database:
        query = "SELECT sum(completion_tokens) FROM results"
        total: int = database.execute(query).fetchone()[0]
    return total


@contextmanager
def llamacpp(model: Model) -> Iterator[Server]:
    """The embedded llama.cpp server."""
    from dataflow.serving.local_model_vlm_serving import LocalModelVLMServing_llamacpp

    serving = LocalModelVLMServing_llamacpp(model.gguf, image_max_tokens=model.picture_tokens)
    try:
        url = f"{serving.child().ensure()}/v1"
        yield Server(url, serving.key(), serving.model, serving.max_workers)
    finally:
        serving.cleanup()


@contextmanager
def vllm(python: Path, model: Model, *more: str) -> Iterator[Server]:
    """The server of vLLM, started by its own environment with `more` arguments."""
    command: Sequence[str | Path] = [python, CLIENTS / "vllm_server.py", model.checkpoint, *more]
    child = subprocess.Popen(
        command,
        env={**os.environ, **OURS},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        line = child.stdout.readline() if child.stdout else ""
        yield Server(*json.loads(line))
    finally:
        child.communicate()
