"""Child processes: the stub, and clients whose seconds, CPU and memory the system counts."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / ".bench"
"""Where pictures, environments and outputs of benches lie; `make clean` removes it."""

_ENVIRONMENT = {
    # an installed program finds its modules compiled, and so do those that are measured
    name: value
    for name, value in os.environ.items()
    if name != "PYTHONDONTWRITEBYTECODE"
}


@dataclass(frozen=True, slots=True)
class Used:
    """What a whole process took, from its start to its end, as the system counts it.

    Attributes:
        seconds: By the clock.
        cpu: Seconds of CPU, user and system.
        peak_mb: Resident memory at its peak, in 10⁶ bytes.
        output: What it wrote to stdout and stderr.
        status: Its exit status.
    """

    seconds: float
    cpu: float
    peak_mb: float
    output: str
    status: int


def cores() -> tuple[int, int]:
    """A core for the client and one for the server; the same where there is only one."""
    usable = sorted(os.sched_getaffinity(0))
    return usable[0], usable[-1]


def measured(
    command: Sequence[str | Path],
    *,
    core: int | None = None,
    environment: Mapping[str, str] | None = None,
    check: bool = True,
) -> Used:
    """Run `command` to its end.

    Args:
        command: The program and its arguments.
        core: The one core it may use; None for all.
        environment: Variables besides this process's own.
        check: Whether an exit status other than 0 is an error.

    Raises:
        RuntimeError: it failed.
    """
    pin = None if core is None else (lambda: os.sched_setaffinity(0, {core}))
    with tempfile.TemporaryFile() as output:
        began = time.perf_counter()
        child = subprocess.Popen(
            [*map(str, command)],
            cwd=ROOT,
            env={**_ENVIRONMENT, "COLUMNS": "100", "NO_COLOR": "1", **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            preexec_fn=pin,
        )
        try:
            _, status, usage = os.wait4(child.pid, 0)
        except BaseException:
            child.kill()
            raise
        seconds = time.perf_counter() - began
        child.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read().decode("utf-8", "replace")
    if check and child.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))} failed:\n{text[-2000:]}")
    used_cpu = usage.ru_utime + usage.ru_stime
    return Used(seconds, used_cpu, usage.ru_maxrss * 1024 / 1e6, text, child.returncode)


@dataclass(frozen=True, slots=True)
class Stub:
    """A running stub server.

    Attributes:
        urls: The API's address at each of its ports.
    """

    urls: tuple[str, ...]

    def stats(self, port: int = 0) -> dict[str, Any]:
        """What `bench.stub` says of itself."""
        address = self.urls[port].removesuffix("/v1") + "/stats"
        with urllib.request.urlopen(address, timeout=30) as answer:
            stats: dict[str, Any] = json.loads(answer.read())
        return stats


@contextmanager
def stub(*options: str) -> Iterator[Stub]:
    """The stub server with these options, on the server's core, for as long as one needs it."""
    command = [sys.executable, "-m", "bench.stub", "--core", str(cores()[1]), *options]
    child = subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        ports = json.loads(child.stdout.readline()) if child.stdout else []
        yield Stub(tuple(f"http://127.0.0.1:{port}/v1" for port in ports))
    finally:
        child.communicate()  # its stdin ends, and so does it


def road_command(rows: Path, output: Path, url: str | None = None, *more: str) -> list[str | Path]:
    """The command line that captions `rows` into `output`; with the API at `url`, where given."""
    program = Path(sys.executable).with_name("dataflow")
    # the stub has the same answer for every picture
    answers = ["--api-url", url, "--model", "stub", "--fault-alarm", "off"]
    engine = [] if url is None else answers
    return [program, "caption", rows, "-o", output, *engine, *more]


def fresh(name: str) -> Path:
    """Where an output called `name` goes; what a former run left there is removed."""
    output = DATA / "out" / name
    output.parent.mkdir(parents=True, exist_ok=True)
    for path in output.parent.glob(name + "*"):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    return output


def environment_with(name: str, *packages: str) -> Path | None:
    """The Python of an environment with `packages`, made at first use; None where it cannot be."""
    folder = DATA / f"venv-{name}"
    python = folder / "bin" / "python"
    done = folder / ".done"
    if done.exists():
        return python
    quiet = ["-m", "pip", "-qqq", "--disable-pip-version-check", "install", *packages]
    try:
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        subprocess.run([python, *quiet], check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    done.touch()
    return python
