"""Questions to captions over a real socket: the truth stays here, and the counting is done here."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from dataflow.app.evaluation.ask import ask, estimate_questions
from dataflow.app.options.evaluation.ask import AskOptions
from dataflow.core.errors import UsageError
from tests.servers.chat_server import ChatServer, has_picture

QUESTION = re.compile(r"Question (\d+): (.*?)\n((?:[A-Z]\. .*\n?)+)")
COLORS = ("red", "blue", "green")


def answers_from_caption(text: str, _body: object = None) -> str:
    """A reader that takes the choice that the caption names, else that it cannot tell."""
    caption = text.split("\n\n")[1]
    answers = []
    for number, asked, shown in QUESTION.findall(text):
        choices = dict(line.split(". ", 1) for line in shown.strip().splitlines())
        if asked.startswith("Is it ") and not any(color in caption for color in COLORS):
            letter = next(one for one, choice in choices.items() if choice == "cannot tell")
        elif asked.startswith("Is it "):
            word = "yes" if asked.removeprefix("Is it ").rstrip("?") in caption else "no"
            letter = next(one for one, choice in choices.items() if choice == word)
        else:
            found = [one for one, choice in choices.items() if choice in caption]
            letter = found[0] if found else max(choices)
        answers.append({"question": int(number), "answer": letter})
    return json.dumps({"answers": answers})


@pytest.fixture
def captions(tmp_path: Path) -> str:
    """Eight balls, of which the last two are called by another color than they have."""
    named = [COLORS[n % 3] for n in range(6)] + ["green", "red"]
    path = tmp_path / "captions.jsonl"
    path.write_text("".join(
        json.dumps({"image": f"pictures/{n}.png", "caption": f"A {color} ball.", "key": f"k{n}"})
        + "\n"
        for n, color in enumerate(named)
    ))  # fmt: skip
    return str(path)


def questions(folder: Path, *, name: str = "{}.png", layout: str = "own", count: int = 8) -> str:
    rows = []
    for n in range(count):
        color = COLORS[n % 3]
        asked = [
            {"question": "What color is the ball?", "answer": color, "category": "color"},
            {"question": "Is it red?", "answer": "yes" if color == "red" else "no",
             "category": "check"},
        ]  # fmt: skip
        asked[0]["choices" if layout == "captionqa" else "options"] = list(COLORS)
        if layout == "own":
            rows += [{"image": name.format(n), **one} for one in asked]
        else:
            rows.append({"image": name.format(n), "questions": asked})
    path = folder / "questions.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def run(server: ChatServer, captions: str, questions: str, folder: Path, **more):
    return ask(
        AskOptions(
            dataset=captions, questions=questions, output=str(folder / "out"),
            api_url=[server.url], model="judge", **more,
        )
    )  # fmt: skip


def test_the_score_is_what_the_captions_say_of_the_truth(captions, tmp_path):
    with ChatServer(answers_from_caption) as server:
        result = run(server, captions, questions(tmp_path), tmp_path)
    assert result.summary.questions == 16
    assert result.summary.by_kind["color"].value == 6 / 8
    assert result.summary.by_kind["check"].value == 6 / 8
    assert result.summary.pooled.value == 12 / 16
    assert result.failed == 0


def test_the_reader_sees_no_picture_and_never_the_truth(captions, tmp_path):
    with ChatServer(answers_from_caption) as server:
        run(server, captions, questions(tmp_path, layout="captionqa"), tmp_path)
        assert not any(map(has_picture, server.bodies))
        sent = json.dumps(server.bodies)
    files = list((tmp_path / "out").rglob("asked.jsonl"))
    assert "answer" in sent
    for text in (sent, files[0].read_text()):
        assert "category" not in text
        assert '"truth"' not in text
        assert '"yes"' not in text


def test_all_questions_about_a_picture_are_one_request(captions, tmp_path):
    with ChatServer(answers_from_caption) as server:
        run(server, captions, questions(tmp_path), tmp_path)
        assert len(server.asked) == 8


def test_a_finished_test_asks_nothing_again(captions, tmp_path):
    with ChatServer(answers_from_caption) as server:
        first = run(server, captions, questions(tmp_path), tmp_path)
        assert run(server, captions, questions(tmp_path), tmp_path) == first
        assert len(server.asked) == 8


@pytest.mark.parametrize(
    ("name", "by"),
    [
        ("pictures/{}.png", "by the pictures' files"),
        ("{}.png", "by the names of the pictures' files"),
        ("https://example.org/a/{}.png", "by the names of the pictures' files"),
        ("{}", "by the names of the pictures' files without their endings"),
        ("{}.webp", "by the names of the pictures' files without their endings"),
    ],
)
def test_captions_and_questions_are_joined_by_the_closest_name(captions, tmp_path, name, by):
    with ChatServer(answers_from_caption) as server:
        result = run(server, captions, questions(tmp_path, name=name), tmp_path)
    assert result.joined_by == by
    assert result.summary.pictures == 8


def test_captions_and_questions_are_joined_by_a_column_that_is_named(captions, tmp_path):
    with ChatServer(answers_from_caption) as server:
        result = run(server, captions, questions(tmp_path, name="k{}"), tmp_path, join="key")
    assert result.summary.pictures == 8


def test_questions_may_be_a_json_object_of_lists_by_picture(captions, tmp_path):
    lines = Path(questions(tmp_path, layout="captionqa")).read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    path = tmp_path / "level1.json"
    path.write_text(json.dumps({row["image"]: row["questions"] for row in rows}))
    with ChatServer(answers_from_caption) as server:
        result = run(server, captions, str(path), tmp_path)
    assert (result.summary.questions, result.scoring) == (16, ("captionqa", "match"))


def test_questions_without_a_caption_are_left_out_and_counted(captions, tmp_path):
    path = Path(captions)
    lines = path.read_text().splitlines()
    lines[0] = json.dumps({"image": "pictures/0.png", "caption": None})
    path.write_text("\n".join(lines[:-1]) + "\n")
    with ChatServer(answers_from_caption) as server:
        result = run(server, captions, questions(tmp_path), tmp_path)
    assert result.summary.pictures == 6
    assert sorted(result.unasked.values()) == [0, 2, 2]


def test_a_reader_that_fails_is_counted_and_not_held_against_the_captions(captions, tmp_path):
    def sometimes(text: str, body: object) -> str:
        return "I would rather not." if "A blue" in text else answers_from_caption(text)

    with ChatServer(sometimes) as server:
        result = run(server, captions, questions(tmp_path), tmp_path)
    assert result.failed == 2
    assert result.summary.pictures == 6


def test_repeats_are_asked_apart_and_told_apart(captions, tmp_path):
    with ChatServer(answers_from_caption) as server:
        result = run(server, captions, questions(tmp_path), tmp_path, repeats=3)
        assert len(server.asked) == 24
    assert result.summary.by_repeat == (0.75, 0.75, 0.75)
    assert result.summary.questions == 16
    assert result.summary.steady == 1.0


def test_an_estimate_of_questions_asks_nothing(captions, tmp_path):
    with ChatServer(answers_from_caption) as server:
        options = AskOptions(
            dataset=captions, questions=questions(tmp_path), output=str(tmp_path / "out"),
            api_url=[server.url], model="judge",
        )  # fmt: skip
        found = estimate_questions(options)
        assert server.asked == []
    assert found.expected.requests.likely == 8


def test_a_sample_asks_about_only_so_many_pictures(captions, tmp_path):
    with ChatServer(answers_from_caption) as server:
        result = run(server, captions, questions(tmp_path), tmp_path, sample=3)
    assert result.summary.pictures == 3


def test_every_answer_is_kept_with_its_truth_beside_the_result(captions, tmp_path):
    with ChatServer(answers_from_caption) as server:
        result = run(server, captions, questions(tmp_path), tmp_path)
    lines = (result.folder / "answers.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    assert sum(row["score"] for row in rows) == result.summary.points == 12
    value = json.loads((result.folder / "result.json").read_text())
    assert value["pooled"]["value"] == 0.75
    assert "75.0% (95 % interval" in (result.folder / "result.md").read_text()
    assert "75.0% (95 % interval" in (result.folder / "result.html").read_text()


def test_nothing_in_common_names_both_pictures_and_the_cure(captions, tmp_path):
    with ChatServer(answers_from_caption) as server, pytest.raises(UsageError) as raised:
        run(server, captions, questions(tmp_path, name="elsewhere-{}.png"), tmp_path)
    assert "elsewhere-0.png" in raised.value.message
    assert "0.png" in raised.value.message
    assert "--join" in raised.value.message


def test_questions_that_name_no_picture_are_refused(captions, tmp_path):
    path = tmp_path / "bare.jsonl"
    path.write_text('{"question": "Is it red?", "answer": "yes"}\n')
    with ChatServer(answers_from_caption) as server, pytest.raises(UsageError, match="no picture"):
        run(server, captions, str(path), tmp_path)
