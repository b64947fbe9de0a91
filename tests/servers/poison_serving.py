"""A serving whose engine is `poison_engine`, as a child process."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dataflow.serving.local.engine_process import EngineProcess, LaunchSpec
from dataflow.serving.local.local_serving import LocalServing
from dataflow.serving.local.process_log import ProcessLog
from tests.servers import poison_engine


class PoisonServing(LocalServing):
    """The engine above, behind watchdog and wire.

    Args:
        log: The file for the letters.
        max_workers: Requests in flight.
        options: Of the engine's process.
    """

    def __init__(self, log: Path, max_workers: int = 8, **options: Any) -> None:
        self.model = "poisoned"
        self.max_workers = max_workers
        self._log = log
        self._child = EngineProcess(
            "The engine", self.launcher(), find_reason=lambda lines: None, grace=1.0, **options
        )

    def settings(self) -> Mapping[str, Any]:
        return {"model": self.model}

    def child(self) -> EngineProcess:
        return self._child

    def key(self) -> str:
        return "sk-child"

    def sampling(self) -> Mapping[str, Any]:
        return {}

    def launch(self) -> LaunchSpec:
        command = [sys.executable, "-S", "-I", poison_engine.__file__, str(self._log)]
        return LaunchSpec(command, _address)

    def starts(self) -> int:
        return self._log.stat().st_size

    def cleanup(self) -> None:
        self._child.stop()


def _address(output: ProcessLog) -> str | None:
    return next((f[1] for line in output.lines() if (f := re.match("listening (.*)", line))), None)
