"""The command killed with -9 in the middle of its batches: nothing is lost, nothing paid twice."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.faults.scene import Scene, leaks
from tests.faults.shows import size_of
from tests.servers.batch_server import CALL_FAULTS, FATES, BatchServer

FAULTS = {**dict.fromkeys(CALL_FAULTS, 0.15), "list_500": 0.05}


ALL = {*FAULTS, *FATES, "token_limit_exceeded"}


def show_killed(
    folder: Path, *, rows: int, requests: int, kills: int, seconds: float, seed: int
) -> str:
    """Every state and fault, the command killed at random instants until it is done."""
    rng = random.Random(seed)
    scene = Scene(folder, rows, 50)
    fates = [*FATES, *FATES, "completed"]
    refused = {str(number) for number in range(0, rows, 100)}
    began = time.monotonic()
    with BatchServer(
        fates,
        rates=FAULTS,
        seed=seed,
        seconds=seconds,
        most=requests - 1,  # so that a full one is refused, and smaller ones wait
        refuses=lambda question: question.split()[1].rstrip(":") in refused,
    ) as server:
        options = ("--batch", "--batch-poll", "0.2", "--batch-requests", requests)
        killed = 0
        while True:
            process = scene.start(server, *options)
            lasts = rng.uniform(0.5, 1.5 + rows / 4000)
            if killed == kills or _ends_before(process, lasts):
                assert scene.end(process, timeout=3600) == 3, scene.log
                break
            process.send_signal(signal.SIGKILL)
            scene.end(process)
            killed += 1
        assert scene.judge() == Counter(right=rows - len(refused), none=len(refused))
        assert {e["kind"] for e in scene.errors()} == {"refused"}
        # every answer that costs money was given once, however often its row had to be asked
        assert set(server.worked.values()) == {1}
        assert server.worked.total() == rows - len(refused)
        met = {name for name, count in server.met.items() if count}
        assert met == ALL or rows < 1000, ALL - met
        asked, batches = server.asked.total(), len(server.batches)
        left = [f["filename"] for f in server.files.values() if f["purpose"] == "batch"]
    assert leaks(folder, scene.log) == []
    assert not scene.beside(".dataflow/batches").exists()
    return (
        f"{rows:,} rows in {batches} batches of {requests:,} at most, killed {killed} times, "
        f"faults and ends met: {len(met)} of {len(ALL)}: captioned "
        f"{rows - len(refused):,}, refused {len(refused):,}, wrong 0, paid twice 0, "
        f"{asked / rows:.2f} requests per row, {len(left)} files left at the server, "
        f"{time.monotonic() - began:.0f} s"
    )


def _ends_before(process: subprocess.Popen[str], seconds: float) -> bool:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def test_a_command_killed_in_the_middle_of_its_batches_loses_and_pays_nothing(tmp_path):
    print(show_killed(tmp_path, rows=400, requests=60, kills=6, seconds=0.3, seed=4))


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_120_000_rows_through_every_state_and_fault_killed_ten_times(tmp_path):
    rows = size_of("BATCH", 120_000)
    requests = max(1, rows // 24)
    print()
    print(show_killed(tmp_path, rows=rows, requests=requests, kills=10, seconds=0.3, seed=5))
