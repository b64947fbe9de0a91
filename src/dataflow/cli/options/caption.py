"""All options of `dataflow caption`, group by group."""

from __future__ import annotations

from dataclasses import dataclass

from dataflow.cli.options.batch import BatchingChoices
from dataflow.cli.options.budget import SpendingChoices
from dataflow.cli.options.engine import EngineChoices
from dataflow.cli.options.output import OutputChoices
from dataflow.cli.options.prompt import AskingChoices
from dataflow.cli.options.reject import ReaskingChoices, RejectingChoices
from dataflow.cli.options.requirements import CheckingChoices
from dataflow.cli.options.run import RunningChoices
from dataflow.cli.options.source import SourceChoices


# the last base comes first: dataclasses take the fields of their bases in that order
@dataclass(frozen=True, kw_only=True)
class Choices(
    BatchingChoices,
    SpendingChoices,
    RunningChoices,
    ReaskingChoices,
    RejectingChoices,
    CheckingChoices,
    AskingChoices,
    EngineChoices,
    OutputChoices,
    SourceChoices,
):
    """The arguments of `dataflow caption`, as given; their help says what each is."""
