"""The folder that keeps pictures: real files, real SQLite, real processes."""

from __future__ import annotations

import errno
import logging
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dataflow.images.fetch import disk_cache
from dataflow.images.fetch.disk_cache import DiskCache

KEYS = [f"{number:02x}{'0' * 38}" for number in range(256)]
LARGE = disk_cache.SMALL + 7


@pytest.fixture
def caches(tmp_path):
    """Makes caches of the one folder, as several processes would; closes them at the end."""
    made = []

    def make(most: int = 10**9) -> DiskCache:
        made.append(DiskCache(str(tmp_path / "a" / "cache"), most))
        return made[-1]

    yield make
    for cache in made:
        cache.close()


def files_in(folder: Path) -> list[Path]:
    """The pictures that lie there, and what is half-written."""
    return [path for path in folder.rglob("*") if path.is_file() and "index" not in path.name]


def bytes_in(folder: Path) -> int:
    return sum(path.stat().st_size for path in files_in(folder))


def content(found) -> bytes | None:
    if found is None or isinstance(found, bytes):
        return found
    with found:
        return found.read()


@pytest.mark.parametrize("size", [1, 1000, disk_cache.SMALL, LARGE])
def test_what_is_kept_is_found_again_by_another_process(caches, size, tmp_path):
    data = random.Random(size).randbytes(size)
    caches().keep(KEYS[0], data)
    found = caches().find(KEYS[0])
    assert isinstance(found, bytes) == (size <= disk_cache.SMALL)
    assert content(found) == data
    assert caches().find(KEYS[1]) is None


def test_a_file_is_kept_from_its_start(caches, tmp_path):
    path = tmp_path / "body"
    path.write_bytes(b"picture")
    with open(path, "rb") as file:
        file.read(3)
        caches().keep(KEYS[0], file)
    assert caches().find(KEYS[0]) == b"picture"


@pytest.mark.parametrize("damage", ["cut", "flip", "more", "gone", "empty"])
@pytest.mark.parametrize("size", [1000, LARGE])
def test_a_damaged_file_is_not_found_and_may_be_kept_again(caches, tmp_path, damage, size):
    cache, data = caches(), bytes(size)
    cache.keep(KEYS[0], data)
    [path] = files_in(tmp_path)
    wrong = {
        "cut": data[:-1],
        "flip": data[:-1] + b"\1",
        "more": data + b"\0",
        "empty": b"",
    }
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(wrong[damage])
    assert cache.find(KEYS[0]) is None
    assert files_in(tmp_path) == []
    cache.keep(KEYS[0], data)
    assert content(cache.find(KEYS[0])) == data


def test_the_longest_unused_go_first_and_never_is_there_more_than_allowed(caches, tmp_path):
    cache = caches(most=1000)
    for key in KEYS[:10]:
        cache.keep(key, bytes(100))
    assert cache.find(KEYS[0])  # so the second is the longest unused now
    for key in KEYS[10:12]:
        cache.keep(key, bytes(100))
        assert bytes_in(tmp_path) == 1000
    there = {key for key in KEYS[:12] if cache.find(key) is not None}
    assert there == {KEYS[0], *KEYS[3:12]}
    cache.keep(KEYS[20], bytes(950))
    assert bytes_in(tmp_path) == 950


def test_what_alone_is_more_than_allowed_is_not_kept_and_displaces_nothing(caches, tmp_path):
    cache = caches(most=1000)
    cache.keep(KEYS[0], bytes(1000))
    cache.keep(KEYS[1], bytes(1001))
    assert cache.find(KEYS[0]) == bytes(1000)
    assert cache.find(KEYS[1]) is None


def test_kept_twice_counts_once(caches, tmp_path):
    cache = caches(most=1000)
    for _ in range(5):
        cache.keep(KEYS[0], bytes(400))
    cache.keep(KEYS[1], bytes(600))
    assert cache.find(KEYS[0])
    assert cache.find(KEYS[1])


def test_a_smaller_maximum_holds_from_the_next_picture_on(caches, tmp_path):
    for key in KEYS[:10]:
        caches().keep(key, bytes(100))
    caches(most=300).keep(KEYS[20], bytes(100))
    assert bytes_in(tmp_path) == 300


KEEPS = """
import random, sys
from dataflow.images.fetch.disk_cache import DiskCache
folder, seed = sys.argv[1], int(sys.argv[2])
rng, cache = random.Random(seed), DiskCache(folder, 40_000)
print("begun", flush=True)
for _ in range(int(sys.argv[3])):
    key = rng.randrange(256)
    found = cache.find(f"{key:02x}{'0' * 38}")
    assert found in (None, bytes([key]) * (key * 10 + 1)), key
    if found is None:
        cache.keep(f"{key:02x}{'0' * 38}", bytes([key]) * (key * 10 + 1))
"""


def keeping(folder: Path, seed: int, times: int) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", KEEPS, str(folder), str(seed), str(times)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_processes_that_begin_at_once_share_one_folder_and_its_maximum(tmp_path):
    processes = [keeping(tmp_path / "cache", seed, 300) for seed in range(4)]
    for process in processes:
        _, err = process.communicate()
        assert process.returncode == 0, err.decode()
        assert b"cache" not in err, err.decode()
    assert 20_000 < bytes_in(tmp_path) <= 40_000


def test_a_kill_at_any_instant_leaves_whole_pictures_within_the_maximum(caches, tmp_path):
    folder, rng = tmp_path / "a" / "cache", random.Random(7)
    for seed in range(8):
        process = keeping(folder, seed, 10**6)
        process.stdout.readline()
        time.sleep(rng.uniform(0.02, 0.2))
        process.send_signal(signal.SIGKILL)
        process.communicate()
    half_written = list((folder / "new").iterdir())
    assert bytes_in(folder) - sum(path.stat().st_size for path in half_written) <= 40_000
    cache, found = caches(40_000), 0
    for number, key in enumerate(KEYS):
        kept = cache.find(key)
        assert kept in (None, bytes([number]) * (number * 10 + 1))
        found += kept is not None
    assert found > 10
    assert len(files_in(folder)) == found + len(half_written), "no file is unknown to the index"


def test_what_killed_processes_left_half_written_goes_after_an_hour(caches, tmp_path):
    caches().keep(KEYS[0], b"1")
    new = tmp_path / "a" / "cache" / "new"
    for name, age in (("old", 4000), ("young", 100)):
        (new / name).write_bytes(b"half")
        os.utime(new / name, (time.time() - age,) * 2)
    caches().find(KEYS[0])
    assert [path.name for path in new.iterdir()] == ["young"]


def test_a_full_disk_is_told_once_and_what_is_there_is_still_found(caches, monkeypatch, caplog):
    cache = caches()
    cache.keep(KEYS[0], b"before")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copyfileobj", full)
    with caplog.at_level(logging.WARNING, "dataflow"):
        for key in KEYS[1:5]:
            cache.keep(key, b"after")
            assert cache.find(key) is None
        assert cache.find(KEYS[0]) == b"before"
    [told] = caplog.messages
    assert "No space left on device" in told
    assert "not kept" in told


@pytest.mark.parametrize("where", ["index", "folder"])
def test_a_cache_that_cannot_be_used_is_told_once_and_finds_nothing(
    caches, tmp_path, caplog, where
):
    place = tmp_path / "a" / "cache"
    place.parent.mkdir()
    if where == "folder":
        place.write_text("a file")
    else:
        place.mkdir()
        (place / "index.sqlite").write_bytes(b"no database at all" * 100)
    cache = caches()
    with caplog.at_level(logging.WARNING, "dataflow"):
        for key in KEYS[:3]:
            assert cache.find(key) is None
            cache.keep(key, b"picture")
    [told] = caplog.messages
    assert str(place) in told


def test_a_cache_that_hangs_is_given_up_and_told_once(caches, caplog):
    cache = caches()
    cache.keep(KEYS[0], b"picture")
    with caplog.at_level(logging.WARNING, "dataflow"):
        cache.give_up("does not answer")
        cache.give_up("does not answer")
        assert cache.find(KEYS[0]) is None
    [told] = caplog.messages
    assert "does not answer" in told


def test_an_index_from_elsewhere_leads_to_no_file_outside_the_folder(caches, tmp_path, caplog):
    victim = tmp_path / "victim"
    victim.write_text("not ours")
    caches().keep(KEYS[0], b"1")
    index = sqlite3.connect(tmp_path / "a" / "cache" / "index.sqlite")
    with index:
        index.execute("INSERT INTO files VALUES (?, 100, x'00', 0)", (f"..{victim}",))
    index.close()
    with caplog.at_level(logging.WARNING, "dataflow"):
        caches(most=50).keep(KEYS[1], bytes(20))
    assert victim.read_text() == "not ours"
    assert "is no key" in caplog.text
