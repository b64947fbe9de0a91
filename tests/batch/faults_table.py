"""What goes wrong at a Batch API × requests paid twice and wrong captions.

``python -m tests.batch.faults_table`` prints a line for each fault. A fault ends where every row
has its caption; where a run stops, the same plan is run again, as a person would.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from dataflow.core.errors import StopRunError
from dataflow.core.protocols.batch import BatchOptions
from dataflow.engine.batch import results
from dataflow.engine.flow import retry_policy
from dataflow.engine.runner import run
from dataflow.serving.batch_vlm_serving_openai import BatchVLMServing_openai
from tests.faults.scene import Scene
from tests.servers.batch_server import CALL_FAULTS, FATES, BatchServer
from tests.servers.hostile_server import KEY, MODEL

ROWS = 24
RUNS = 4


@dataclass(frozen=True)
class Fault:
    """A fault of the server.

    Attributes:
        server: What the stand-in is given.
        change: What is done to it before it starts; the function it returns mends it.
        requests: In a batch at most.
    """

    server: dict[str, Any] = field(default_factory=dict)
    change: Callable[[BatchServer], Callable[[], None]] | None = None
    requests: int = 6


def _answers(server: BatchServer, name: str, status: int) -> Callable[[], None]:
    """A call that is answered with an HTTP status until it is mended."""
    former, is_broken = getattr(server, name), [True]

    async def answer(request: web.Request) -> web.StreamResponse:
        if is_broken[0]:
            return web.json_response({"error": {"message": "not now"}}, status=status)
        found: web.StreamResponse = await former(request)
        return found

    setattr(server, name, answer)
    return lambda: is_broken.__setitem__(0, False)


FAULTS: dict[str, Fault] = {
    **{f"call: {name}": Fault({"rates": {name: 0.5}, "seed": 3}) for name in CALL_FAULTS},
    **{f"batch: {fate}": Fault({"fates": [fate, "completed"]}, requests=24)
       for fate in FATES if fate != "completed"},
    "files that are gone (404)": Fault(change=lambda s: _answers(s, "_content", 404)),
    "files that nobody may read (403)": Fault(change=lambda s: _answers(s, "_content", 403)),
    "too little may be enqueued": Fault({"most": 5}, requests=24),
}  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """What came of a fault.

    Attributes:
        runs: That it took.
        paid_twice: Requests that were answered, and so paid, more than once.
        wrong: Captions beside other pictures than their own.
        missing: Rows without a caption after the last run.
    """

    runs: int
    paid_twice: int
    wrong: int
    missing: int


def outcome_of(fault: Fault, folder: Path) -> Outcome:
    """Run into `fault` in `folder`, and again until no row is open."""
    scene, server = Scene(folder, ROWS, 5), BatchServer(**fault.server)
    mend = fault.change(server) if fault.change else lambda: None
    runs, captioned = 0, 0
    with server:
        while captioned < ROWS and runs < RUNS:
            runs += 1
            serving = BatchVLMServing_openai(
                server.url, model_name=MODEL, timeout=20, temperature=0.0,
                batching=BatchOptions(requests=fault.requests, poll=0.02),
            )  # fmt: skip
            try:
                captioned = run(scene.plan(serving)).captioned
            except StopRunError:
                mend()
        twice = sum(count - 1 for count in server.worked.values())
    judged = scene.judge() if scene.output.exists() else {}
    return Outcome(runs, twice, judged.get("wrong", 0), ROWS - judged.get("right", 0))


def shorten_waits(setattr_: Callable[[object, str, object], None] = setattr) -> None:
    """Wait milliseconds where a run waits seconds."""
    rules = {
        kind: dataclasses.replace(rule, base=0.001, cap=0.01)
        for kind, rule in retry_policy.RULES.items()
    }
    setattr_(retry_policy, "RULES", rules)
    setattr_(results, "LOST_WAITS", (0.05, 0.3))


def main() -> None:
    """Print the table."""
    os.environ["DF_API_KEY"] = KEY
    logging.disable(logging.CRITICAL)
    shorten_waits()
    say = sys.stdout.write
    say(f"{'fault':36} {'runs':>4} {'paid twice':>10} {'wrong':>6} {'missing':>8}\n")
    found = []
    for name, fault in FAULTS.items():
        with tempfile.TemporaryDirectory() as folder:
            found.append(one := outcome_of(fault, Path(folder)))
        say(f"{name:36} {one.runs:>4} {one.paid_twice:>10} {one.wrong:>6} {one.missing:>8}\n")
    sums = {name: sum(getattr(one, name) for one in found) for name in ("paid_twice", "wrong")}
    say(f"{len(found)} faults: {json.dumps(sums)}\n")


if __name__ == "__main__":
    main()
