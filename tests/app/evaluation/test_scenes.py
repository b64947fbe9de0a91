"""Drawn scenes with planted errors: judges over the truth rank them, questions count them."""

from __future__ import annotations

import json
import re

import pytest

from dataflow.app.caption import caption
from dataflow.app.evaluation.ask import ask
from dataflow.app.evaluation.compare import compare
from dataflow.app.options.commands.caption import CaptionOptions
from dataflow.app.options.evaluation.ask import AskOptions
from dataflow.app.options.evaluation.compare import CompareOptions
from dataflow.evaluate.pairs import PairResult
from tests.app.evaluation.scenes import draw, errors_in, questions_about, scenes, with_errors, write
from tests.servers.chat_server import ChatServer
from tests.servers.judge_server import JudgeServer

COUNT = 60
SHARES = (0.05, 0.1, 0.2)
_QUESTION = re.compile(r"Question (\d+): (.*?)\n((?:[A-Z]\. .*\n?)+)")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Pictures, their scenes, and captions that say what is there."""
    folder = tmp_path_factory.mktemp("scenes")
    made = draw(folder / "pictures", COUNT)
    return folder, made, [scenes.caption(one) for one in made]


def judge_of(made, captions_by_picture):
    """Rules over the truth: of two captions of a scene, the one with fewer errors is better."""
    scene_of = {text: made[n] for texts in captions_by_picture for n, text in enumerate(texts)}

    def decide(first: str, second: str) -> str:
        scene = scene_of[first]
        errors = errors_in(first, scene), errors_in(second, scene)
        return "tie" if errors[0] == errors[1] else ("first" if errors[0] < errors[1] else "second")

    return decide


def ranked(folder, made, sets: dict[str, list[str]]):
    """The datasets by Bradley-Terry or, where one lost nothing, by wins less losses."""
    paths = [
        write(folder / f"{name}.jsonl", texts, pictures=folder / "pictures")
        for name, texts in sets.items()
    ]
    with JudgeServer(judge_of(made, list(sets.values()))) as server:
        result = compare(CompareOptions(
            datasets=paths, output=str(folder / "compared"), api_url=[server.url], model="judge",
        ))  # fmt: skip
    return result, sorted(result.arena, key=lambda name: -result.arena[name])


def test_planted_errors_in_5_10_and_20_of_a_hundred_are_ranked_right(world):
    folder, made, truth = world
    sets = {"truth": truth} | {
        f"errors{round(100 * share):02}": with_errors(truth, share) for share in SHARES
    }
    result, order = ranked(folder, made, sets)
    assert [path.rpartition("/")[2] for path in order] == [f"{name}.jsonl" for name in sets]
    for (one, _), summary in result.summaries.items():
        if one.endswith("truth.jsonl"):
            assert summary.counts[PairResult.LOSS] == 0
    wins = [summary.counts[PairResult.WIN] for summary in list(result.summaries.values())[:3]]
    assert wins == [round(share * COUNT) for share in SHARES]


def read_from(caption_text: str, question: str, choices: list[str]) -> str:
    """What a reader who sees only the caption answers."""
    if found := re.fullmatch(r"Is there a (\w+)\?", question):
        return "yes" if re.search(rf"\b{found[1]}\b", caption_text) else "no"
    shape = re.fullmatch(r"What color is the (\w+)\?", question)[1]
    named = re.search(rf"(\w+) {shape}\b", caption_text)
    return named[1] if named and named[1] in choices else "cannot tell"


def reader(text: str, _body: object) -> str:
    said = text.split("\n\n")[1]
    answers = []
    for number, question, shown in _QUESTION.findall(text):
        choices = dict(line.split(". ", 1) for line in shown.strip().splitlines())
        answer = read_from(said, question, list(choices.values()))
        letter = next(one for one, choice in choices.items() if choice == answer)
        answers.append({"question": int(number), "answer": letter})
    return json.dumps({"answers": answers})


def by_construction(captions: list[str], rows: list[dict]) -> float:
    """The share of questions that the captions answer truly, counted by hand."""
    right = 0
    for row in rows:
        number = int(row["image"].removesuffix(".png"))
        choices = [*row.get("options", ("yes", "no")), "cannot tell"]
        right += read_from(captions[number], row["question"], choices) == row["answer"]
    return right / len(rows)


@pytest.mark.parametrize("share", [0.0, *SHARES])
def test_questions_made_of_scenes_find_the_accuracy_that_was_planted(world, tmp_path, share):
    folder, made, truth = world
    captions = with_errors(truth, share)
    data = write(tmp_path / "captions.jsonl", captions, pictures=folder / "pictures")
    rows = [row for n, scene in enumerate(made) for row in questions_about(scene, f"{n:03}.png")]
    questions = tmp_path / "questions.jsonl"
    questions.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with ChatServer(reader) as server:
        result = ask(AskOptions(
            dataset=data, questions=str(questions), output=str(tmp_path / "asked"),
            api_url=[server.url], model="judge",
        ))  # fmt: skip
    assert result.summary.questions == len(rows)
    assert result.summary.pooled.value == pytest.approx(by_construction(captions, rows))
    assert (result.summary.pooled.value == 1.0) == (share == 0.0)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_captions_of_the_demo_model_are_ranked_before_the_same_with_planted_errors(tmp_path):
    pytest.importorskip("xllamacpp")
    made = draw(tmp_path / "pictures", 40)
    caption(CaptionOptions(
        source=str(tmp_path / "pictures"), output=str(tmp_path / "demo.jsonl"), model="demo",
        on_reject="flag",
    ))  # fmt: skip
    lines = (tmp_path / "demo.jsonl").read_text().splitlines()
    said = [json.loads(line)["caption"] for line in lines]
    sets = {"demo-model": said} | {
        f"errors{round(100 * share):02}": with_errors(said, share) for share in SHARES
    }
    _, order = ranked(tmp_path, made, sets)
    assert [path.rpartition("/")[2] for path in order] == [f"{name}.jsonl" for name in sets]
