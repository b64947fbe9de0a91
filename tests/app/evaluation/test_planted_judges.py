"""Judges with planted faults, asked over a real socket: what is reported is what was planted."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from PIL import Image

from dataflow.app.evaluation.compare import compare
from dataflow.app.evaluation.comparison_document import notes_of
from dataflow.app.options.evaluation.compare import CompareOptions
from dataflow.evaluate.pairs import PairResult, PairSummary
from tests.servers.judge_server import JudgeServer

COUNT = 120


@pytest.fixture(scope="module")
def pair(tmp_path_factory) -> list[str]:
    folder = tmp_path_factory.mktemp("pair")
    paths = []
    for name, words in (("one", 5), ("other", 6)):
        rows = []
        for number in range(COUNT):
            picture = folder / f"{number}.png"
            Image.new("RGB", (16, 16), (number, 9, 9)).save(picture)
            # now this, now that one is the longer
            text = f"{name} {number} " + "word " * (words + 3 * ((number + words) % 2))
            rows.append(json.dumps({"image": str(picture), "caption": text.strip()}))
        path = folder / f"{name}.jsonl"
        path.write_text("\n".join(rows) + "\n")
        paths.append(str(path))
    return paths


def coin(*texts: str) -> int:
    """A number that looks drawn, and is the same whenever the same is asked."""
    return hashlib.blake2b("|".join(texts).encode(), digest_size=4).digest()[0]


def judged_by(decide, pair: list[str], folder: Path, **more) -> PairSummary:
    with JudgeServer(decide) as server:
        result = compare(
            CompareOptions(
                datasets=pair, output=str(folder / "out"), api_url=[server.url], model="judge",
                **more,
            )
        )  # fmt: skip
    [summary] = result.summaries.values()
    return summary


def test_always_the_first_is_a_hundred_percent_flips(pair, tmp_path):
    summary = judged_by(lambda first, second: "first", pair, tmp_path)
    assert summary.flip_rate == 1.0
    assert summary.first_rate == 1.0
    assert summary.win_rate is None
    assert any("contradicts itself in 100%" in note for note in notes_of("a", "b", summary))


def test_always_the_longer_is_a_hundred_percent_lean_to_length(pair, tmp_path):
    def longer(first: str, second: str) -> str:
        return "first" if len(first) > len(second) else "second"

    summary = judged_by(longer, pair, tmp_path)
    assert summary.longer_rate == 1.0
    assert summary.flip_rate == 0.0
    assert any("longer caption won 100%" in note for note in notes_of("a", "b", summary))


def test_a_coin_is_even(pair, tmp_path):
    def toss(first: str, second: str) -> str:
        return "first" if coin(first, second) % 2 else "second"

    summary = judged_by(toss, pair, tmp_path)
    assert summary.win_rate.low < 0.5 < summary.win_rate.high
    assert 0.35 < summary.flip_rate < 0.65
    assert summary.p_value > 0.01
    assert any("may be chance" in note for note in notes_of("a", "b", summary))


def test_a_fifth_of_answers_that_cannot_be_read_is_failures_and_no_ties(pair, tmp_path):
    lost: set[str] = set()

    def mumbling(first: str, second: str) -> str:
        number = min(first.split()[1], second.split()[1])
        if int(number) % 5 == 0:
            lost.add(number)
            return "Both are rather nice."
        return "first" if first.startswith("one") else "second"

    # asks for the same rows again come together at the end, and would sound the alarm there
    summary = judged_by(mumbling, pair, tmp_path)
    assert summary.counts[PairResult.FAILED] == len(lost) == COUNT // 5
    assert summary.counts[PairResult.TIE] == 0
    assert summary.win_rate.value == 1.0
