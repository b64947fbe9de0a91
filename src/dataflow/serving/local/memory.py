"""Memory of this machine, its GPUs and its cgroup, and whether a model's weights can fit."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from dataflow.core.errors import UsageError

_SMI_SECONDS = 2.0
_CGROUP = Path("/sys/fs/cgroup")
_CGROUP_V1 = _CGROUP / "memory"


def machine_bytes() -> int | None:
    """Bytes of memory that this machine, or the cgroup that we run in, has; None if unknown."""
    limits = [
        _number(_CGROUP / "memory.max"),
        _number(_CGROUP_V1 / "memory.limit_in_bytes"),
        _meminfo("MemTotal"),
    ]
    return min((limit for limit in limits if limit), default=None)


def gpu_bytes() -> list[int]:
    """Bytes of memory of each NVIDIA GPU, as ``nvidia-smi`` says; empty where there is none."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    command = [program, "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(  # noqa: S603 - a fixed command
            command, capture_output=True, timeout=_SMI_SECONDS, check=True, text=True
        )
        return [int(line) * 2**20 for line in done.stdout.split()]
    except (OSError, subprocess.SubprocessError, ValueError):
        return []


def oom_kills() -> int:
    """How many processes the kernel has ended for memory, in our cgroup and on the machine.

    Of ``memory.events`` (cgroup v2), ``memory.oom_control`` (v1) and ``/proc/vmstat``; 0 where none
    of them can be read.
    """
    files = (_CGROUP / "memory.events", _CGROUP_V1 / "memory.oom_control", Path("/proc/vmstat"))
    return sum(_field(file, "oom_kill") for file in files)


def check_fits(model: str, weights: int, available: int | None, *, where: str, cure: str) -> None:
    """Make sure that the weights alone fit into the memory.

    Args:
        model: Its name, for the message.
        weights: Bytes of its files.
        available: Bytes of memory; None where that is not known.
        where: What memory that is.
        cure: What helps.

    Raises:
        UsageError: they do not.
    """
    if available is not None and weights > available:
        raise UsageError(
            f"the weights of {model} are {weights / 1e9:.1f} GB, and {where} has "
            f"{available / 1e9:.1f} GB: {cure}"
        )


def _number(file: Path) -> int | None:
    try:
        value = int(file.read_text("ascii"))
    except (OSError, ValueError):  # "max" is no limit
        return None
    return value if 0 < value < 2**60 else None


def _meminfo(name: str) -> int | None:
    kilobytes = _field(Path("/proc/meminfo"), f"{name}:")
    return kilobytes * 1024 or None


def _field(file: Path, name: str) -> int:
    try:
        for line in file.read_text("ascii").splitlines():
            words = line.split()
            if len(words) >= 2 and words[0] == name:
                return int(words[1])
    except (OSError, ValueError):
        pass
    return 0
