"""All options of `dataflow caption`, group by group."""

from __future__ import annotations

from dataclasses import dataclass

from dataflow.cli.choices.asking import AskingChoices
from dataflow.cli.choices.batching import BatchingChoices
from dataflow.cli.choices.checking import CheckingChoices
from dataflow.cli.choices.engine import EngineChoices
from dataflow.cli.choices.output import OutputChoices
from dataflow.cli.choices.rejecting import ReaskingChoices, RejectingChoices
from dataflow.cli.choices.running import RunningChoices
from dataflow.cli.choices.source import SourceChoices
from dataflow.cli.choices.spending import SpendingChoices


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
