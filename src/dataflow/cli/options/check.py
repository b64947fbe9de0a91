"""All options of `dataflow check`: what captions must be, its report, and who is asked again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import typer

from dataflow.cli.options.batch import BatchFlags
from dataflow.cli.options.budget import BudgetOptions
from dataflow.cli.options.engine import EngineOptions
from dataflow.cli.options.prompt import QuestionOptions
from dataflow.cli.options.reject import ReaskOptions
from dataflow.cli.options.requirements import RequirementOptions
from dataflow.cli.options.run import RunOptions
from dataflow.cli.options.source import PictureOptions


@dataclass(frozen=True, kw_only=True)
class ReportOptions:
    """Which captions are looked at, and what is told of them."""

    PANEL: ClassVar[str] = "The report"

    output: Annotated[
        str,
        typer.Argument(
            metavar="OUTPUT",
            help="A dataset that has captions, from anywhere, or a folder of pictures that have "
            "files with captions beside them.",
        ),
    ]
    output_key: Annotated[
        list[str] | None,
        typer.Option(
            help="The column with the captions; several times for several.",
            show_default="those of --prompt-file, else caption or another usual name",
        ),
    ] = None
    sidecar: Annotated[
        str | None,
        typer.Option(
            metavar="ENDING",
            help="Of a folder of pictures: the captions are in files beside them, .txt, .caption "
            "or .json.",
            show_default="the one that is there",
        ),
    ] = None
    near: Annotated[
        bool, typer.Option("--near/--no-near", help="Look for captions that are nearly the same.")
    ] = True
    processes: Annotated[
        int | None, typer.Option(min=1, show_default="the cores of this machine")
    ] = None
    listed: Annotated[
        str | None,
        typer.Option("--list", metavar="FILE", help="Every fault, one JSON object a line."),
    ] = None
    json: Annotated[bool, typer.Option("--json", help="The report as JSON on standard output.")] = (
        False
    )


@dataclass(frozen=True, kw_only=True)
class FixOptions:
    """Whether faulty captions are asked for again, and where they go."""

    PANEL: ClassVar[str] = "Asking again"

    fix: Annotated[
        bool,
        typer.Option(
            "--fix",
            help="Ask again for the captions that have a fault, and write the dataset anew with "
            "them; all other rows stay as they are. The options below say who is asked what.",
        ),
    ] = False
    fixed: Annotated[
        str | None,
        typer.Option(
            "-o",
            "--output",
            help="With --fix, where the dataset goes.",
            show_default="NAME.fixed.ENDING beside OUTPUT",
        ),
    ] = None


# the last base comes first: dataclasses take the fields of their bases in that order
@dataclass(frozen=True, kw_only=True)
class CheckOptions(
    BatchFlags,
    BudgetOptions,
    RunOptions,
    PictureOptions,
    QuestionOptions,
    EngineOptions,
    ReaskOptions,
    FixOptions,
    RequirementOptions,
    ReportOptions,
):
    """The arguments of `dataflow check`, as given; their help says what each is."""
