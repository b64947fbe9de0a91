"""`dataflow check`: what the captions of a dataset are like, and which are no captions to keep."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from dataflow.cli.choices.checking import CheckingChoices
from dataflow.cli.codes import FAILED_ROWS
from dataflow.cli.command import takes


@dataclass(frozen=True, kw_only=True)
class CheckChoices(CheckingChoices):
    """The arguments of `dataflow check`, as given; their help says what each is."""

    output: Annotated[
        str, typer.Argument(metavar="OUTPUT", help="A dataset that has captions, from anywhere.")
    ]
    output_key: Annotated[str, typer.Option(help="The column with the captions.")] = "caption"
    image_key: Annotated[
        str, typer.Option(help="The column with the pictures, where it holds paths or URLs.")
    ] = "image"
    prompt: Annotated[
        str | None, typer.Option(help="What was asked, to find it repeated.", show_default=False)
    ] = None
    schema: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Captions are JSON of this schema.", show_default=False),
    ] = None
    near: Annotated[
        bool, typer.Option("--near/--no-near", help="Look for captions that are nearly the same.")
    ] = True
    processes: Annotated[
        int | None, typer.Option(min=1, show_default="the cores of this machine")
    ] = None
    listed: Annotated[
        str | None,
        typer.Option("--list", metavar="FILE", help="Every fault, one JSON object a line."),
    ] = None
    json: Annotated[bool, typer.Option("--json", help="The report as JSON on standard output.")] = (
        False
    )


@takes(CheckChoices)
def check(choices: CheckChoices) -> None:
    """Tell which captions of OUTPUT are no captions to train on, and what the captions are like.

    Nothing is changed. Exit status 3 where a fault was found. Words are counted as word processors
    do: a Han or kana character is one.
    """
    from dataflow.cli.checking import checked  # compiles patterns, for which --help need not wait

    if checked(choices):
        raise typer.Exit(FAILED_ROWS)
