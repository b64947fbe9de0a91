"""The embedded engine and the command, killed with -9: all rows are captioned in the end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dataflow.core.errors import DataflowError
from dataflow.engine.reporting.status import status_of
from tests.faults.scene import COMMAND
from tests.serving.scenes import drawer, is_there, offspring, truth, wait_until

pytest.importorskip("xllamacpp")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

COUNT = 40


@pytest.fixture
def scenes(tmp_path: Path) -> Path:
    """A folder of drawn scenes, which the bundled model can describe."""
    folder = tmp_path / "scenes"
    folder.mkdir()
    for number in range(COUNT):
        drawn = drawer.draw(drawer.scene(drawer.HELD_OUT + number))
        drawn.save(folder / f"{number:03d}.png")
    return folder


def start(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [COMMAND, "caption", "scenes", "--model", "demo", "-o", "out.jsonl"],
        cwd=folder.parent,
        env={**os.environ, "COLUMNS": "200", "TERM": "dumb"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def engines(command: subprocess.Popen[str]) -> list[int]:
    """The embedded engine's own process, not its watchdog."""
    found = []
    for pid in offspring(command.pid):
        try:
            line = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue
        if b"dataflow.serving.llamacpp.server" in line and b"watchdog.py" not in line:
            found.append(pid)
    return found


def answered(folder: Path) -> int:
    try:
        return status_of(folder.parent / "out.jsonl").captioned
    except DataflowError:
        return 0  # the journal is only being made


def captions(folder: Path) -> list[str]:
    text = (folder.parent / "out.jsonl").read_text()
    return [json.loads(line)["caption"] for line in text.splitlines()]


def test_the_embedded_engine_killed_in_the_middle_comes_back_and_no_row_is_lost(scenes):
    process = start(scenes)
    assert wait_until(lambda: answered(scenes) > 3, 100)
    (engine,) = engines(process)
    os.kill(engine, signal.SIGKILL)
    _, err = process.communicate(timeout=100)
    assert process.returncode == 0, err
    assert "died" in err
    assert "starting it again" in err
    right = [said == truth(number) for number, said in enumerate(captions(scenes))]
    assert len(right) == COUNT
    assert sum(right) > COUNT * 0.8  # the model is small, and errs now and then


def test_an_engine_that_dies_again_and_again_stops_the_run_and_keeps_what_is_done(scenes):
    process = start(scenes)
    killed: set[int] = set()
    deadline = time.monotonic() + 100
    while process.poll() is None and time.monotonic() < deadline:
        for engine in set(engines(process)) - killed if answered(scenes) > 3 else ():
            os.kill(engine, signal.SIGKILL)
            killed.add(engine)
        time.sleep(0.05)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 1, err
    assert 2 <= len(killed) <= 6
    assert "Traceback" not in err
    again = start(scenes)
    _, err = again.communicate(timeout=100)
    assert again.returncode == 0, err
    assert "not asked again" in err
    assert len(captions(scenes)) == COUNT


def test_no_engine_outlives_a_command_that_is_killed(scenes):
    process = start(scenes)
    assert wait_until(lambda: answered(scenes) > 3, 100)
    left = offspring(process.pid)
    assert engines(process)
    process.kill()
    process.communicate()
    assert wait_until(lambda: not any(map(is_there, left)), 15)
