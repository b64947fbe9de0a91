"""The options of `dataflow edits`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from dataflow.app.options.option import Option, Options


@dataclass(frozen=True, kw_only=True)
class EditsOptions(Options):
    """The options of `dataflow edits`."""

    output: Annotated[str, Option("The output of a run.", is_argument=True, metavar="OUTPUT")]
    restore: Annotated[
        int | None,
        Option("Take the edit of this number back.", metavar="NUMBER", least=1),
    ] = None
    author: Annotated[
        str | None,
        Option("Who takes it back.", metavar="NAME", default="your login name"),
    ] = None
    export: Annotated[
        str | None,
        Option("Write the edits into this file, one JSON object a line.", metavar="FILE"),
    ] = None
