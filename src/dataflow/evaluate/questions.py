"""Questions as a test of captions: a reader who sees only the caption answers them.

The truth is never shown to the reader, and counting is done here. Two published layouts are
read, each with its own rule of scoring:

* CapsBench (Liu et al., arXiv:2409.10695, section 4.3): yes or no, "n/a" where the caption does not
  say; an answer counts where it is the true one.
* CaptionQA (Yang et al., arXiv:2511.21025, section 3.4): choices, "cannot answer" beside all but
  yes/no questions; the right choice is 1, "cannot answer" is 1/K + 0.05 of K choices.
"""

from __future__ import annotations

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
        """Whether it asks for yes or no."""
        return {choice.lower() for choice in self.choices} == set(YES_NO)

    def score(self, answer: str | None) -> float:
        """What an answer gets, 0 to 1; None is an answer that could not be read."""
        if answer is None:
            return 0.0
        if _plain(answer) == _plain(self.answer):
            return 1.0
        cannot = _plain(answer) in ("cannot tell", "cannot answer from the caption", "n/a")
        if cannot and self.scoring == "captionqa" and not self.is_yes_no:
            return 1 / len(self.choices) + _BONUS
        return 0.0


def read_questions(rows: Iterable[Mapping[str, Any]]) -> list[Question]:
    """The questions of a dataset: one a row, or a list of them in ``questions``.

    Raises:
        UsageError: a row has no question, no answer, or an answer that is none of its choices.
    """
    found: list[Question] = []
    for number, row in enumerate(rows, 1):
        picture = _picture_of(row)
        inner = row.get("questions")
        asked = inner if isinstance(inner, list) else [row]
        found += [_question(one, picture, number) for one in asked]
    return found


def _question(row: Any, picture: str, number: int) -> Question:
    if not isinstance(row, Mapping) or not isinstance(row.get("question"), str):
        raise UsageError(f"row {number} has no question")
    answer = row.get("answer")
    if not isinstance(answer, str) or not answer.strip():
        raise UsageError(f"row {number}: the question {row['question']!r} has no answer")
    choices = tuple(map(str, row.get("choices") or row.get("options") or YES_NO))
    if _plain(answer) not in map(_plain, choices):
        raise UsageError(f"row {number}: the answer {answer!r} is none of {', '.join(choices)}")
    kind = row.get("category", row.get("kind", ""))
    kind = kind[0] if isinstance(kind, list) and kind else kind
    scoring: Scoring = "captionqa" if "choices" in row else "match"
    return Question(picture, row["question"], answer, choices, str(kind or ""), scoring)


def _picture_of(row: Mapping[str, Any]) -> str:
    for name in ("image", "picture", "image_path", "image_paths", "id"):
        value = row.get(name)
        value = value[0] if isinstance(value, list) and value else value
        value = value.get("path") if isinstance(value, Mapping) else value
        if isinstance(value, str) and value:
            return value
    return ""


def answer_schema(questions: Sequence[Question]) -> dict[str, Any]:
    """The JSON Schema of all answers about one picture: a letter each."""
    names = [f"q{number}" for number in range(1, len(questions) + 1)]
    return {
        "type": "object",
        "properties": {
            name: {"type": "string", "enum": list(LETTERS[: len(options(question))])}
            for name, question in zip(names, questions, strict=True)
        },
        "required": names,
        "additionalProperties": False,
    }


def options(question: Question, *, seed: int = 0) -> list[str]:
    """The choices in the order in which they are shown, "cannot tell" last.

    The order is drawn by the seed and the question's text, so that it tells nothing of the answer
    and is the same in every run.
    """
    shuffled = list(question.choices)
    if not question.is_yes_no:
        random.Random(f"{seed} {question.picture} {question.text}").shuffle(shuffled)
    return [*shuffled, CANNOT_TELL]


def ask_text(caption: str, questions: Sequence[Question], *, seed: int = 0) -> str:
    """What the reader is shown: the caption alone, then the questions."""
    parts = ["This is a description of a picture that you cannot see:", caption, _TASK]
    for number, question in enumerate(questions, 1):
        shown = [
            f"{letter}. {choice}"
            for letter, choice in zip(LETTERS, options(question, seed=seed), strict=False)
        ]
        parts.append("\n".join([f"q{number}: {question.text}", *shown]))
    return "\n\n".join(parts)


def read_answers(reply: str, questions: Sequence[Question], *, seed: int = 0) -> list[str | None]:
    """The reader's answers in words; None for one that cannot be read."""
    try:
        given = parse_json(reply)
    except ValueError:
        given = None
    found: list[str | None] = []
    for number, question in enumerate(questions, 1):
        letter = given.get(f"q{number}") if isinstance(given, dict) else None
        choices = options(question, seed=seed)
        at = LETTERS.find(letter) if isinstance(letter, str) and len(letter) == 1 else -1
        found.append(choices[at] if 0 <= at < len(choices) else None)
    return found


@dataclass(frozen=True, slots=True)
class QuestionSummary:
    """How well captions answer questions.

    Attributes:
        questions: How many were answered.
        unreadable: Answers that could not be read; they score 0.
        cannot_tell: The share that the captions do not answer.
        pooled: The score over all questions, with Wilson's interval.
        by_picture: The mean over pictures, with a bootstrap interval over them.
        by_kind: Kind → score over its questions, with Wilson's interval.
    """

    questions: int
    unreadable: int
    cannot_tell: float
    pooled: IntervalEstimate | None
    by_picture: IntervalEstimate | None
    by_kind: dict[str, IntervalEstimate]


def summarize_answers(
    answered: Sequence[tuple[Question, str | None]], *, seed: int = 0
) -> QuestionSummary:
    """Score answers."""
    scores = [(question, question.score(answer)) for question, answer in answered]
    kinds: dict[str, list[float]] = defaultdict(list)
    pictures: dict[str, list[float]] = defaultdict(list)
    for question, score in scores:
        kinds[question.kind].append(score)
        pictures[question.picture].append(score)
    cannot = sum(answer == CANNOT_TELL for _, answer in answered)
    return QuestionSummary(
        questions=len(answered),
        unreadable=sum(answer is None for _, answer in answered),
        cannot_tell=cannot / len(answered) if answered else 0.0,
        pooled=_share([score for _, score in scores]),
        by_picture=bootstrap_ratio(
            ((sum(got) / len(got), 1.0) for got in pictures.values()), seed=seed
        ),
        by_kind={
            kind: estimate
            for kind, got in sorted(kinds.items())
            if (estimate := _share(got)) is not None
        },
    )


def _share(scores: Sequence[float]) -> IntervalEstimate | None:
    return wilson(min(sum(scores), len(scores)), len(scores)) if scores else None


def _plain(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip().rstrip(".").casefold()
