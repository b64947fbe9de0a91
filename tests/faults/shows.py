"""The shows of `docs/reliability.md`: small in the ordinary tests, in full size by `make soak`.

Each returns the line with its figures.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

from dataflow.engine.flow import adaptive_concurrency
from dataflow.engine.runner import run
from tests.faults.scene import Scene, leaks
from tests.servers.child_engine import ChildServing
from tests.servers.hostile_server import TRANSIENT, HostileServer, transient


def size_of(name: str, usual: int) -> int:
    """A size, which the environment variable ``DATAFLOW_SOAK_<NAME>`` may change."""
    return int(os.environ.get(f"DATAFLOW_SOAK_{name}", usual))


ATTEMPT_SECONDS = 8.0
"""The limit of an attempt, which a server that hangs uses up."""


# --- every transient fault at once ---------------------------------------------------------------


def show_transient_faults(
    folder: Path, *, rows: int, pictures: int, rate: float, concurrency: int, seed: int = 1
) -> str:
    """Every fault that passes, at `rate` each; compared with a run without faults."""
    seconds, requests = {}, {}
    for name, rates in (("calm", {}), ("stormy", transient(rate))):
        place = folder / name
        place.mkdir()
        scene = Scene(place, rows, pictures)
        with HostileServer(rates=rates, seed=seed, asks_too=True) as server:
            process = scene.start_slow(server, timeout=ATTEMPT_SECONDS, concurrency=concurrency)
            assert scene.end(process, timeout=3600) == 0, scene.log
        assert scene.judge() == scene.all_right(), scene.errors()[:3]
        answered_twice = sum(count - 1 for count in server.seen.values())
        assert answered_twice == 0
        assert server.seen.keys() == set(scene.right)
        assert leaks(place, scene.log) == []
        took = re.search(r"took ([\d.]+) seconds", scene.log)
        assert took is not None
        seconds[name], requests[name] = float(took[1]), server.asked
        if rates:
            missing = TRANSIENT if rows >= 1000 else ()
            assert server.faults.keys() >= set(missing)
            share = server.faults.total() / server.asked
    return (
        f"{rows:,} rows, {pictures} pictures, {len(TRANSIENT)} faults at {rate:.0%} each "
        f"({share:.0%} of the requests), concurrency {concurrency}: captioned {rows:,}, wrong 0, "
        f"answered twice 0, {requests['stormy'] / rows:.2f} requests per row, "
        f"{seconds['stormy']:.1f} s (without faults {seconds['calm']:.1f} s)"
    )


# --- kill -9 of the command ----------------------------------------------------------------------


def show_killed_command(
    folder: Path, *, runs: int, rows: int, concurrency: int = 16, seed: int = 2
) -> str:
    """Each run killed with -9 at random instants and resumed until it is done."""
    rng = random.Random(seed)
    kills, beyond = 0, []
    for number in range(runs):
        place = folder / f"killed-{number}"
        place.mkdir()
        scene = Scene(place, rows, 40)
        with HostileServer(asks_too=True, delay=0.005) as server:
            here = 0
            for stop in sorted(rng.sample(range(rows), k=rng.randint(1, 3))):
                process = scene.start(server, "--concurrency", concurrency)
                ended = _wait(process, lambda at=stop: server.asked >= at)
                time.sleep(rng.uniform(0, 0.2))
                process.kill()
                code = scene.end(process)
                here += code != 0 or not ended
            assert scene.run(server, "--concurrency", concurrency) == 0, scene.log
        _check(scene, server.asked, kills=here, in_flight=concurrency)
        kills += here
        beyond.append(server.asked - rows)
        shutil.rmtree(place)
    return (
        f"{runs} runs of {rows:,} rows, {kills} kills of the command: union exact {runs} of {runs},"
        f" requests beyond the rows per kill {sum(beyond) / max(kills, 1):.1f} on average (in "
        f"flight: {concurrency})"
    )


def _check(scene: Scene, asked: int, *, kills: int, in_flight: int) -> None:
    assert scene.judge() == scene.all_right(), (scene.judge(), scene.errors()[:3])
    assert len(scene.right) <= asked <= len(scene.right) + kills * in_flight
    assert leaks(scene.folder, scene.log) == []
    assert not list(scene.folder.glob("*.part"))


def _wait(process: subprocess.Popen[str], condition) -> bool:
    """Wait until `condition` holds; False where the process ended before."""
    while process.poll() is None:
        if condition():
            return True
        time.sleep(0.002)
    return False


# --- kill -9 of a local engine -------------------------------------------------------------------


def show_killed_engine(
    folder: Path, *, runs: int, rows: int, concurrency: int = 16, seed: int = 4
) -> str:
    """The engine's own process is killed with -9 while it answers; it comes back by itself."""
    rng = random.Random(seed)
    kills, beyond = 0, []
    for number in range(runs):
        place = folder / f"engine-{number}"
        place.mkdir()
        scene = Scene(place, rows, 40)
        serving = ChildServing(place / "asked", concurrency)
        stops = sorted(rng.sample(range(rows - 50), k=rng.randint(1, 2)))
        killer = _EngineKiller(serving, stops)
        try:
            # on a busy machine an answer may take a second, and is no request that hangs
            with mock.patch.object(adaptive_concurrency, "STUCK_SECONDS", 60.0):
                summary = run(scene.plan(serving))
        finally:
            killer.join()
            serving.cleanup()
        assert summary.failed == {}
        _check(scene, serving.asked(), kills=killer.kills, in_flight=concurrency)
        kills += killer.kills
        beyond.append(serving.asked() - rows)
        shutil.rmtree(place)
    return (
        f"{runs} runs of {rows:,} rows, {kills} kills of the engine's process: union exact {runs} "
        f"of {runs}, requests beyond the rows per kill {sum(beyond) / max(kills, 1):.1f} on average"
        f" (in flight: {concurrency})"
    )


class _EngineKiller(threading.Thread):
    """Kills the engine with -9 when it has been asked so often."""

    def __init__(self, serving: ChildServing, stops: list[int]) -> None:
        super().__init__(daemon=True)
        self.kills = 0
        self._serving = serving
        self._stops = stops
        self.start()

    def run(self) -> None:
        for stop in self._stops:
            deadline = time.monotonic() + 60
            while self._serving.asked() < stop and time.monotonic() < deadline:
                time.sleep(0.002)
            pid = self._serving.child().engine_pid
            if pid is not None and self._serving.child().running:
                os.kill(pid, signal.SIGKILL)
                self.kills += 1
                time.sleep(0.5)


# --- a full disk ---------------------------------------------------------------------------------


@contextmanager
def small_disk(folder: Path, mebibytes: int) -> Iterator[Path]:
    """A file system of its own of so many MiB; needs the right to mount."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "tmpfs", str(folder)]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode != 0:
        raise PermissionError(done.stderr.decode())
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def fill(disk: Path) -> Path:
    """A file that takes all the room that is left."""
    path = disk / "filler"
    with open(path, "wb", buffering=0) as file:
        for size in (1 << 16, 1 << 12, 1):
            try:
                while file.write(b"x" * size) == size:
                    pass
            except OSError:
                continue
    return path


def show_full_disk(
    folder: Path, *, runs: int, rows: int, concurrency: int = 16, seed: int = 3
) -> str:
    """The disk fills up at a random instant; with room again, the run goes on."""
    rng = random.Random(seed)
    beyond, codes = [], Counter()
    for number in range(runs):
        place = folder / f"full-{number}"
        place.mkdir()
        with small_disk(place / "disk", 16) as disk:
            scene = Scene(place, rows, 40, output=disk)
            with HostileServer(asks_too=True, delay=0.005) as server:
                stop = rng.randrange(rows)
                process = scene.start(server, "--concurrency", concurrency)
                _wait(process, lambda at=stop: server.asked >= at)
                filler = fill(disk)
                code = scene.end(process)
                codes[code] += 1
                assert code in (0, 1), scene.log
                assert code == 0 or "No space" in scene.log or "full" in scene.log, scene.log
                assert (code == 0) == scene.output.exists()
                filler.unlink()
                assert scene.run(server, "--concurrency", concurrency) == 0, scene.log
            _check(scene, server.asked, kills=1, in_flight=concurrency)
            beyond.append(server.asked - rows)
        shutil.rmtree(place)
    return (
        f"{runs} runs of {rows:,} rows, the disk full at a random instant (stopped {codes[1]}, "
        f"done before {codes[0]}): union exact {runs} of {runs}, requests beyond the rows "
        f"{sum(beyond) / runs:.1f} on average (in flight: {concurrency})"
    )
