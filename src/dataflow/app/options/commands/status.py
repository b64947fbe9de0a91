"""The options of `dataflow status`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from dataflow.app.options.option import Option, Options


@dataclass(frozen=True, kw_only=True)
class StatusOptions(Options):
    """The options of `dataflow status`."""

    output: Annotated[
        str,
        Option(
            "The output of a run, which need not exist yet.", is_argument=True, metavar="OUTPUT"
        ),
    ]
    json: Annotated[bool, Option("Print the status as JSON on stdout.")] = False
