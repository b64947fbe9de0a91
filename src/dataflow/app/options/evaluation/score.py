"""All options of `dataflow score`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from dataflow.app.options.option import Option, Options


@dataclass(frozen=True, kw_only=True)
class ScoreOptions(Options):
    """The options of `dataflow score`."""

    GROUP: ClassVar[str] = "Scores"

    dataset: Annotated[str, Option("A dataset with captions.", is_argument=True, metavar="DATASET")]
    references: Annotated[
        str | None,
        Option(
            "The column of DATASET with the captions that people wrote, a text or a list of them; "
            "or a dataset that has them for the same pictures, such as a COCO file.",
            metavar="COLUMN|DATASET",
        ),
    ] = None
    objects: Annotated[
        str | None,
        Option("The column of DATASET that lists what its picture holds.", metavar="COLUMN"),
    ] = None
    synonyms: Annotated[
        str | None,
        Option(
            'A JSON file of objects and other words for them: {"dog": ["puppy"]}.', metavar="FILE"
        ),
    ] = None
    clip: Annotated[
        str | None,
        Option(
            "A model of pictures and texts behind an embeddings API, such as jina-clip-v2, for "
            "CLIPScore and, with --references, RefCLIPScore.",
            metavar="MODEL",
        ),
    ] = None
    clip_url: Annotated[
        str | None,
        Option("The base URL of that API, which may cost money.", metavar="URL"),
    ] = None
    clip_key_env: Annotated[
        str, Option("The environment variable that holds its API key.", metavar="VAR")
    ] = "DF_API_KEY"
    clip_form: Annotated[
        Literal["input", "messages"],
        Option(
            "How the API takes a picture: as an object in its input, as Jina's does, or in a chat "
            "message, as vLLM's does."
        ),
    ] = "input"
    encoder: Annotated[
        Literal["clip", "siglip"],
        Option("The text encoder whose limit says which captions that model reads cut off."),
    ] = "clip"
    output: Annotated[
        str,
        Option("The folder for the vectors of --clip.", flags=("-o", "--output"), metavar="FOLDER"),
    ] = "scores"
    output_key: Annotated[
        str | None,
        Option(
            "The column with the captions.",
            metavar="COLUMN",
            default="caption or another usual name",
        ),
    ] = None
    image_key: Annotated[str, Option("The column with the pictures.", metavar="COLUMN")] = "image"
    seed: Annotated[int, Option("The seed of the intervals.", metavar="N")] = 0
    json: Annotated[bool, Option("Print the result as JSON.")] = False
