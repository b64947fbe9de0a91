"""The key and the pictures' base64 stand nowhere but where they must."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dataflow.core.errors import AskTimeoutError
from tests.faults.scene import leaks
from tests.faults.shows import size_of
from tests.paths import ROOT
from tests.servers.hostile_server import FAULTS, KEY, HostileServer
from tests.serving.outcomes import OUTCOMES

SLOW = {"gigantic", *(name for name, kind in OUTCOMES.items() if kind is AskTimeoutError)}
QUICK = [name for name in FAULTS if name not in SLOW]


def test_the_key_is_in_no_argument_of_the_command_and_its_children(scene):
    there = scene(60)
    with HostileServer(asks_too=True, delay=0.1) as server:
        process = there.start(server, "--concurrency", 2)
        while server.asked < 3:
            pass
        arguments = Path(f"/proc/{process.pid}/cmdline").read_bytes()
        process.terminate()
        there.end(process)
    assert KEY.encode() not in arguments
    assert leaks(there.folder, there.log) == []


@pytest.mark.parametrize("shift", range(0, len(QUICK), 8))
def test_a_server_that_repeats_key_and_picture_in_its_errors_makes_no_file_hold_them(scene, shift):
    """Eight faults in turn, some of which stop the run: whatever was written holds no secret."""
    there, faults = scene(40), QUICK[shift : shift + 8]
    with HostileServer(lambda n: faults[n % 16] if n % 16 < len(faults) else None) as server:
        there.run(server, "--concurrency", 4, "--give-up-after", 1)
    assert server.asked > 0
    assert leaks(there.folder, there.log) == []


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_nothing_that_the_whole_suite_leaves_behind_holds_a_secret(tmp_path):
    """Show 6: every log, journal, errors file and traceback of the ordinary tests."""
    rooms = os.environ.get("DATAFLOW_SOAK_ROOMS", "serving cli engine operators faults").split()
    left, log = tmp_path / "left", tmp_path / "debug.log"
    command = [sys.executable, "-m", "pytest", "-m", "not slow and not vllm", "-rA", "--showlocals"]
    command += ["--basetemp", left, "-o", "tmp_path_retention_policy=all", "-p", "no:cacheprovider"]
    command += ["--log-file", log, "--log-file-level", "DEBUG"]
    command += [f"tests/{room}" for room in rooms]
    done = subprocess.run(
        command,
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    (tmp_path / "said").write_bytes(done.stdout + done.stderr)
    looked_at, found = 0, []
    for path in sorted(tmp_path.rglob("*")):
        is_ours = ".dataflow/" in str(path) or path.name.endswith(".errors.jsonl")
        if path.is_file() and (is_ours or path in (log, tmp_path / "said")):
            looked_at += 1
            found += leaks(path)
    assert looked_at > size_of("FILES", 100)
    assert found == []
    print(
        f"{looked_at} files (journals, errors files, logs, output) of the ordinary tests searched "
        f"for the key and for base64 of a picture: {len(found)} hits"
    )
