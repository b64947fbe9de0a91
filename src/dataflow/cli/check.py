"""`dataflow check`: what the captions of a dataset are like, and which are no captions to keep."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from dataflow.cli.codes import FAILED_ROWS
from dataflow.cli.command import takes

Count = Annotated[int | None, typer.Option(min=0, show_default=False)]
Words = Annotated[list[str] | None, typer.Option(metavar="WORDS", show_default=False)]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckChoices:
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
    language: Annotated[
        str | None,
        typer.Option(metavar="CODE", help="The captions' language: en, zh …", show_default=False),
    ] = None
    sentences: Annotated[
        bool, typer.Option("--sentences", help="Each caption must end as a sentence does.")
    ] = False
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Markdown and HTML are no faults.")
    ] = False
    min_words: Count = None
    max_words: Count = None
    min_sentences: Count = None
    max_sentences: Count = None
    min_characters: Count = None
    max_characters: Count = None
    forbid: Words = None
    require: Words = None
    forbid_pattern: Annotated[
        list[str] | None, typer.Option(metavar="REGEX", show_default=False)
    ] = None
    require_pattern: Annotated[
        list[str] | None, typer.Option(metavar="REGEX", show_default=False)
    ] = None
    most_alike: Annotated[
        int, typer.Option(min=1, help="So many pictures may have the same caption.")
    ] = 3
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
