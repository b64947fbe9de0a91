"""Whole processes: Ctrl-C wherever the run is, and programs that end while one goes on."""

from __future__ import annotations

import re
import signal
import subprocess
import sys

import pytest
from PIL import Image

SETUP = """
import asyncio, sys, threading, time
from concurrent.futures import ThreadPoolExecutor
from dataflow import FakeServing, FileStorage, ImageCaptionGenerator

serving = FakeServing("A cat.", delay=DELAY, max_workers=2)
captioner = ImageCaptionGenerator(serving, "")
storage = FileStorage("pictures", cache_path="cache").step()

def tell():
    while serving.asked < 3:
        time.sleep(0.01)
    print("ready", flush=True)

threading.Thread(target=tell, daemon=True).start()
"""
WHERE = {
    "main thread": "captioner.run(storage)",
    "thread": "t = threading.Thread(target=captioner.run, args=(storage,)); t.start(); t.join()",
    "pool": "with ThreadPoolExecutor() as pool: pool.submit(captioner.run, storage).result()",
    "asyncio.to_thread": "asyncio.run(asyncio.to_thread(captioner.run, storage))",
    "awaited": "asyncio.run(captioner.arun(storage))",
    "begun and waited for": "captioner.start(storage).result()",
}
PICTURES = 60


@pytest.fixture
def begin(tmp_path):
    (tmp_path / "pictures").mkdir()
    for number in range(PICTURES):
        Image.new("RGB", (20 + number, 10)).save(tmp_path / "pictures" / f"{number}.png")

    def start(code, delay):
        return subprocess.Popen(
            [sys.executable, "-c", SETUP.replace("DELAY", str(delay)) + code],
            cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    return start


@pytest.mark.parametrize("where", WHERE)
def test_ctrl_c_stops_the_run_wherever_it_is(begin, where):
    process = begin(WHERE[where], 1.0)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGINT  # what a shell shows as 130
    assert "KeyboardInterrupt" in said
    # a join that is broken off makes Python forget the thread: it ends with the process
    assert "requests in flight are finished first" in said or where == "thread"
    if where in ("main thread", "begun and waited for"):
        assert re.search(r"\d+ captions are answered and kept", said)


@pytest.mark.parametrize(
    "code",
    [
        "threading.Thread(target=captioner.run, args=(storage,)).start(); tell()",
        pytest.param(
            "import atexit; atexit.register(captioner.run, storage)",
            marks=pytest.mark.skipif(
                sys.version_info >= (3, 12), reason="no threads at exit there"
            ),
        ),
    ],
    ids=["in a thread", "at exit"],
)
def test_a_run_is_finished_though_the_main_thread_has_ended(begin, code, tmp_path):
    process = begin(code, 0.01)
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (0, "")
    written = (tmp_path / "cache" / "dataflow_cache_step1.jsonl").read_text(encoding="utf-8")
    assert written.count("A cat.") == PICTURES
