"""The options of `dataflow edits`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from dataflow.app.options.option import Option, Options


@dataclass(frozen=True, kw_only=True)
class EditsOptions(Options):
    """The options of `dataflow edits`."""

    output: Annotated[
        str,
        Option(
            "The output of a run, or another dataset whose captions were edited on the review "
            "page.",
            is_argument=True,
            metavar="OUTPUT",
        ),
    ]
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
    write: Annotated[
        str | None,
        Option("Write the dataset with the edits into this file, a copy.", metavar="FILE"),
    ] = None
    in_place: Annotated[
        bool,
        Option(
            "Write the edits into the dataset itself. Not for outputs of a run, which keep them."
        ),
    ] = False
