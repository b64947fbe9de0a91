"""The options of `dataflow presets`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from dataflow.app.options.option import Option, Options


@dataclass(frozen=True, kw_only=True)
class PresetsOptions(Options):
    """The options of `dataflow presets`."""

    name: Annotated[
        str | None,
        Option("Show the file of this preset.", is_argument=True, metavar="NAME|FILE"),
    ] = None
    json: Annotated[bool, Option("Print all that the presets contain as JSON.")] = False
