"""What is asked about each picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import typer


@dataclass(frozen=True, kw_only=True)
class QuestionChoices:
    """What is asked about a picture."""

    PANEL: ClassVar[str] = "What is asked"

    system_prompt: Annotated[
        str, typer.Option(help="Sent as the system message; none when empty.")
    ] = ""
    prompt: Annotated[
        str | None,
        typer.Option(
            help="The question for every picture, instead of the dataset's own conversations.",
            show_default="the row's conversation, else: Please describe the image in detail.",
        ),
    ] = None
    prompt_template: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            help="The question, made of each row's fields: 'Title: {title}. Describe the picture.'",
        ),
    ] = None
    prompt_file: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Ask several things about each picture: a TOML file, whose every [name] is a "
            "column.",
        ),
    ] = None
    max_tokens: Annotated[
        int | None, typer.Option(min=1, help="Tokens of one caption at most.")
    ] = None
    temperature: Annotated[
        float | None, typer.Option(min=0.0, max=2.0, help="0 for the likeliest words.")
    ] = None
    seed: Annotated[int | None, typer.Option(help="Of the engine's sampling.")] = None


@dataclass(frozen=True, kw_only=True)
class AskingChoices(QuestionChoices):
    """What is asked about each picture, and how often."""

    PANEL: ClassVar[str] = "What is asked"

    n: Annotated[
        int,
        typer.Option("--n", min=1, max=100, help="Captions of each picture; 2 or more as a list."),
    ] = 1
