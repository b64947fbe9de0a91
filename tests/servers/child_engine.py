"""A local engine that can be killed: the hostile server, well-behaved, as a child process.

    python -m tests.servers.child_engine LOG

One letter goes into LOG for each caption asked for, so that the questions of all its lives can be
counted.
"""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dataflow.serving.local.engine_process import EngineProcess, LaunchSpec
from dataflow.serving.local.local_serving import LocalServing
from dataflow.serving.local.process_log import ProcessLog
from tests.paths import ROOT

DELAY = 0.005


class ChildServing(LocalServing):
    """The engine above, behind guard, child and wire.

    Args:
        log: The file for the letters.
        max_workers: Requests in flight.
    """

    timeout = 30.0

    def __init__(self, log: Path, max_workers: int) -> None:
        self.model = "child"
        self.max_workers = max_workers
        self._log = log
        self._child = EngineProcess("The engine", self.launcher(), find_reason=lambda lines: None)

    def settings(self) -> Mapping[str, Any]:
        return {"model": self.model}

    def child(self) -> EngineProcess:
        return self._child

    def key(self) -> str:
        return "sk-child"

    def sampling(self) -> Mapping[str, Any]:
        return {}

    def launch(self) -> LaunchSpec:
        command = [sys.executable, "-m", "tests.servers.child_engine", str(self._log)]
        return LaunchSpec(command, _address, {"PYTHONPATH": str(ROOT)})

    def asked(self) -> int:
        return self._log.stat().st_size if self._log.exists() else 0

    def cleanup(self) -> None:
        self._child.stop()


def _address(output: ProcessLog) -> str | None:
    found = next((f for line in output.lines() if (f := re.match("listening (.*)/v1", line))), None)
    return found[1] if found else None


def main(log: str) -> None:
    from tests.servers.hostile_server import HostileServer

    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def count(number: int) -> None:
        os.write(file, b".")

    with HostileServer(count, asks_too=True, delay=DELAY) as server:
        print("listening", server.url, flush=True)
        while True:
            signal.pause()


if __name__ == "__main__":
    main(sys.argv[1])
