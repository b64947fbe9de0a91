"""Questions: read, asked without their truth, scored by their own rules."""

from __future__ import annotations

import json

import pytest

from dataflow.core.errors import UsageError
from dataflow.evaluate.questions import (
    CANNOT_TELL,
    LETTERS,
    AnsweredQuestion,
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


def answers(*letters: str) -> str:
    listed = [{"question": n, "answer": letter} for n, letter in enumerate(letters, 1)]
    return json.dumps({"answers": listed})


def test_answers_are_read_back_as_words():
    [question] = read_questions([CAPTIONQA])
    letter = LETTERS[options(question).index("Sitting on")]
    assert f"{letter}. Sitting on" in ask_text("A cat sits.", [question])
    schema = answer_schema(len(options(question)))["properties"]["answers"]["items"]
    assert letter in schema["properties"]["answer"]["enum"]
    assert read_answers(answers(letter), [question]) == ["Sitting on"]


@pytest.mark.parametrize(
    "reply",
    [
        *("", "[]", "{}", "A", answers("Z"), answers("AB"), answers()),
        '{"answers": [{"question": 1, "answer": 3}]}',
        '{"answers": [{"question": 2, "answer": "A"}]}',
        '{"answers": [{"question": 1, "answer": "A"}, {"question": 1, "answer": "B"}]}',
    ],
)
def test_an_answer_that_cannot_be_read_is_none(reply):
    assert read_answers(reply, read_questions([CAPSBENCH])) == [None]


def test_captionqas_yes_no_questions_must_be_answered():
    inner = {"question": "Is it day?", "answer": "Yes", "choices": ["No", "Yes"]}
    beginning = {"question": "Are they red or blue?", "answer": "red", "choices": ["red", "blue"]}
    yes_no, by_its_beginning = read_questions([{"id": "1", "questions": [inner, beginning]}])
    assert options(yes_no) == ["No", "Yes"]
    assert sorted(options(by_its_beginning)) == ["blue", "red"]
    assert by_its_beginning.score(CANNOT_TELL) == 0.0


@pytest.mark.parametrize("answer", ["b", 1, "B"])
def test_the_true_answer_may_be_a_text_a_number_or_a_letter(answer):
    row = {"image": "1.png", "question": "Which?", "options": ["a", "b", "c"], "answer": answer}
    [question] = read_questions([row])
    assert question.score("b") == 1.0


def test_questions_in_csv_have_their_choices_as_json():
    row = {"image": "1.png", "question": "Which?", "choices": '["a", "b"]', "answer": "b"}
    [question] = read_questions([row], scoring="match")
    assert (question.choices, question.scoring) == (("a", "b"), "match")


def test_what_the_picture_does_not_tell_is_rightly_answered_so():
    [question] = read_questions([{"image": "1", "question": "Is it warm?", "answer": "n/a"}])
    assert question.score(CANNOT_TELL) == 1.0
    assert question.score("yes") == 0.0


def made(*answered: tuple[Question, str | None]) -> list[AnsweredQuestion]:
    return [AnsweredQuestion(question, (answer,)) for question, answer in answered]


def test_figures_by_construction_are_found_again():
    answered = [
        (Question(f"p{n % 50}", f"q{n}", "yes", kind="even" if n % 2 == 0 else "odd"), answer)
        for n in range(200)
        for answer in ["yes" if n % 4 else "no"]
    ]
    summary = summarize_answers(made(*answered))
    assert summary.pooled.value == 0.75
    assert summary.by_kind["odd"].value == 1.0
    assert summary.by_kind["even"].value == 0.5
    assert summary.by_picture.low <= 0.75 <= summary.by_picture.high
    assert (summary.questions, summary.pictures, summary.points) == (200, 50, 150.0)


def test_the_published_points_make_the_published_score():
    four = ("right", "a", "b", "c")
    right = [(Question("p", "Which?", "right", four, "", "captionqa"), "right")] * 5370
    unsure = [(Question("p", "Which?", "right", four, "", "captionqa"), CANNOT_TELL)] * 951
    wrong = [(Question("p", "Which?", "right", four, "", "captionqa"), "a")] * 2171
    summary = summarize_answers(made(*right, *unsure, *wrong))
    assert summary.questions == 8492
    assert summary.points == pytest.approx(5655.3)
    assert round(summary.pooled.value, 3) == 0.666


def test_repeats_do_not_make_more_questions_of_them():
    question = Question("p", "Is it?", "yes")
    other = Question("p", "Was it?", "yes")
    summary = summarize_answers(
        [AnsweredQuestion(question, ("yes", "no")), AnsweredQuestion(other, ("yes", "yes"))]
    )
    assert summary.questions == 2
    assert summary.pooled.value == 0.75
    assert summary.by_repeat == (1.0, 0.5)
    assert summary.steady == 0.5


def test_questions_that_were_answered_unequally_often_are_refused():
    question = Question("p", "Is it?", "yes")
    with pytest.raises(ValueError, match="same number"):
        summarize_answers([AnsweredQuestion(question, ("yes",)), AnsweredQuestion(question, ())])
