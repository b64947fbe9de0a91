"""`--image-cache`: pictures given by URL, fetched once for all runs, in processes of their own."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.faults.shows import fill, small_disk
from tests.faults.test_shows import needs_mount
from tests.servers.hostile_server import MODEL, HostileServer, caption_of
from tests.servers.picture_server import PictureServer, jpeg

ROWS = 30


@pytest.fixture
def engine():
    with HostileServer() as running:
        yield running


@pytest.fixture
def pictures():
    with PictureServer() as running:
        yield running


@pytest.fixture
def command(dataflow, engine, pictures):
    """The arguments of a run over so many URLs, without its output."""
    lines = [
        json.dumps({"image": f"{pictures.url}/{number}.jpg?token=s3cret"}) for number in range(ROWS)
    ]
    (dataflow.folder / "urls.jsonl").write_text("\n".join(lines))
    api = ["--api-url", engine.url, "--model", MODEL, "--allow-private-urls"]
    return ["caption", "urls.jsonl", *api, "--image-cache"]


def captions(output: Path) -> list[str]:
    return [json.loads(line)["caption"] for line in output.read_text().splitlines()]


RIGHT = [caption_of(jpeg(number)) for number in range(ROWS)]


def test_a_run_with_another_prompt_fetches_nothing(dataflow, command, engine, pictures):
    for prompt in ("What is this?", "What colour is it?"):
        done = dataflow(*command, "cache", "--prompt", prompt, "-o", f"{prompt[:10]}.jsonl")
        assert done.returncode == 0, done.stderr
        assert captions(dataflow.folder / f"{prompt[:10]}.jsonl") == RIGHT
    assert pictures.asked.total() == ROWS
    assert engine.asked == 2 * ROWS
    assert not any("s3cret" in str(path) for path in (dataflow.folder / "cache").rglob("*"))


def test_a_cache_changes_no_request_so_nothing_is_asked_again(dataflow, command, engine):
    assert dataflow(*command[:-1], "-o", "out.jsonl").returncode == 0
    assert dataflow(*command, "cache", "-o", "out.jsonl").returncode == 0
    assert engine.asked == ROWS


def test_what_an_estimate_fetched_is_not_fetched_again_by_the_run(dataflow, command, pictures):
    price = ["--price-in", "1", "--price-out", "1"]
    done = dataflow("estimate", *command[1:], "cache", "-o", "out.jsonl", *price)
    assert done.returncode == 0, done.stderr
    assert pictures.asked.total() == ROWS
    done = dataflow(*command, "cache", "-o", "out.jsonl")
    assert done.returncode == 0, done.stderr
    assert captions(dataflow.folder / "out.jsonl") == RIGHT
    assert pictures.asked.total() == ROWS


def test_two_runs_at_once_that_are_killed_leave_a_cache_of_whole_pictures(
    dataflow, command, engine, pictures
):
    size = ["--image-cache-max", f"{len(jpeg(0)) * 20}B"]
    for _ in range(3):
        runs = [dataflow.start(*command, "cache", *size, "-o", f"{n}.jsonl") for n in range(2)]
        before = pictures.asked.total()
        while pictures.asked.total() < before + 8 and any(run.poll() is None for run in runs):
            time.sleep(0.01)
        for run in runs:
            run.send_signal(signal.SIGKILL)
            run.communicate()
    for number in range(2):
        done = dataflow(*command, "cache", *size, "-o", f"{number}.jsonl")
        assert done.returncode == 0, done.stderr
        assert captions(dataflow.folder / f"{number}.jsonl") == RIGHT
    kept = [p for p in (dataflow.folder / "cache").glob("??/*") if p.is_file()]
    assert 10 <= len(kept) <= 25
    assert sum(path.stat().st_size for path in kept) <= len(jpeg(0)) * 20


@needs_mount
def test_a_full_disk_is_told_once_and_every_row_has_its_caption(dataflow, command, pictures):
    with small_disk(dataflow.folder / "disk", 1) as disk:
        assert dataflow(*command, disk / "cache", "--limit", 10, "-o", "a.jsonl").returncode == 0
        fill(disk)
        done = dataflow(*command, disk / "cache", "-o", "b.jsonl")
        assert done.returncode == 0, done.stderr
        assert captions(dataflow.folder / "b.jsonl") == RIGHT
        assert done.stderr.count("the image cache") == 1, done.stderr
        assert "full" in done.stderr or "No space" in done.stderr


@needs_mount
def test_a_cache_that_became_read_only_is_told_once_and_stops_nothing(dataflow, command, pictures):
    with small_disk(dataflow.folder / "disk", 8) as disk:
        assert dataflow(*command, disk / "cache", "-o", "a.jsonl").returncode == 0
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        done = dataflow(*command, disk / "cache", "--prompt", "Other?", "-o", "b.jsonl")
        assert done.returncode == 0, done.stderr
        assert captions(dataflow.folder / "b.jsonl") == RIGHT
        assert done.stderr.count("the image cache") == 1, done.stderr


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["--image-cache-max", "1GB"], "--image-cache"),
        (["--image-cache", "c", "--image-cache-max", "10"], "write it like 500MB"),
        (["--image-cache", "c", "--image-cache-max", "0MB"], "is no size"),
        (["--image-cache", "c", "--image-cache-max", "1XB"], "is no size"),
    ],
)
def test_a_wrong_size_is_told_before_anything_begins(dataflow, command, pictures, given, told):
    done = dataflow(*command[:-1], *given)
    assert done.returncode == 2
    assert told in done.stderr
    assert pictures.asked.total() == 0
