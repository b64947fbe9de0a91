"""The options of `dataflow write`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from dataflow.app.options.option import Option, Options


@dataclass(frozen=True, kw_only=True)
class WriteOptions(Options):
    """The options of `dataflow write`."""

    output: Annotated[str, Option("The output of a run.", is_argument=True, metavar="OUTPUT")]
