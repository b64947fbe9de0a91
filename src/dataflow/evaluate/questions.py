"""Questions as a test of captions: a reader who sees only the caption answers them.

The truth is never shown to the reader, and counting is done here. Two published layouts are
read, each with its own rule of scoring:

* CapsBench (Liu et al., arXiv:2409.10695, section 4.3): yes or no, "n/a" where the caption does not
  say; an answer counts where it is the true one.
* CaptionQA (Yang et al., arXiv:2511.21025, section 3.4): choices, "cannot answer" beside all but
  yes/no questions; the right choice is 1, "cannot answer" is 1/K + 0.05 of K choices. A yes/no
  question has yes and no among its choices, or begins with an auxiliary verb.
"""

from __future__ import annotations

import contextlib
import random
import re
import string
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from dataflow.core.errors import UsageError
from dataflow.core.raw_json import parse_json
from dataflow.evaluate.statistics import IntervalEstimate, bootstrap_ratio, wilson

Scoring: TypeAlias = Literal["match", "captionqa"]
CANNOT_TELL = "cannot tell"
YES_NO = ("yes", "no")
LETTERS = string.ascii_uppercase
_BONUS = 0.05
_CANNOT = ("cannot tell", "cannot answer from the caption", "n/a")
_AUXILIARIES = frozenset(
    {
        *("is", "are", "was", "were", "do", "does", "did", "have", "has", "had", "can", "could"),
        *("will", "would", "should", "shall", "may", "might", "must"),
    }
)
_PICTURE_NAMES = (
    *("image", "picture", "image_path", "image_paths", "images", "file_name", "filename"),
    *("image_id", "id", "image_url", "url"),
)
_TASK = (
    "Answer each question from the description alone, with the letter of one choice; take "
    f"{CANNOT_TELL!r} where the description does not say."
)


@dataclass(frozen=True, slots=True)
class Question:
    """One question about one picture.

    Attributes:
        picture: The picture's name, as the captions' dataset names it.
        text: The question.
        choices: What may be answered; yes and no where none are given.
        answer: The true one of them.
        kind: The kind of question, for figures by kind.
        scoring: The rule by which it is scored.
    """

    picture: str
    text: str
    answer: str
    choices: tuple[str, ...] = YES_NO
    kind: str = ""
    scoring: Scoring = "match"

    @property
    def is_yes_no(self) -> bool:
        """Whether it asks for yes or no; by CaptionQA's rule also by how it begins."""
        choices = {_plain(choice) for choice in self.choices}
        if self.scoring == "captionqa":
            first = self.text.strip().casefold().partition(" ")[0]
            return set(YES_NO) <= choices or first in _AUXILIARIES
        return choices == set(YES_NO)

    def score(self, answer: str | None) -> float:
        """What an answer gets, 0 to 1; None is an answer that could not be read."""
        if answer is None:
            return 0.0
        if _plain(answer) == _plain(self.answer):
            return 1.0
        if {_plain(answer), _plain(self.answer)} <= set(_CANNOT):
            return 1.0
        if _plain(answer) in _CANNOT and self.scoring == "captionqa" and not self.is_yes_no:
            return 1 / len(self.choices) + _BONUS
        return 0.0


def read_questions(
    rows: Iterable[Mapping[str, Any]], *, scoring: Scoring | None = None
) -> list[Question]:
    """The questions of a dataset: one a row, or a list of them in ``questions``.

    Args:
        rows: The rows' fields.
        scoring: The rule by which all are scored; None for that of their layout: CaptionQA's where
            a question has ``choices``.

    Raises:
        UsageError: a row has no question, no answer, or an answer that is none of its choices.
    """
    found: list[Question] = []
    for number, row in enumerate(rows, 1):
        picture = _picture_of(row)
        inner = row.get("questions")
        if isinstance(inner, str):
            with contextlib.suppress(ValueError):
                inner = parse_json(inner)
        asked = inner if isinstance(inner, list) else [row]
        found += [_question(one, picture, number, scoring) for one in asked]
    return found


def _question(row: Any, picture: str, number: int, scoring: Scoring | None) -> Question:
    if not isinstance(row, Mapping) or not isinstance(row.get("question"), str):
        raise UsageError(f"row {number} has no question")
    choices = _choices(row)
    if len(choices) + 1 > len(LETTERS):
        raise UsageError(f"row {number}: a question has {len(LETTERS) - 1} choices at most")
    answer = _answer(row, choices)
    if not answer:
        raise UsageError(f"row {number}: the question {row['question']!r} has no answer")
    if _plain(answer) not in map(_plain, choices) and not (
        _plain(answer) in _CANNOT and choices == YES_NO
    ):
        raise UsageError(f"row {number}: the answer {answer!r} is none of {', '.join(choices)}")
    kind = row.get("category", row.get("kind", ""))
    kind = kind[0] if isinstance(kind, list) and kind else kind
    layout: Scoring = "captionqa" if "choices" in row else "match"
    return Question(picture, row["question"], answer, choices, str(kind or ""), scoring or layout)


def _choices(row: Mapping[str, Any]) -> tuple[str, ...]:
    """The choices of a question; in CSV the list is JSON."""
    given = row.get("choices") or row.get("options") or YES_NO
    if isinstance(given, str):
        with contextlib.suppress(ValueError):
            given = parse_json(given)
    return tuple(map(str, given)) if isinstance(given, (list, tuple)) else (str(given),)


def _answer(row: Mapping[str, Any], choices: Sequence[str]) -> str:
    """The true answer in words; it may be given as a choice's number, from 0, or its letter."""
    answer = row.get("answer")
    if isinstance(answer, bool):
        return "yes" if answer else "no"
    if isinstance(answer, int):
        return choices[answer] if 0 <= answer < len(choices) else ""
    if not isinstance(answer, str):
        return ""
    is_letter = len(answer) == 1 and _plain(answer) not in map(_plain, choices)
    at = LETTERS.find(answer) if is_letter else -1
    return choices[at] if 0 <= at < len(choices) else answer.strip()


def _picture_of(row: Mapping[str, Any]) -> str:
    for name in _PICTURE_NAMES:
        value = row.get(name)
        value = value[0] if isinstance(value, list) and value else value
        value = value.get("path") if isinstance(value, Mapping) else value
        if isinstance(value, (str, int)) and value != "":
            return str(value)
    return ""


def answer_schema(most_choices: int) -> dict[str, Any]:
    """The JSON Schema of all answers about one picture: a letter for each question's number.

    It is the same for every picture, however many questions it has.

    Args:
        most_choices: The most choices of any question, "cannot tell" among them.
    """
    letters = list(LETTERS[:most_choices])
    answer = {
        "type": "object",
        "properties": {
            "question": {"type": "integer"},
            "answer": {"type": "string", "enum": letters},
        },
        "required": ["question", "answer"],
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "properties": {"answers": {"type": "array", "items": answer}},
        "required": ["answers"],
        "additionalProperties": False,
    }


def options(question: Question, *, seed: int = 0) -> list[str]:
    """The choices in the order in which they are shown, "cannot tell" last where it may be taken.

    The order is drawn by the seed and the question's text, so that it tells nothing of the answer
    and is the same in every run.
    """
    shuffled = list(question.choices)
    if set(map(_plain, shuffled)) != set(YES_NO):
        random.Random(f"{seed} {question.picture} {question.text}").shuffle(shuffled)
    must_choose = question.scoring == "captionqa" and question.is_yes_no
    return shuffled if must_choose else [*shuffled, CANNOT_TELL]


def ask_text(caption: str, questions: Sequence[Question], *, seed: int = 0) -> str:
    """What the reader is shown: the caption alone, then the questions."""
    parts = ["This is a description of a picture that you cannot see:", caption, _TASK]
    for number, question in enumerate(questions, 1):
        shown = [
            f"{letter}. {choice}"
            for letter, choice in zip(LETTERS, options(question, seed=seed), strict=False)
        ]
        parts.append("\n".join([f"Question {number}: {question.text}", *shown]))
    return "\n\n".join(parts)


def read_answers(reply: str, questions: Sequence[Question], *, seed: int = 0) -> list[str | None]:
    """The reader's answers in words; None for one that is missing, twofold or none of the choices.

    Args:
        reply: The answers in the form of `answer_schema`.
        questions: What was asked, in this order.
        seed: By which the choices were shown.
    """
    letters = _letters(reply)
    found: list[str | None] = []
    for number, question in enumerate(questions, 1):
        choices = options(question, seed=seed)
        given = letters.get(number, set())
        at = LETTERS.find(next(iter(given))) if len(given) == 1 else -1
        found.append(choices[at] if 0 <= at < len(choices) else None)
    return found


def _letters(reply: str) -> dict[int, set[str]]:
    """Question number → the letters that were given for it."""
    try:
        given = parse_json(reply)
    except ValueError:
        return {}
    listed = given.get("answers") if isinstance(given, dict) else None
    letters: dict[int, set[str]] = defaultdict(set)
    for one in listed if isinstance(listed, list) else ():
        if isinstance(one, dict) and type(number := one.get("question")) is int:
            letter = one.get("answer")
            is_letter = isinstance(letter, str) and len(letter) == 1
            letters[number].add(str(letter) if is_letter else "?")
    return letters


@dataclass(frozen=True, slots=True)
class AnsweredQuestion:
    """A question with the reader's answers to it, one of each repeat.

    Attributes:
        question: The question.
        answers: The answers in words; None for one that could not be read.
    """

    question: Question
    answers: tuple[str | None, ...]

    @property
    def score(self) -> float:
        """The mean score of its answers, 0 to 1."""
        return sum(map(self.question.score, self.answers)) / len(self.answers)

    @property
    def is_steady(self) -> bool:
        """Whether all answers are the same."""
        return len(set(self.answers)) == 1


@dataclass(frozen=True, slots=True)
class QuestionSummary:
    """How well captions answer questions.

    Attributes:
        questions: How many were answered.
        pictures: Of how many pictures.
        unreadable: Answers that could not be read; they score 0.
        cannot_tell: The share of answers that the captions do not give.
        points: The sum of all scores.
        pooled: The score over all questions, with Wilson's interval.
        by_picture: The mean over pictures, with a bootstrap interval over them.
        by_kind: Kind → score over its questions, with Wilson's interval.
        by_repeat: The pooled score of each repeat.
        steady: The share of questions whose answers were the same in all repeats.
    """

    questions: int
    pictures: int
    unreadable: int
    cannot_tell: float
    points: float
    pooled: IntervalEstimate | None
    by_picture: IntervalEstimate | None
    by_kind: dict[str, IntervalEstimate]
    by_repeat: tuple[float, ...]
    steady: float


def summarize_answers(answered: Sequence[AnsweredQuestion], *, seed: int = 0) -> QuestionSummary:
    """Score answers; of a question that was repeated, the mean of its scores counts.

    Raises:
        ValueError: questions differ in how often they were answered, or were not.
    """
    repeats = {len(one.answers) for one in answered} or {1}
    if len(repeats) > 1 or 0 in repeats:
        raise ValueError("all questions need the same number of answers, at least one")
    kinds: dict[str, list[float]] = defaultdict(list)
    pictures: dict[str, list[float]] = defaultdict(list)
    for one in answered:
        kinds[one.question.kind].append(one.score)
        pictures[one.question.picture].append(one.score)
    given = [answer for one in answered for answer in one.answers]
    scores = [one.score for one in answered]
    return QuestionSummary(
        questions=len(answered),
        pictures=len(pictures),
        unreadable=given.count(None),
        cannot_tell=given.count(CANNOT_TELL) / len(given) if given else 0.0,
        points=sum(scores),
        pooled=_share(scores),
        by_picture=bootstrap_ratio(
            ((sum(got) / len(got), 1.0) for got in pictures.values()), seed=seed
        ),
        by_kind={
            kind: estimate
            for kind, got in sorted(kinds.items())
            if (estimate := _share(got)) is not None
        },
        by_repeat=_by_repeat(answered, max(repeats)),
        steady=sum(one.is_steady for one in answered) / len(answered) if answered else 0.0,
    )


def _by_repeat(answered: Sequence[AnsweredQuestion], repeats: int) -> tuple[float, ...]:
    if not answered:
        return ()
    return tuple(
        sum(one.question.score(one.answers[n]) for one in answered) / len(answered)
        for n in range(repeats)
    )


def _share(scores: Sequence[float]) -> IntervalEstimate | None:
    return wilson(min(sum(scores), len(scores)), len(scores)) if scores else None


def _plain(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip().rstrip(".").casefold()
