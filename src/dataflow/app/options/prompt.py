"""Options: what the model is asked about each picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, TypeAlias

from dataflow.app.options.option import Option, Options

SchemaForm: TypeAlias = Literal["format", "prompt", "both"]
"""How the model learns of the schema."""


@dataclass(frozen=True, kw_only=True)
class QuestionOptions(Options):
    """What the model is asked about a picture, and how it samples its answer."""

    GROUP: ClassVar[str] = "Prompt"

    preset: Annotated[
        str | None,
        Option(
            "Use a ready-made prompt with its own checks; `dataflow presets` lists them. Options "
            "that you give besides win over it.",
            metavar="NAME|FILE",
        ),
    ] = None
    prompt: Annotated[
        str | None,
        Option(
            "The question for every picture, instead of the dataset's own conversations.",
            flags=("-p", "--prompt"),
            metavar="TEXT",
            default="the preset's, the row's conversation, or: Please describe the image in "
            "detail.",
        ),
    ] = None
    system_prompt: Annotated[
        str | None,
        Option(
            "The system message; an empty one sends none.",
            metavar="TEXT",
            default="none, or the preset's",
        ),
    ] = None
    prompt_template: Annotated[
        str | None,
        Option(
            "A question made from each row's fields: 'Title: {title}. Describe the picture.'",
            metavar="TEXT",
        ),
    ] = None
    prompt_file: Annotated[
        str | None,
        Option(
            "Ask several questions about each picture: a TOML file in which each [name] is a "
            "column.",
            metavar="FILE",
        ),
    ] = None
    schema: Annotated[
        str | None,
        Option(
            "Make each caption JSON that fits this JSON Schema. The engine enforces it where it "
            "can, and every answer is checked.",
            metavar="FILE",
        ),
    ] = None
    schema_as: Annotated[
        SchemaForm,
        Option(
            "How the model learns of the schema: as the API's response format, in the words of "
            "the prompt, or both.",
        ),
    ] = "format"
    max_tokens: Annotated[
        int | None, Option("The most tokens of one caption.", metavar="N", least=1)
    ] = None
    temperature: Annotated[
        float | None,
        Option(
            "The sampling temperature; 0 always picks the likeliest token.", least=0.0, most=2.0
        ),
    ] = None
    seed: Annotated[int | None, Option("The seed of the sampling.", metavar="N")] = None


@dataclass(frozen=True, kw_only=True)
class PromptOptions(QuestionOptions):
    """What the model is asked about each picture, how often, and how the answers are written."""

    GROUP: ClassVar[str] = "Prompt"

    n: Annotated[
        int,
        Option(
            "The number of captions for each picture; 2 or more are written as a list.",
            least=1,
            most=100,
        ),
    ] = 1
    flatten: Annotated[
        bool,
        Option(
            "Write each top-level property of the schema into a column of its own.",
            hidden=("--spread",),
        ),
    ] = False
