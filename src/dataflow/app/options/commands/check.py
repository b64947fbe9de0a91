"""All options of `dataflow check`: requirements, report, and the model for --fix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from dataflow.app.options.batch import BatchFlags
from dataflow.app.options.budget import BudgetOptions
from dataflow.app.options.engine import EngineOptions
from dataflow.app.options.local_engine import LocalEngineOptions
from dataflow.app.options.option import Option, Options
from dataflow.app.options.prompt import QuestionOptions
from dataflow.app.options.reject import ReaskOptions
from dataflow.app.options.request import RequestOptions
from dataflow.app.options.requirements import RequirementOptions
from dataflow.app.options.run import RunOptions
from dataflow.app.options.source import PictureOptions


@dataclass(frozen=True, kw_only=True)
class ReportOptions(Options):
    """Which captions are checked, and what is reported."""

    GROUP: ClassVar[str] = "Report"

    output_key: Annotated[
        list[str] | None,
        Option(
            "The column with the captions; give it several times for several.",
            metavar="COLUMN",
            default="the columns of --prompt-file, else caption or another usual name",
        ),
    ] = None
    sidecar: Annotated[
        str | None,
        Option(
            "For a folder of pictures: the ending of the caption files, .txt, .caption or .json.",
            metavar="ENDING",
            default="the one that is there",
        ),
    ] = None
    before: Annotated[
        str | None,
        Option(
            "A former state of the dataset, such as the input of --fix: what changed since is "
            "reported.",
            metavar="DATASET",
        ),
    ] = None
    near: Annotated[bool, Option("Look for near-duplicate captions.", negatable=True)] = True
    trigger: Annotated[
        str | None,
        Option(
            "A trainer's trigger: captions in which it is missing or misspelt have a fault. --fix "
            "puts it before each new caption.",
            metavar="WORD",
        ),
    ] = None
    processes: Annotated[
        int | None,
        Option("How many processes check captions.", metavar="N", least=1, default="one per core"),
    ] = None
    faults_file: Annotated[
        str | None,
        Option(
            "Write every fault into this file, one JSON object per line.",
            hidden=("--list", "--listed"),
            metavar="FILE",
        ),
    ] = None
    json: Annotated[bool, Option("Print the report as JSON on stdout.")] = False


@dataclass(frozen=True, kw_only=True)
class FixOptions(Options):
    """Whether faulty captions are asked for again, and where the result goes."""

    GROUP: ClassVar[str] = "Fixing captions"

    fix: Annotated[
        bool,
        Option(
            "Ask again for the captions that have a fault, and write the dataset with the new "
            "captions; all other rows stay as they are. The options below choose model and prompt.",
        ),
    ] = False
    fix_edits: Annotated[
        bool,
        Option("With --fix, ask again also for captions that a person wrote or changed."),
    ] = False
    prefix: Annotated[
        str | None,
        Option(
            "With --fix, a text put before each new caption, once.",
            metavar="TEXT",
            default="as the run that made the captions",
        ),
    ] = None
    suffix: Annotated[
        str | None,
        Option(
            "With --fix, a text put behind each new caption, once.",
            metavar="TEXT",
            default="as the run that made the captions",
        ),
    ] = None
    fixed: Annotated[
        str | None,
        Option(
            "With --fix, where the dataset goes.",
            flags=("-o", "--output"),
            default="NAME.fixed.ENDING beside DATASET",
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class LearnOptions(Options):
    """A fault kind of one's own."""

    GROUP: ClassVar[str] = "A fault kind of your own"

    learn: Annotated[
        str | None,
        Option(
            "Learn a fault kind from examples: this file holds captions that have the fault, and "
            "DATASET captions that do not, one per line or as a dataset; some thirty of each. The "
            "kind is called like the file and goes to NAME.check.json beside it, for --check.",
            metavar="FILE",
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class DatasetArgument(Options):
    """The dataset that is checked."""

    output: Annotated[
        str,
        Option(
            "A dataset with captions, from anywhere, or a folder of pictures with caption files "
            "beside them.",
            is_argument=True,
            metavar="DATASET",
        ),
    ]


# the last base comes first: a dataclass takes the fields of its bases in that order
@dataclass(frozen=True, kw_only=True)
class CheckSettings(
    BatchFlags,
    BudgetOptions,
    RunOptions,
    RequestOptions,
    PictureOptions,
    QuestionOptions,
    LocalEngineOptions,
    EngineOptions,
    ReaskOptions,
    LearnOptions,
    FixOptions,
    RequirementOptions,
    ReportOptions,
):
    """The options of `dataflow check`, without the dataset."""


@dataclass(frozen=True, kw_only=True)
class CheckOptions(CheckSettings, DatasetArgument):
    """The options of `dataflow check`."""
