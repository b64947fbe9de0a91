"""Captions with the questions about their pictures."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dataflow.app.evaluation.opening import file_name, open_evaluated, picture_name, text_of
from dataflow.core.errors import InputError, UsageError
from dataflow.evaluate.questions import Question, Scoring, read_questions
from dataflow.formats.registry import open_reader


@dataclass(frozen=True, slots=True)
class QuestionedCaption:
    """A caption and the questions that test it.

    Attributes:
        picture: The picture's name, as the questions' dataset has it.
        caption: The caption.
        questions: The questions about the picture.
    """

    picture: str
    caption: str
    questions: Sequence[Question]


@dataclass(frozen=True, slots=True)
class QuestionJoin:
    """Captions joined with questions.

    Attributes:
        captions: Those that have questions.
        by: How they were joined, in words.
        unasked: In words, what is left out → how much of it.
    """

    captions: Sequence[QuestionedCaption]
    by: str
    unasked: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class _CaptionRow:
    names: Mapping[str, str]
    caption: str


_WAYS: Mapping[str, Callable[[str, str], str]] = {
    "by the pictures' files": lambda name, folder: _path(name, folder),
    "by the names of the pictures' files": lambda name, _: os.path.basename(name),  # noqa: PTH119
    "by the names of the pictures' files without their endings": lambda name, _: _stem(name),
}
"""How captions and questions may be joined → a picture's name and the folder of the questions to
what is compared; the first by which any are joined is taken."""


def join_questions(
    dataset: str,
    questions: str,
    *,
    output_key: str | None,
    image_key: str,
    column: str | None,
    scoring: Scoring | None,
) -> QuestionJoin:
    """Captions with their questions.

    Args:
        dataset: The captions.
        questions: The questions.
        output_key: The column with the captions; None for a usual one.
        image_key: The column with the pictures.
        column: The column of the captions' dataset by which questions name a picture; None for the
            pictures' files.
        scoring: The rule by which all questions are scored; None for that of their layout.

    Raises:
        UsageError: A dataset cannot be read, a question cannot be scored, or no caption has one.
    """
    asked = _by_picture(read_questions(_question_rows(questions), scoring=scoring), questions)
    rows = list(_caption_rows(dataset, output_key, image_key, column))
    folder = os.path.dirname(os.path.abspath(questions))  # noqa: PTH100, PTH120
    ways = _WAYS if column is None else {f"by the column {column!r}": lambda name, _: name}
    for by, name_of in ways.items():
        wanted = {name_of(name, folder): name for name in asked}
        found = _first_rows(rows, by)
        if len(wanted) == len(asked) and wanted.keys() & found.keys():
            return _joined(asked, wanted, found, by)
    example = next(iter(rows), None)
    shown = "no row" if example is None else ", ".join(filter(None, example.names.values()))
    raise UsageError(
        f"no caption of {dataset} has questions in {questions}: a caption's picture is {shown}, a "
        f"question's {next(iter(asked))}; name the column that they share with --join"
    )


def _joined(
    asked: Mapping[str, Sequence[Question]],
    wanted: Mapping[str, str],
    found: Mapping[str, str],
    by: str,
) -> QuestionJoin:
    captions, without_row, without_caption = [], 0, 0
    for name, picture in wanted.items():
        if name not in found:
            without_row += len(asked[picture])
        elif not found[name].strip():
            without_caption += len(asked[picture])
        else:
            captions.append(QuestionedCaption(picture, found[name], asked[picture]))
    if not captions:
        raise UsageError("all pictures with questions have no caption")
    unasked = {
        "questions are about pictures that the dataset lacks": without_row,
        "questions are about pictures without a caption": without_caption,
        "captions have no questions": len(found.keys() - wanted.keys()),
    }
    return QuestionJoin(captions, by, unasked)


def _first_rows(rows: Sequence[_CaptionRow], by: str) -> dict[str, str]:
    """What is compared → the caption of the first row that has it."""
    found: dict[str, str] = {}
    for row in rows:
        if name := row.names.get(by, ""):
            found.setdefault(name, row.caption)
    return found


def _caption_rows(
    dataset: str, output_key: str | None, image_key: str, column: str | None
) -> Iterator[_CaptionRow]:
    opened = open_evaluated(dataset, output_key=output_key, image_key=image_key)
    try:
        for row in opened.data.reader.rows():
            if column is not None:
                names = {f"by the column {column!r}": text_of(row.fields, column)}
            else:
                refs = opened.references(row)
                file = file_name(refs[0]) if len(refs) == 1 else ""
                full = picture_name(refs[0]) if len(refs) == 1 else ""
                names = dict(zip(_WAYS, (full, file, _stem(file)), strict=True))
            yield _CaptionRow(names, opened.caption(row))
    except InputError as error:
        raise UsageError(f"{dataset}: {error.message}") from error


def _by_picture(questions: Sequence[Question], path: str) -> dict[str, list[Question]]:
    found: dict[str, list[Question]] = defaultdict(list)
    for question in questions:
        if not question.picture:
            raise UsageError(f"{path}: the question {question.text!r} names no picture")
        found[question.picture].append(question)
    if not found:
        raise UsageError(f"{path} has no questions")
    return dict(found)


def _question_rows(path: str) -> list[Mapping[str, Any]]:
    """The rows of a dataset of questions, or of a JSON object of lists by picture."""
    if path.lower().endswith(".json") and (by_picture := _object_in(path)) is not None:
        return [{"image": name, "questions": listed} for name, listed in by_picture.items()]
    try:
        return [row.fields for row in open_reader(path).rows()]
    except InputError as error:
        raise UsageError(error.message) from error


def _object_in(path: str) -> dict[str, Any] | None:
    try:
        value = json.loads(Path(path).read_bytes())
    except (OSError, ValueError):
        return None  # the reader says what is wrong
    is_by_picture = isinstance(value, dict) and all(isinstance(v, list) for v in value.values())
    return value if is_by_picture else None


def _path(name: str, folder: str) -> str:
    return name if "://" in name else os.path.realpath(Path(folder, name))


def _stem(name: str) -> str:
    return os.path.splitext(os.path.basename(name))[0]  # noqa: PTH119, PTH122 - may be a URL's
