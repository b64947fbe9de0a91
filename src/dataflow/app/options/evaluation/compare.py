"""All options of `dataflow compare`: the datasets, the judge, and how it is asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from dataflow.app.options.evaluation.judge import JudgeRunOptions
from dataflow.app.options.option import Option, Options


@dataclass(frozen=True, kw_only=True)
class ComparisonOptions(Options):
    """Which captions are compared, and where the result goes."""

    GROUP: ClassVar[str] = "Comparison"

    datasets: Annotated[
        list[str],
        Option(
            "Two or more datasets with captions of the same pictures, or folders with sidecars.",
            is_argument=True,
            metavar="DATASET...",
        ),
    ]
    output: Annotated[
        str,
        Option(
            "The folder for the judge's answers and the result.",
            flags=("-o", "--output"),
            metavar="FOLDER",
        ),
    ] = "comparison"
    output_key: Annotated[
        str | None,
        Option(
            "The column with the captions, in all datasets.",
            metavar="COLUMN",
            default="caption or another usual name",
        ),
    ] = None
    facet: Annotated[
        str | None,
        Option("Also count by the values of this column of the first dataset.", metavar="COLUMN"),
    ] = None
    sample: Annotated[
        int | None,
        Option("Judge only this many pictures, drawn at random.", metavar="N", least=1),
    ] = None
    seed: Annotated[int, Option("The seed of the sample and of the intervals.", metavar="N")] = 0
    judge_prompt: Annotated[
        str | None,
        Option(
            "A file with your own question to the judge; {first} and {second} stand for the "
            "captions.",
            metavar="FILE",
        ),
    ] = None
    blind: Annotated[
        bool,
        Option(
            "Be the judge yourself: a local page shows each picture with two captions in a drawn "
            "order, and not whose they are. No model is asked; Ctrl-C ends it, and the same "
            "command goes on.",
        ),
    ] = False
    port: Annotated[
        int,
        Option(
            "The port of that page.", metavar="N", least=0, most=65535, default="any that is free"
        ),
    ] = 0
    join: Annotated[
        str | None,
        Option(
            "Join the datasets by this column.",
            metavar="COLUMN",
            default="by the pictures' files, or by their names where the folders differ",
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class CompareOptions(JudgeRunOptions, ComparisonOptions):
    """The options of `dataflow compare`."""
