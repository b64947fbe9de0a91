"""All options of `dataflow ask`: the captions, the questions, and who answers them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, TypeAlias

from dataflow.app.options.evaluation.judge import JudgeRunOptions
from dataflow.app.options.option import Option, Options

ScoringRule: TypeAlias = Literal["match", "captionqa"]
"""How an answer is scored."""


@dataclass(frozen=True, kw_only=True)
class AskedOptions(Options):
    """Which captions are tested, by which questions."""

    GROUP: ClassVar[str] = "Questions"

    dataset: Annotated[
        str,
        Option(
            "A dataset with captions, or a folder of pictures with sidecars.",
            is_argument=True,
            metavar="OUTPUT",
        ),
    ]
    questions: Annotated[
        str,
        Option(
            "A dataset of questions: a row for each, with image, question, answer and, unless that "
            "is yes or no, choices; or a row for each picture, with a list of questions, as "
            "CapsBench and CaptionQA have them.",
            is_argument=True,
            metavar="QUESTIONS",
        ),
    ]
    output: Annotated[
        str,
        Option(
            "The folder for the answers and the result.",
            flags=("-o", "--output"),
            metavar="FOLDER",
        ),
    ] = "questions"
    output_key: Annotated[
        str | None,
        Option(
            "The column with the captions.",
            metavar="COLUMN",
            default="caption or another usual name",
        ),
    ] = None
    join: Annotated[
        str | None,
        Option(
            "The column of OUTPUT that names the picture as QUESTIONS does.",
            metavar="COLUMN",
            default="the picture's file or its name",
        ),
    ] = None
    scoring: Annotated[
        ScoringRule | None,
        Option(
            "match counts true answers; captionqa also gives a part of a point for 'cannot "
            "answer', as CaptionQA does.",
            default="captionqa where questions have choices, else match",
        ),
    ] = None
    repeats: Annotated[
        int,
        Option("Have every question answered this many times.", metavar="N", least=1, most=100),
    ] = 1
    sample: Annotated[
        int | None,
        Option(
            "Ask about only this many pictures, drawn at random.",
            metavar="N",
            least=1,
        ),
    ] = None
    seed: Annotated[
        int,
        Option(
            "The seed of the sample, of the order of choices and of the intervals.", metavar="N"
        ),
    ] = 0


@dataclass(frozen=True, kw_only=True)
class AskOptions(JudgeRunOptions, AskedOptions):
    """The options of `dataflow ask`."""
