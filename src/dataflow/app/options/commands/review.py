"""All options of `dataflow review` and `dataflow report`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from dataflow.app.options.budget import BudgetOptions
from dataflow.app.options.engine import EngineOptions
from dataflow.app.options.local_engine import LocalEngineOptions
from dataflow.app.options.option import Option, Options
from dataflow.app.options.prompt import QuestionOptions
from dataflow.app.options.request import RequestOptions
from dataflow.app.options.source import PictureOptions


@dataclass(frozen=True, kw_only=True)
class ReviewedOptions(Options):
    """Which captions are looked at."""

    GROUP: ClassVar[str] = "Captions"

    dataset: Annotated[
        str,
        Option(
            "A dataset with captions, from anywhere, or a folder of pictures with caption files "
            "beside them.",
            is_argument=True,
            metavar="DATASET",
        ),
    ]
    output_key: Annotated[
        list[str] | None,
        Option(
            "The column with the captions; give it several times for several.",
            metavar="COLUMN",
            default="caption or another usual name",
        ),
    ] = None
    sidecar: Annotated[
        str | None,
        Option(
            "For a folder of pictures: the ending of the caption files.",
            metavar="ENDING",
            default="the one that is there",
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class ServerOptions(Options):
    """Where the page is served, and who decides on it."""

    GROUP: ClassVar[str] = "Page"

    host: Annotated[
        str,
        Option("The address to listen on; any but the default opens the page to your network."),
    ] = "127.0.0.1"
    port: Annotated[
        int, Option("The port.", metavar="N", least=0, most=65535, default="any that is free")
    ] = 0
    author: Annotated[
        str | None,
        Option("The name that your decisions bear.", metavar="NAME", default="your user name"),
    ] = None


@dataclass(frozen=True, kw_only=True)
class ReviewOptions(
    BudgetOptions,
    RequestOptions,
    QuestionOptions,
    LocalEngineOptions,
    EngineOptions,
    ServerOptions,
    PictureOptions,
    ReviewedOptions,
):
    """The options of `dataflow review`."""


@dataclass(frozen=True, kw_only=True)
class ReportPageOptions(PictureOptions, ReviewedOptions):
    """The options of `dataflow report`."""

    GROUP: ClassVar[str] = "Report"

    output: Annotated[str, Option("The page.", flags=("-o", "--output"), metavar="FILE")] = (
        "report.html"
    )
    seed: Annotated[int, Option("The seed of the random sample.", metavar="N")] = 0
