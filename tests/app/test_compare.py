"""Comparisons over a real socket: judged in both orders, resumed, and never mixed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from dataflow.app.compare import compare
from dataflow.app.options.commands.compare import CompareOptions
from dataflow.core.errors import StopRunError, UsageError
from dataflow.evaluate.pairs import PairResult
from tests.servers.judge_server import JudgeServer


def truth(first: str, second: str) -> str:
    """A judge that knows which words are wrong."""
    errors = first.count("wrong"), second.count("wrong")
    return "tie" if errors[0] == errors[1] else ("first" if errors[0] < errors[1] else "second")


@pytest.fixture
def datasets(tmp_path: Path) -> list[str]:
    for number in range(12):
        color = (number * 20, 99, 9)
        Image.new("RGB", (40, 30), color).save(tmp_path / f"{number}.png")
    made = {
        "good": [f"A red ball {n}." for n in range(12)],
        "bad": [f"A red ball {n}." + (" wrong" if n < 9 else "") for n in range(12)],
        "worse": [f"A red ball {n}." + (" wrong wrong" if n < 11 else " wrong") for n in range(12)],
    }
    paths = []
    for name, captions in made.items():
        path = tmp_path / f"{name}.jsonl"
        lines = [
            json.dumps({"image": f"{n}.png", "caption": text, "room": "in" if n % 2 else "out"})
            for n, text in enumerate(captions)
        ]
        path.write_text("\n".join(lines) + "\n")
        paths.append(str(path))
    return paths


def run(server: JudgeServer, datasets: list[str], folder: Path, **more):
    options = CompareOptions(
        datasets=datasets, output=str(folder / "out"), api_url=[server.url], model="judge", **more
    )
    return compare(options)


def test_the_better_dataset_wins_and_equal_texts_cost_nothing(datasets, tmp_path):
    with JudgeServer(truth) as server:
        result = run(server, datasets[:2], tmp_path)
        assert len(server.asked) == 2 * 9
    [summary] = result.summaries.values()
    assert summary.counts[PairResult.WIN] == 9
    assert summary.counts[PairResult.EQUAL] == 3
    assert summary.win_rate.value == 1.0


def test_a_finished_comparison_asks_nothing_again(datasets, tmp_path):
    with JudgeServer(truth) as server:
        first = run(server, datasets[:2], tmp_path)
        asked = len(server.asked)
        assert run(server, datasets[:2], tmp_path) == first
        assert len(server.asked) == asked


def test_three_datasets_are_rated_where_each_lost_and_won_some(datasets, tmp_path):
    def noisy(first: str, second: str) -> str:
        return "tie" if "ball 1" in first else truth(first, second)

    with JudgeServer(noisy) as server:
        result = run(server, datasets, tmp_path)
    assert len(result.summaries) == 3
    order = sorted(result.ratings, key=lambda name: -result.ratings[name].value)
    assert [Path(name).stem for name in order] == ["good", "bad", "worse"]


def test_facets_are_counted_apart(datasets, tmp_path):
    with JudgeServer(truth) as server:
        result = run(server, datasets[:2], tmp_path, facet="room")
    [summary] = result.summaries.values()
    assert set(summary.facets) == {"in", "out"}


def test_a_sample_judges_only_so_many_pictures(datasets, tmp_path):
    with JudgeServer(truth) as server:
        result = run(server, datasets[:2], tmp_path, sample=4, seed=1)
    assert result.pictures == 4


def test_answers_that_cannot_be_read_are_failures(datasets, tmp_path):
    def sometimes(first: str, second: str) -> str:
        return "both are nice" if "ball 3" in first else truth(first, second)

    with JudgeServer(sometimes) as server:
        result = run(server, datasets[:2], tmp_path)
    [summary] = result.summaries.values()
    assert summary.counts[PairResult.FAILED] == 1
    assert summary.counts[PairResult.WIN] == 8


def test_a_judge_that_never_answers_as_asked_stops_the_comparison(datasets, tmp_path):
    with (
        JudgeServer(lambda first, second: "both are nice") as server,
        pytest.raises(StopRunError, match="the same fault"),
    ):
        run(server, datasets[:2], tmp_path)


def test_captions_with_nothing_in_common_are_refused(datasets, tmp_path):
    other = tmp_path / "other.jsonl"
    other.write_text('{"image": "elsewhere.png", "caption": "x"}\n')
    with JudgeServer(truth) as server, pytest.raises(UsageError, match="no picture is in all"):
        run(server, [datasets[0], str(other)], tmp_path)


def test_one_dataset_is_nothing_to_compare(datasets, tmp_path):
    with JudgeServer(truth) as server, pytest.raises(UsageError, match="two or more"):
        run(server, datasets[:1], tmp_path)
