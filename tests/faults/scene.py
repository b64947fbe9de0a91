"""A dataset whose every row has one right caption, and runs over it in a process of their own."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from dataflow.checks.rules.empty import empty
from dataflow.core.protocols.serving import AsyncServing
from dataflow.engine.columns import Column
from dataflow.engine.plan import Output, Plan
from dataflow.formats.output_spec import writer_for
from dataflow.formats.registry import open_reader
from dataflow.operators.core_vision.request_builder import RowRequests
from tests.in_process import run_command
from tests.servers.hostile_server import KEY, MODEL, HostileServer, caption_of

COMMAND = str(Path(sys.executable).with_name("dataflow"))
QUESTION = "Question {}: what is in this picture?"


def encode(number: int) -> bytes:
    """A plain JPEG, unlike that of any other number, that is sent as it is."""
    image = Image.new("RGB", (64, 48), (number * 7 % 256, number * 31 % 256, number * 3 % 256))
    image.paste((number // 256 * 60 % 256, number % 256, 9), (number % 56, 8, number % 56 + 8, 40))
    file = io.BytesIO()
    image.save(file, "JPEG")
    return file.getvalue()


_SCRIPT = """
import logging, sys
from pathlib import Path
from dataflow.checks.rules.empty import empty
from dataflow.engine.columns import Column
from dataflow.engine.plan import Output, Plan
from dataflow.engine.runner import run
from dataflow.formats.output_spec import writer_for
from dataflow.formats.registry import open_reader
from dataflow.operators.core_vision.request_builder import RowRequests
from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai

logging.basicConfig(level=logging.INFO)
data, output, url, model, timeout, workers = sys.argv[1:]
reader = open_reader(data)
serving = APIVLMServing_openai(
    url, model_name=model, max_workers=int(workers), timeout=float(timeout)
)
plan = Plan(
    reader=reader,
    requests_of=RowRequests(folders=[reader.folder()]),
    serving=serving,
    output=Output(Path(output), [Column("caption")], writer_for(output, reader, ["caption"])),
    checks=[empty],
)
summary = run(plan)
print(f"took {summary.seconds} seconds")
"""


class Scene:
    """So many rows, each a different question about one of so many pictures.

    Args:
        folder: Where the pictures and the dataset are made.
        rows: In the dataset.
        pictures: Different ones; row n shows picture n modulo this.
        output: Where the captions go; None for `folder`.
    """

    def __init__(
        self, folder: Path, rows: int, pictures: int, *, output: Path | None = None
    ) -> None:
        self.folder = folder
        self.output = (output or folder) / "out.jsonl"
        self.data = folder / "data.jsonl"
        self.log = ""
        data = [encode(number) for number in range(pictures)]
        assert len(set(data)) == pictures
        for number, picture in enumerate(data):
            (folder / f"{number}.jpg").write_bytes(picture)
        lines, self.right = [], []
        for row in range(rows):
            question = QUESTION.format(row)
            turns = [{"from": "human", "value": question}]
            lines.append({"id": row, "image": f"{row % pictures}.jpg", "conversation": turns})
            self.right.append(caption_of(data[row % pictures], question=question))
        self.data.write_text("".join(json.dumps(line) + "\n" for line in lines))

    def start(
        self, server: HostileServer, *more: object, key: str = KEY, before: Sequence[str] = ()
    ) -> subprocess.Popen[str]:
        """The command over this dataset, under way; `before` is what starts it."""
        command = [*before, COMMAND, "caption", self.data, "-o", self.output]
        command += ["--api-url", server.url, "--model", MODEL, *more]
        return subprocess.Popen(
            list(map(str, command)),
            cwd=self.folder,
            env={**os.environ, "COLUMNS": "200", "TERM": "dumb", "DF_API_KEY": key},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def end(self, process: subprocess.Popen[str], timeout: float = 110) -> int:
        """Wait for a run; what it said is added to `log`."""
        out, err = process.communicate(timeout=timeout)
        self.log += out + err
        return process.returncode

    def start_slow(
        self, server: HostileServer, *, timeout: float, concurrency: int
    ) -> subprocess.Popen[str]:
        """The same run by the operators' road, with a time limit for each attempt."""
        arguments = [self.data, self.output, server.url, MODEL, timeout, concurrency]
        return subprocess.Popen(
            [sys.executable, "-c", _SCRIPT, *map(str, arguments)],
            cwd=self.folder,
            env={**os.environ, "DF_API_KEY": KEY},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, server: HostileServer, *more: object, key: str = KEY) -> int:
        """The command over this dataset, in this process; returns its exit status."""
        words = ["caption", self.data, "-o", self.output, "--api-url", server.url, "--model", MODEL]
        return self.run_words(*words, *more, key=key)

    def run_words(self, *words: object, key: str = KEY) -> int:
        """A command in this process and this folder; returns its exit status."""
        environment = {**os.environ, "COLUMNS": "200", "TERM": "dumb", "DF_API_KEY": key}
        done = run_command(words, self.folder, environment)
        self.log += done.stdout + done.stderr
        return done.returncode

    def plan(self, serving: AsyncServing, **more: Any) -> Plan:
        """The same run, for `engine.runner.run` in this process."""
        reader = open_reader(self.data)
        return Plan(
            reader=reader,
            requests_of=RowRequests(folders=[str(self.folder)]),
            serving=serving,
            output=Output(
                self.output, [Column("caption")], writer_for(self.output, reader, ["caption"])
            ),
            checks=[empty],
            **more,
        )

    def rows(self) -> list[dict]:
        return [json.loads(line) for line in self.output.read_text().splitlines()]

    def beside(self, ending: str) -> Path:
        return Path(f"{self.output}{ending}")

    def errors(self) -> list[dict]:
        path = self.beside(".errors.jsonl")
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def judge(self) -> Counter[str]:
        """How many rows of the output are right, wrong, without caption, missing or doubled."""
        verdicts: Counter[str] = Counter()
        seen: Counter[int] = Counter()
        for place, row in enumerate(self.rows()):
            seen[row["id"]] += 1
            if row["id"] != place:
                verdicts["out of place"] += 1
            caption = row["caption"]
            right = self.right[row["id"]]
            verdicts["none" if caption is None else "right" if caption == right else "wrong"] += 1
        verdicts["doubled"] += sum(count - 1 for count in seen.values())
        verdicts["missing"] += len(self.right) - len(seen)
        return +verdicts

    def all_right(self) -> Counter[str]:
        """What `judge` says when nothing is lost and nothing mixed up."""
        return Counter(right=len(self.right))


_BASE64 = re.compile(rb"[A-Za-z0-9+/=]{80,}")


def leaks(place: Path, *texts: str, key: str = KEY) -> list[str]:
    """Where the key or base64 stands: in `texts`, in a file, in a folder's files but its data."""
    found = []
    for path in sorted(place.rglob("*")) if place.is_dir() else [place]:
        if path.is_file() and path.suffix not in {".jpg", ".gguf"} and path.name != "data.jsonl":
            found += _leaks_in(path.read_bytes(), str(path), key)
    for text in texts:
        found += _leaks_in(text.encode("utf-8", "surrogateescape"), "a text", key)
    return found


def _leaks_in(text: bytes, name: str, key: str) -> list[str]:
    # a long path has no capitals, or few
    runs = [run for run in _BASE64.findall(text) if sum(65 <= byte <= 90 for byte in run) >= 8]
    hits = ["the key"] * text.count(key.encode()) + ["base64"] * len(runs)
    return [f"{hit} in {name}" for hit in hits]
