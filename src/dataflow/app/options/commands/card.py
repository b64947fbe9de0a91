"""The options of `dataflow card`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from dataflow.app.options.option import Option, Options


@dataclass(frozen=True, kw_only=True)
class CardOptions(Options):
    """The options of `dataflow card`."""

    dataset: Annotated[str, Option("The output of a run.", is_argument=True, metavar="OUTPUT")]
    folder: Annotated[
        str | None,
        Option(
            "The folder that gets README.md and croissant.json.",
            flags=("-o", "--folder"),
            metavar="FOLDER",
            default="the folder of OUTPUT",
        ),
    ] = None
    name: Annotated[
        str | None,
        Option("The dataset's name.", metavar="NAME", default="OUTPUT without its ending"),
    ] = None
    license: Annotated[
        str | None,
        Option("The licence under which you publish the captions.", metavar="ID"),
    ] = None
    source: Annotated[
        list[str] | None,
        Option("Where the pictures come from: a name or a URL.", metavar="TEXT"),
    ] = None
    source_license: Annotated[
        str | None,
        Option("The licence or the terms of the pictures.", metavar="TEXT"),
    ] = None
    creator: Annotated[str | None, Option("Who publishes the dataset.", metavar="NAME")] = None
    language: Annotated[
        list[str] | None,
        Option("The language of the captions, such as en or zh.", metavar="CODE"),
    ] = None
    url: Annotated[str | None, Option("Where the dataset is published.", metavar="URL")] = None
    overwrite: Annotated[
        bool,
        Option("Replace a README.md that somebody else wrote."),
    ] = False
