"""Questions: read, asked without their truth, scored by their own rules."""

from __future__ import annotations

import json

import pytest

from dataflow.core.errors import UsageError
from dataflow.evaluate.questions import (
    CANNOT_TELL,
    LETTERS,
    Question,
    answer_schema,
    ask_text,
    options,
    read_answers,
    read_questions,
    summarize_answers,
)

CAPSBENCH = {
    "image": "1.png",
    "questions": [{"question": "Is there a dog?", "answer": "yes", "category": "entity"}],
}
CAPTIONQA = {
    "id": "nat_001",
    "image_paths": ["images/1.jpg"],
    "questions": [
        {
            "question": "Where is the cat?",
            "answer": "Sitting on",
            "choices": ["Standing on", "Lying above", "Sitting on", "Hovering over"],
            "category": ["Spatial - Relationship"],
        }
    ],
}


def test_both_published_layouts_are_read():
    caps, caption_qa = read_questions([CAPSBENCH, CAPTIONQA])
    assert (caps.picture, caps.kind, caps.scoring) == ("1.png", "entity", "match")
    assert (caption_qa.picture, caption_qa.kind) == ("images/1.jpg", "Spatial - Relationship")
    assert caption_qa.scoring == "captionqa"


@pytest.mark.parametrize(
    "row",
    [
        {"image": "a"},
        {"image": "a", "question": "Why?"},
        {"image": "a", "question": "Which?", "answer": "red", "choices": ["blue"]},
    ],
)
def test_a_question_that_cannot_be_scored_is_refused(row):
    with pytest.raises(UsageError, match="row 1"):
        read_questions([row])


def test_cannot_tell_gets_its_part_only_by_captionqas_rule():
    [caps, caption_qa] = read_questions([CAPSBENCH, CAPTIONQA])
    assert caps.score(CANNOT_TELL) == 0.0
    assert caption_qa.score(CANNOT_TELL) == 1 / 4 + 0.05
    assert caption_qa.score("Standing on") == 0.0
    assert caption_qa.score(None) == 0.0


def test_the_truth_is_not_shown_and_its_position_tells_nothing():
    questions = [
        Question("p", f"Which {n}?", "right", ("right", "a", "b", "c")) for n in range(400)
    ]
    positions = [options(question).index("right") for question in questions]
    assert all(60 < positions.count(place) < 140 for place in range(4))
    assert all(options(question)[-1] == CANNOT_TELL for question in questions)


def test_answers_are_read_back_as_words():
    [question] = read_questions([CAPTIONQA])
    letter = LETTERS[options(question).index("Sitting on")]
    assert f"{letter}. Sitting on" in ask_text("A cat sits.", [question])
    assert letter in answer_schema([question])["properties"]["q1"]["enum"]
    assert read_answers(json.dumps({"q1": letter}), [question]) == ["Sitting on"]


@pytest.mark.parametrize("reply", ["", "[]", '{"q1": "Z"}', '{"q1": 3}', "{}", "A"])
def test_an_answer_that_cannot_be_read_is_none(reply):
    assert read_answers(reply, read_questions([CAPSBENCH])) == [None]


def test_figures_by_construction_are_found_again():
    answered = [
        (Question(f"p{n % 50}", f"q{n}", "yes", kind="even" if n % 2 == 0 else "odd"), answer)
        for n in range(200)
        for answer in ["yes" if n % 4 else "no"]
    ]
    summary = summarize_answers(answered)
    assert summary.pooled.value == 0.75
    assert summary.by_kind["odd"].value == 1.0
    assert summary.by_kind["even"].value == 0.5
    assert summary.by_picture.low <= 0.75 <= summary.by_picture.high
