"""All options of `dataflow estimate`: those of the run that it estimates, and its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from dataflow.app.options.commands.caption import CaptionOptions, CaptionSettings
from dataflow.app.options.option import Option


@dataclass(frozen=True, kw_only=True)
class EstimateSettings(CaptionSettings):
    """The options of `dataflow estimate`, without the dataset."""

    GROUP: ClassVar[str] = "Estimate"

    probe: Annotated[
        int,
        Option(
            "Send this many rows to the model, to measure instead of assuming. You pay for them; "
            "the run reuses their answers.",
            metavar="N",
            least=0,
            most=1000,
        ),
    ] = 0
    sample: Annotated[
        int, Option("Measure the pictures of at most this many requests.", metavar="N", least=2)
    ] = 2000
    json: Annotated[bool, Option("Print the estimate as JSON on stdout.")] = False


@dataclass(frozen=True, kw_only=True)
class EstimateOptions(EstimateSettings, CaptionOptions):
    """The options of `dataflow estimate`."""
