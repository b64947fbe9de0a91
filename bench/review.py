"""The review page on many captions: how long people wait, in the browser, and the server's memory.

The captions are those of the bench `checking`, beside 200 pictures in turn. The page is driven in a
headless Chromium: from the address to the first captions, from the last key of a filter to its
captions, from `j` to the next picture drawn. The server's memory is the most that it ever had.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.checking import captions
from bench.dataset import pictures
from bench.process import DATA
from bench.report import Report

TITLE = "the review page on many captions"

FILTERS = ("red lantern", '"wooden bridge"', "kind=refusal", "words:>12", "-dog kitten", "/gold.n/")
"""From rare words to a regular expression over every caption."""
STEPS = 20
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The bench's own options."""
    parser.add_argument("--rows", type=int, default=1_000_000, help="captions (default: 1000000)")


def run(options: argparse.Namespace) -> Report:
    """The index made, then the page opened on the index that stands."""
    report = Report("review", TITLE, ("what", "seconds", "server MB"))
    rows = 20_000 if options.short else options.rows
    dataset = _dataset(rows)
    shutil.rmtree(dataset.with_name(dataset.name + ".dataflow"), ignore_errors=True)
    begun = time.monotonic()
    with _served(dataset) as (_, memory):
        report.rows.append((f"index of {rows:,}", time.monotonic() - begun, memory()))
    begun = time.monotonic()
    with _served(dataset) as (address, memory):
        report.rows.append(("server ready on it", time.monotonic() - begun, memory()))
        for what, seconds in _browse(address):
            report.rows.append((what, seconds, memory()))
    return report


def _dataset(rows: int) -> Path:
    path = DATA / f"review-{rows}.jsonl"
    if not path.exists():
        folder = pictures(200)
        part = path.with_suffix(".part")
        with part.open("w", encoding="utf-8") as file:
            for number, text in enumerate(captions(rows)):
                picture = str(folder / f"{number % 200:03}.jpg")
                file.write(json.dumps({"image": picture, "caption": text}) + "\n")
        part.replace(path)
    return path


@contextmanager
def _served(dataset: Path) -> Iterator[tuple[str, Callable[[], float]]]:
    """The page of a dataset: its address, and the most MB that its server has had."""
    program = Path(sys.executable).with_name("dataflow")
    process = subprocess.Popen(
        [program, "review", str(dataset)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "COLUMNS": "300"},
    )
    try:
        assert process.stdout is not None
        words = (line.partition("Open ")[2].strip() for line in process.stdout)
        yield next(filter(None, words)), lambda: _peak_mb(process.pid)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)


def _peak_mb(process: int) -> float:
    """The most memory of a process (https://man7.org/linux/man-pages/man5/proc_pid_status.5.html)."""
    status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    [line] = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) / 1024


def _browse(address: str) -> Iterator[tuple[str, float]]:
    """What is done in the browser, and the seconds that it took."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        begun = time.monotonic()
        page.goto(address)
        page.wait_for_selector(".card")
        yield "first captions", time.monotonic() - begun
        page.wait_for_function("() => document.getElementById('count').textContent")
        yield "first facets and counts", time.monotonic() - begun
        for line in FILTERS:
            yield f"filter {line}", _filtered(page, line)
        page.fill("#filter", "")
        page.wait_for_function("() => document.querySelectorAll('.card').length === 50")
        page.keyboard.press("Escape")
        times = sorted(_next_picture(page) for _ in range(STEPS))
        yield "next picture, median", statistics.median(times)
        yield "next picture, slowest", times[-1]
        browser.close()


WATCH = """(line) => new Promise((done) => {
    const list = document.getElementById("list");
    const empty = document.getElementById("empty");
    const begun = performance.now();
    new MutationObserver((_, observer) => {
        observer.disconnect();
        done((performance.now() - begun) / 1000);
    }).observe(list, { childList: true });
    document.getElementById("filter").value = line;
    document.getElementById("filters").requestSubmit();
})"""


def _filtered(page: Any, line: str) -> float:
    """Seconds from a filter that is entered to its captions."""
    return float(page.evaluate(WATCH, line))


NEXT = """() => new Promise((done) => {
    const begun = performance.now();
    document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "j", bubbles: true }));
    const picture = document.getElementById("picture");
    picture.decode().then(
        () => requestAnimationFrame(() => done((performance.now() - begun) / 1000)));
})"""


def _next_picture(page: Any) -> float:
    """Seconds from `j` to the next picture drawn; a person looks for half a second between two."""
    page.wait_for_timeout(500)
    return float(page.evaluate(NEXT))
