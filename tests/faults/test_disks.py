"""Disks that are full, read-only, elsewhere, or fail half-way: nothing lost, nothing half-done."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from dataflow.core.errors import OutputError
from dataflow.engine.runner import run
from dataflow.serving.fake import FakeServing
from tests.faults.shows import fill, small_disk
from tests.faults.test_shows import needs_mount
from tests.servers.hostile_server import HostileServer


def folder_names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@needs_mount
def test_a_disk_that_is_full_from_the_start_spends_nothing(scene, tmp_path):
    with small_disk(tmp_path / "disk", 1) as disk, HostileServer(asks_too=True) as server:
        there = scene(20, output=disk)
        filler = fill(disk)
        assert there.run(server) == 1
        assert server.asked == 0
        assert "space" in there.log
        assert "Traceback" not in there.log
        filler.unlink()
        assert there.run(server) == 0
        assert there.judge() == there.all_right()


@needs_mount
def test_no_room_for_the_output_keeps_every_answer_and_shows_no_half_file(scene, tmp_path):
    with small_disk(tmp_path / "disk", 8) as disk, HostileServer(asks_too=True) as server:
        there = scene(300, output=disk)
        assert there.run(server, "--limit", 200) == 0
        before, asked = there.output.read_bytes(), server.asked
        with open(there.data, "a") as file:  # a row whose other field is larger than the disk
            file.write('{"id": 300, "image": "0.jpg", "more": "' + "x" * 9_000_000 + '"}\n')
        assert there.run(server) == 1
        assert "No space left" in there.log
        assert "every answer is kept" in there.log or "free space" in there.log
        assert there.output.read_bytes() == before
        assert not {name for name in folder_names(disk) if "part" in name}
        assert server.asked == 301 > asked
        assert there.run(server, "--limit", 300) == 0
        assert server.asked == 301, "every answer was kept"
        assert there.judge() == there.all_right()


@needs_mount
def test_a_folder_that_became_read_only_is_a_clear_error_and_spends_nothing(scene, tmp_path):
    with small_disk(tmp_path / "disk", 8) as disk, HostileServer(asks_too=True) as server:
        there = scene(20, output=disk)
        remount = ["mount", "-o", "remount,ro", str(disk)]
        subprocess.run(remount, check=True)
        assert there.run(server) == 1
        assert "Read-only" in there.log
        assert "Traceback" not in there.log
        assert server.asked == 0


@needs_mount
def test_output_journal_and_pictures_may_lie_on_different_file_systems(scene, tmp_path):
    with small_disk(tmp_path / "disk", 8) as disk, HostileServer(asks_too=True) as server:
        there = scene(50, output=disk)
        assert os.stat(disk).st_dev != os.stat(there.folder).st_dev
        assert there.run(server) == 0
        assert there.judge() == there.all_right()


@pytest.mark.skipif(sys.platform != "linux", reason="limits another process")
def test_a_limit_on_the_files_size_stops_the_run_and_keeps_what_was_committed(scene):
    there = scene(300)
    with HostileServer(asks_too=True, delay=0.005) as server:
        process = there.start(server, "--concurrency", 8)
        while server.asked < 30:
            pass
        size = there.beside(".dataflow/journal.sqlite-wal").stat().st_size
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (size + 20_000, size + 20_000))
        assert there.end(process) == 1, there.log
        assert "journal" in there.log
        assert not there.output.exists()
        stopped_at = server.asked
        assert there.run(server) == 0, there.log
        assert server.asked <= 300 + 8
        assert stopped_at < 300
    assert there.judge() == there.all_right()


@pytest.mark.parametrize("call", [1, 2])
def test_a_rename_that_fails_half_way_leaves_the_former_output_and_every_answer(
    scene, monkeypatch, call
):
    """The first rename brings the errors file into its place, the second the output."""
    there, right = scene(10), iter(range(1000))
    run(there.plan(FakeServing(lambda r, p: f"first {next(right)}")))
    before = there.output.read_bytes()
    (there.folder / "0.jpg").unlink()  # one row fails: an errors file is to be written
    calls = 0
    replace = Path.replace

    def failing(self, target):
        nonlocal calls
        calls += 1
        if calls == call:
            raise OSError(errno.EIO, "Input/output error")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", failing)
    with pytest.raises(OutputError, match="Input/output error"):
        run(there.plan(FakeServing("second")))
    assert there.output.read_bytes() == before
    assert not {name for name in folder_names(there.folder) if "part" in name}
    monkeypatch.undo()
    again = FakeServing([])
    assert run(there.plan(again)).failed == {"picture_missing": 1}
    assert again.asked == 0
