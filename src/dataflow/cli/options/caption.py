"""All options of `dataflow caption`, group by group."""

from __future__ import annotations

from dataclasses import dataclass

from dataflow.cli.options.batch import BatchFlags
from dataflow.cli.options.budget import BudgetOptions
from dataflow.cli.options.engine import EngineOptions
from dataflow.cli.options.output import OutputOptions
from dataflow.cli.options.prompt import PromptOptions
from dataflow.cli.options.reject import ReaskOptions, RejectOptions
from dataflow.cli.options.requirements import RequirementOptions
from dataflow.cli.options.run import RunOptions
from dataflow.cli.options.source import SourceOptions


# the last base comes first: dataclasses take the fields of their bases in that order
@dataclass(frozen=True, kw_only=True)
class CaptionOptions(
    BatchFlags,
    BudgetOptions,
    RunOptions,
    ReaskOptions,
    RejectOptions,
    RequirementOptions,
    PromptOptions,
    EngineOptions,
    OutputOptions,
    SourceOptions,
):
    """The arguments of `dataflow caption`, as given; their help says what each is."""
