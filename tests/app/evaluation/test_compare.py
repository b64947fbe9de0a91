"""Comparisons over a real socket: judged in both orders, resumed, and never mixed."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from dataflow.app.evaluation.compare import compare, estimate_comparison
from dataflow.app.evaluation.comparison_result import comparison_value
from dataflow.app.options.evaluation.compare import CompareOptions
from dataflow.core.errors import StopRunError, UsageError
from dataflow.evaluate.judge import PROMPT
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


def test_datasets_in_other_folders_are_joined_by_the_names_of_the_pictures(datasets, tmp_path):
    moved = tmp_path / "elsewhere" / "bad.jsonl"
    moved.parent.mkdir()
    moved.write_text((tmp_path / "bad.jsonl").read_text())
    with JudgeServer(truth) as server:
        result = run(server, [datasets[0], str(moved)], tmp_path)
    assert result.joined_by == "by the names of the pictures' files"
    assert result.pictures == 12


def test_datasets_are_joined_by_a_column_that_is_named(datasets, tmp_path):
    for path in datasets[:2]:
        rows = [json.loads(line) for line in Path(path).read_text().splitlines()]
        lines = [json.dumps({**row, "key": n}) for n, row in enumerate(rows)]
        Path(path).write_text("\n".join(lines[:-2]) + "\n")
    with JudgeServer(truth) as server:
        result = run(server, datasets[:2], tmp_path, join="key")
    assert (result.joined_by, result.pictures) == ("by the column 'key'", 10)


def test_pictures_that_stand_in_a_dataset_are_shown_to_the_judge(datasets, tmp_path):
    pairs = []
    for path in datasets[:2]:
        rows = [json.loads(line) for line in Path(path).read_text().splitlines()]
        pictures = [{"bytes": (tmp_path / row["image"]).read_bytes(), "path": None} for row in rows]
        table = pa.table({"image": pictures, "caption": [row["caption"] for row in rows]})
        pairs.append(str(Path(path).with_suffix(".parquet")))
        pq.write_table(table, pairs[-1])
    with JudgeServer(truth) as server:
        result = run(server, pairs, tmp_path, sample=5)
    assert result.pictures == 5
    assert result.failed == 0
    assert len(list((tmp_path / "out" / "pictures").iterdir())) == 5


def test_a_picture_in_the_data_is_joined_with_its_file_by_name(datasets, tmp_path):
    rows = [json.loads(line) for line in Path(datasets[0]).read_text().splitlines()]
    pictures = [
        {"bytes": (tmp_path / row["image"]).read_bytes(), "path": row["image"]} for row in rows
    ]
    inside = str(tmp_path / "inside.parquet")
    table = pa.table({"image": pictures, "caption": [row["caption"] for row in rows]})
    pq.write_table(table, inside)
    with JudgeServer(truth) as server:
        result = run(server, [inside, datasets[1]], tmp_path)
    assert (result.pictures, result.failed) == (12, 0)


def test_rows_without_a_picture_of_their_own_are_left_out_and_counted(datasets, tmp_path):
    first = Path(datasets[0])
    lines = first.read_text().splitlines()
    more = [lines[0], json.dumps({"image": None, "caption": "x"})]
    first.write_text("\n".join([*lines, *more]) + "\n")
    with JudgeServer(truth) as server:
        result = run(server, datasets[:2], tmp_path)
    assert result.left_out == {datasets[0]: 2, datasets[1]: 0}
    assert result.pictures == 12


def test_a_question_with_braces_of_its_own_is_asked_as_it_is(datasets, tmp_path):
    prompt = tmp_path / "judge.txt"
    prompt.write_text(PROMPT + '\nAnswer {"choice": …}.')
    with JudgeServer(truth) as server:
        result = run(server, datasets[:2], tmp_path, judge_prompt=str(prompt))
    assert result.failed == 0


def test_another_model_or_question_has_a_folder_of_its_own(datasets, tmp_path):
    prompt = tmp_path / "judge.txt"
    prompt.write_text(PROMPT + "\nBe strict.")
    with JudgeServer(truth) as server:
        plain = run(server, datasets[:2], tmp_path)
        strict = run(server, datasets[:2], tmp_path, judge_prompt=str(prompt))
        warm = run(server, datasets[:2], tmp_path, temperature=1.0)
    assert len({plain.folder, strict.folder, warm.folder}) == 3


def test_an_estimate_asks_nothing_and_counts_both_orders(datasets, tmp_path):
    with JudgeServer(truth) as server:
        options = CompareOptions(
            datasets=datasets[:2], output=str(tmp_path / "o"), api_url=[server.url], model="judge",
            price_in=1.0, price_out=2.0,
        )  # fmt: skip
        found = estimate_comparison(options)
        assert server.asked == []
    assert found.expected.requests.likely == 2 * 9
    assert found.expected.bill.cost is not None or found.family is None


def test_equal_captions_leave_nothing_to_estimate(datasets, tmp_path):
    copy = tmp_path / "copy.jsonl"
    copy.write_text(Path(datasets[0]).read_text())
    options = CompareOptions(
        datasets=[datasets[0], str(copy)], output=str(tmp_path / "o"), model="demo"
    )
    assert estimate_comparison(options) is None


def test_the_result_names_judge_question_join_and_figures_in_three_files(datasets, tmp_path):
    with JudgeServer(truth) as server:
        result = run(server, datasets[:2], tmp_path)
    value = json.loads((result.folder / "result.json").read_text())
    assert value == json.loads(json.dumps(comparison_value(result)))
    assert value["judge"] == {"model": "judge", "digest": result.judge, "prompt": PROMPT}
    assert value["pairs"][0]["win"] == 9
    markdown = (result.folder / "result.md").read_text()
    page = (result.folder / "result.html").read_text()
    for text in (markdown, page):
        assert "100.0% (95 % interval 70.1% to 100.0%)" in text
        assert result.judge in text
        assert "Count what is wrong or invented" in text
    assert page.count("data:image/") == 9
    assert "<script" not in page


def test_the_reasons_of_the_judge_are_kept(datasets, tmp_path):
    with JudgeServer(truth) as server:
        result = run(server, datasets[:2], tmp_path)
    assert result.examples[0].reasons == ("as decided", "as decided")


def test_a_rating_of_three_comes_with_wins_less_losses(datasets, tmp_path):
    with JudgeServer(truth) as server:
        result = run(server, datasets, tmp_path)
    scores = {Path(name).stem: score for name, score in result.arena.items()}
    assert scores["good"] > scores["bad"] > scores["worse"]
    assert sum(scores.values()) == 0


def test_captions_with_nothing_in_common_are_refused(datasets, tmp_path):
    other = tmp_path / "other.jsonl"
    other.write_text('{"image": "elsewhere.png", "caption": "x"}\n')
    with JudgeServer(truth) as server, pytest.raises(UsageError, match="no picture is in all"):
        run(server, [datasets[0], str(other)], tmp_path)


def test_one_dataset_is_nothing_to_compare(datasets, tmp_path):
    with JudgeServer(truth) as server, pytest.raises(UsageError, match="two or more"):
        run(server, datasets[:1], tmp_path)
