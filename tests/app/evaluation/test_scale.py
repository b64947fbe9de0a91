"""A comparison of 2,000 pairs: killed and resumed, estimated beforehand, over the Batch API."""

from __future__ import annotations

import io
import json
import math
import os
import signal
import sqlite3
import subprocess
import sys
import time
from base64 import b64decode
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from dataflow.app.evaluation.compare import compare, estimate_comparison
from dataflow.app.options.evaluation.compare import CompareOptions
from dataflow.evaluate.pairs import PairResult
from tests.servers.batch_server import KEY, BatchServer
from tests.servers.chat_server import completion, text_of, usual_charge
from tests.servers.judge_server import JudgeServer, judgement
from tests.servers.messages import all_parts
from tests.servers.metered_server import tiles

COMMAND = str(Path(sys.executable).with_name("dataflow"))
WORKERS = 16


def pairs_in(folder: Path, count: int, *, side: int = 16) -> list[str]:
    """Two datasets of so many pictures; every second caption of the second one is wrong."""
    pictures = folder / "pictures"
    pictures.mkdir(parents=True)
    for number in range(count):
        color = (number % 256, number // 256, 7)
        Image.new("RGB", (side, side), color).save(pictures / f"{number:05}.png")
    paths = []
    for name in ("one", "other"):
        path = folder / f"{name}.jsonl"
        with path.open("w") as file:
            for number in range(count):
                wrong = " It is wrong." if name == "other" and number % 2 else ""
                text = f"A plain square, number {number}, as {name} says.{wrong}"
                picture = str(pictures / f"{number:05}.png")
                file.write(json.dumps({"image": picture, "caption": text}) + "\n")
        paths.append(str(path))
    return paths


def fewer_errors(first: str, second: str) -> str:
    errors = first.count("wrong"), second.count("wrong")
    return "tie" if errors[0] == errors[1] else ("first" if errors[0] < errors[1] else "second")


def answered(folder: Path) -> int:
    """Answers in the journal of the judge's run."""
    [journal] = folder.glob("*/judged.jsonl.dataflow/journal.sqlite")
    with closing(sqlite3.connect(f"file:{journal}?mode=ro", uri=True)) as db:
        return int(db.execute("SELECT count(*) FROM results").fetchone()[0])


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("kills", [5])
def test_a_comparison_that_is_killed_five_times_asks_nothing_twice(tmp_path, kills, capsys):
    count = 2_000
    datasets = pairs_in(tmp_path, count)
    with JudgeServer(fewer_errors) as server:
        command = [
            COMMAND, "compare", *datasets, "-o", str(tmp_path / "out"), "--api-url", server.url,
            "--model", "judge", "--concurrency", str(WORKERS), "-q", "--json",
        ]  # fmt: skip
        environment = {**os.environ, "DF_API_KEY": "k"}
        for number in range(1, kills + 1):
            process = subprocess.Popen(
                command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
            )
            while len(server.asked) < number * 2 * count // (kills + 1):
                assert process.poll() is None, process.stderr.read()
                time.sleep(0.02)
            process.send_signal(signal.SIGKILL)
            process.communicate()
        kept, asked = answered(tmp_path / "out"), len(server.asked)
        last = subprocess.run(command, env=environment, capture_output=True, check=False)
        assert last.returncode == 0, last.stderr
        asked_last = len(server.asked) - asked
        twice = sum(times - 1 for times in Counter(server.asked).values())
        again = subprocess.run(command, env=environment, capture_output=True, check=False)
        assert again.stdout == last.stdout
        assert len(server.asked) == asked + asked_last, "a finished comparison asks nothing"
    [pair] = json.loads(last.stdout)["pairs"]
    with capsys.disabled():
        print(
            f"{2 * count} questions, {kills} kills: {asked + asked_last} asked, {twice} of them "
            f"in flight when a kill came; {kept} kept at the last kill, {asked_last} asked after it"
        )
    assert (pair["win"], pair["tie"], pair["failed"]) == (count // 2, count // 2, 0)
    assert asked_last == 2 * count - kept, "what was kept is not asked again"
    assert twice <= kills * WORKERS, "only what was in flight when a kill came"


def charged_by_tiles(body: dict[str, Any], answer: str) -> tuple[int, int]:
    """As OpenAI charges GPT-4o, words at 1.3 tokens each."""
    parts = all_parts(body)
    texts = [part["text"] for part in parts if part["type"] == "text"]
    urls = [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]
    pictures = [Image.open(io.BytesIO(b64decode(url.partition("base64,")[2]))) for url in urls]
    words = sum(len(text.split()) for text in texts)
    prompt = sum(tiles(*picture.size) for picture in pictures) + math.ceil(words * 1.3) + 11
    return prompt, math.ceil(len(answer.split()) * 1.3) + 30


def test_what_a_comparison_costs_lies_within_what_was_estimated(tmp_path):
    datasets = pairs_in(tmp_path, 60, side=600)
    with JudgeServer(fewer_errors, charge=charged_by_tiles) as server:
        options = CompareOptions(
            datasets=datasets, output=str(tmp_path / "out"), api_url=[server.url], model="gpt-4o",
            price_in=2.5, price_out=10.0, max_tokens=300,
        )  # fmt: skip
        found = estimate_comparison(options)
        assert server.asked == []
        result = compare(options)
        charged = [charged_by_tiles(body, "one two") for body in server.bodies]
    lines = (result.folder / "judged.jsonl").read_text().splitlines()
    bill = found.expected.bill
    assert found.expected.requests.likely == len(server.asked) == len(lines) == 120
    read = sum(prompt for prompt, _ in charged)
    assert bill.prompt.low <= read <= bill.prompt.high
    written = sum(tokens for _, tokens in charged)
    assert bill.completion.low <= written <= bill.completion.high
    cost = (read * 2.5 + written * 10.0) / 1e6
    assert bill.cost.low <= cost <= bill.cost.high


def batch_answers(asked: Counter[str]):
    """A Batch API's judge: a file of requests → the lines of its output."""

    def answer(path: Path) -> list[bytes]:
        lines = []
        for line in path.read_text().splitlines():
            request = json.loads(line)
            text = text_of(request["body"])
            asked[text] += 1
            said = judgement(fewer_errors, text)
            body = completion(request["body"], said, usual_charge(request["body"], said))
            response = {"status_code": 200, "request_id": request["custom_id"], "body": body}
            one = {"custom_id": request["custom_id"], "response": response, "error": None}
            lines.append(json.dumps(one).encode() + b"\n")
        return lines

    return answer


@pytest.mark.parametrize(
    "count", [30, pytest.param(2_000, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])]
)
def test_a_comparison_goes_over_the_batch_api_and_says_the_same(tmp_path, count, monkeypatch):
    monkeypatch.setenv("DF_API_KEY", KEY)
    datasets = pairs_in(tmp_path, count)
    asked: Counter[str] = Counter()
    with BatchServer(answer=batch_answers(asked)) as server:
        options = CompareOptions(
            datasets=datasets, output=str(tmp_path / "out"), api_url=[server.url],
            model="gpt-4o", batch=True, batch_poll=0.1,
        )  # fmt: skip
        result = compare(options)
        assert compare(options) == result
    assert set(asked.values()) == {1}
    assert len(asked) == 2 * count
    [summary] = result.summaries.values()
    assert summary.counts[PairResult.WIN] == summary.counts[PairResult.TIE] == count // 2
