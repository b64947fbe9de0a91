"""What is asked about each picture."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Annotated, ClassVar

import typer


class SchemaForm(str, Enum):
    """How the engine learns of the schema."""

    FORMAT = "format"
    PROMPT = "prompt"
    BOTH = "both"


@dataclass(frozen=True, kw_only=True)
class QuestionOptions:
    """What is asked about a picture, and what the answer is to be."""

    PANEL: ClassVar[str] = "What is asked"

    preset: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE",
            help="Ask for captions of a kind: `dataflow presets` lists them. What is given besides "
            "wins over it.",
        ),
    ] = None
    system_prompt: Annotated[
        str | None,
        typer.Option(
            help="Sent as the system message; none when empty.", show_default="none, or --preset's"
        ),
    ] = None
    prompt: Annotated[
        str | None,
        typer.Option(
            help="The question for every picture, instead of the dataset's own conversations.",
            show_default="--preset's, the row's conversation, or: Please describe the image in "
            "detail.",
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
    schema: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Captions are JSON of this JSON Schema: the engine is held to it, and every "
            "answer is checked.",
        ),
    ] = None
    schema_as: Annotated[
        SchemaForm,
        typer.Option(help="How the engine learns of the schema; prompt: in the question's words."),
    ] = SchemaForm.FORMAT
    max_tokens: Annotated[
        int | None, typer.Option(min=1, help="Tokens of one caption at most.")
    ] = None
    temperature: Annotated[
        float | None, typer.Option(min=0.0, max=2.0, help="0 for the likeliest words.")
    ] = None
    seed: Annotated[int | None, typer.Option(help="Of the engine's sampling.")] = None


@dataclass(frozen=True, kw_only=True)
class PromptOptions(QuestionOptions):
    """What is asked about each picture, how often, and how the answers are written."""

    PANEL: ClassVar[str] = "What is asked"

    n: Annotated[
        int,
        typer.Option("--n", min=1, max=100, help="Captions of each picture; 2 or more as a list."),
    ] = 1
    spread: Annotated[
        bool,
        typer.Option("--spread", help="Make a column of each of the schema's own properties."),
    ] = False
