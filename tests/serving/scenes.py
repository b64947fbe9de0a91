"""Drawn scenes as questions: what the demo model knows, so that a mix-up is a wrong sentence."""

from __future__ import annotations

import importlib.util
import io
import os
import sys
import time
from pathlib import Path

from dataflow.core.picture import ImageRef, Picture
from dataflow.core.request import Request, Turn
from tests.paths import ROOT

CHECKPOINT = ROOT / "demo" / "checkpoint"
QUESTION = "Please describe the image in detail."


def _drawer():
    spec = importlib.util.spec_from_file_location("demo_scenes", ROOT / "demo" / "scenes.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


drawer = _drawer()


def truth(number: int) -> str:
    return drawer.caption(drawer.scene(drawer.HELD_OUT + number))


def picture(number: int) -> Picture:
    drawn = drawer.draw(drawer.scene(drawer.HELD_OUT + number))
    buffer = io.BytesIO()
    drawn.save(buffer, "PNG")
    return Picture(buffer.getvalue(), "image/png", *drawn.size)


def scene_question(number: int, *more: int, **sampling) -> tuple[Request, list[Picture]]:
    """A question about the scene of that number, and of further ones in the same request."""
    numbers = (number, *more)
    refs = [ImageRef("path", f"{n}.png", f"{n}.png") for n in numbers]
    turns = (Turn("user", (*refs, QUESTION)),)
    return Request(turns, sampling), [picture(n) for n in numbers]


def is_there(pid: int) -> bool:
    """Whether the process runs; a zombie that waits for its parent does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until(condition, seconds: float = 10.0) -> bool:
    """Whether `condition` came true within the time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return bool(condition())


def parent_of(pid: int) -> int:
    """The process id of the process's parent."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def offspring(pid: int) -> set[int]:
    """The process's children, and theirs."""
    parents = {}
    for folder in filter(str.isdigit, os.listdir("/proc")):
        try:
            stat = Path(f"/proc/{folder}/stat").read_text()
        except OSError:
            continue
        parents[int(folder)] = int(stat.rpartition(")")[2].split()[1])
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {pid}
