"""Options: how a judge of captions is asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from dataflow.app.options.batch import BatchFlags
from dataflow.app.options.budget import BudgetOptions
from dataflow.app.options.engine import EngineOptions
from dataflow.app.options.local_engine import LocalEngineOptions
from dataflow.app.options.option import Option, Options
from dataflow.app.options.prompt import SchemaForm
from dataflow.app.options.request import RequestOptions
from dataflow.app.options.run import WholeRunOptions
from dataflow.app.options.source import PictureOptions


@dataclass(frozen=True, kw_only=True)
class JudgeOptions(Options):
    """How the judge answers, and whether it is asked at all."""

    GROUP: ClassVar[str] = "Judge"

    max_tokens: Annotated[
        int | None, Option("The most tokens of one answer.", metavar="N", least=1)
    ] = None
    temperature: Annotated[
        float | None,
        Option(
            "The sampling temperature; 0 always picks the likeliest token.", least=0.0, most=2.0
        ),
    ] = None
    schema_as: Annotated[
        SchemaForm,
        Option(
            "How the judge learns in which form it is to answer: as the API's response format, in "
            "the words of the prompt, or both."
        ),
    ] = "format"
    estimate: Annotated[
        bool,
        Option("Say what the judge would be asked and what that would cost, and ask nothing."),
    ] = False
    json: Annotated[bool, Option("Print the result as JSON.")] = False


@dataclass(frozen=True, kw_only=True)
class JudgeRunOptions(
    BatchFlags,
    BudgetOptions,
    WholeRunOptions,
    RequestOptions,
    LocalEngineOptions,
    EngineOptions,
    PictureOptions,
    JudgeOptions,
):
    """All options of a run in which a judge is asked."""
