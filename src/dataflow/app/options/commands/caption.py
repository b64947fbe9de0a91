"""All options of `dataflow caption`, group by group."""

from __future__ import annotations

from dataclasses import dataclass

from dataflow.app.options.batch import BatchFlags
from dataflow.app.options.budget import BudgetOptions
from dataflow.app.options.engine import EngineOptions
from dataflow.app.options.local_engine import LocalEngineOptions
from dataflow.app.options.output import OutputOptions
from dataflow.app.options.prompt import PromptOptions
from dataflow.app.options.reject import ReaskOptions, RejectOptions
from dataflow.app.options.request import RequestOptions
from dataflow.app.options.requirements import RequirementOptions
from dataflow.app.options.run import RunOptions
from dataflow.app.options.source import SourceArgument, SourceOptions


@dataclass(frozen=True, kw_only=True)
class CaptionSettings(
    BatchFlags,
    BudgetOptions,
    RunOptions,
    RequestOptions,
    ReaskOptions,
    RejectOptions,
    RequirementOptions,
    PromptOptions,
    LocalEngineOptions,
    EngineOptions,
    OutputOptions,
    SourceOptions,
):
    """The options of `dataflow caption`, without the dataset."""


@dataclass(frozen=True, kw_only=True)
class CaptionOptions(CaptionSettings, SourceArgument):
    """The options of `dataflow caption`."""
