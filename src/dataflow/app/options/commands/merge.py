"""The options of `dataflow merge`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from dataflow.app.options.option import Option, Options


@dataclass(frozen=True, kw_only=True)
class MergeOptions(Options):
    """The options of `dataflow merge`."""

    output: Annotated[
        str, Option("The output of a run in shards.", is_argument=True, metavar="OUTPUT")
    ]
