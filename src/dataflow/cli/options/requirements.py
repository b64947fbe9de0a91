"""What captions must be: the same options for `dataflow caption` and `dataflow check`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import typer

Count = Annotated[int | None, typer.Option(min=0, show_default=False)]
Words = Annotated[list[str] | None, typer.Option(metavar="WORDS", show_default=False)]
Patterns = Annotated[list[str] | None, typer.Option(metavar="REGEX", show_default=False)]


@dataclass(frozen=True, kw_only=True)
class RequirementOptions:
    """What captions must be."""

    PANEL: ClassVar[str] = "What captions must be"

    language: Annotated[
        str | None,
        typer.Option(metavar="CODE", help="The captions' language: en, zh …", show_default=False),
    ] = None
    sentences: Annotated[
        bool, typer.Option("--sentences", help="Each caption must end as a sentence does.")
    ] = False
    markdown: Annotated[
        bool | None,
        typer.Option(
            "--markdown/--no-markdown",
            help="Whether captions may hold Markdown and HTML.",
            show_default="while captioning they may, dataflow check counts it as a fault",
        ),
    ] = None
    min_words: Count = None
    max_words: Count = None
    min_sentences: Count = None
    max_sentences: Count = None
    min_characters: Count = None
    max_characters: Count = None
    forbid: Words = None
    require: Words = None
    forbid_pattern: Patterns = None
    require_pattern: Patterns = None
    max_duplicates: Annotated[
        int | None,
        typer.Option(
            "--max-duplicates",
            "--most-alike",
            min=1,
            help="How many different pictures may have the same caption.",
            show_default="any number while captioning, 3 in dataflow check",
        ),
    ] = None
    no_check: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KIND",
            help="Leave a check out: refusal, error_text, loop, echo, markup, cut_off …",
            show_default=False,
        ),
    ] = None
