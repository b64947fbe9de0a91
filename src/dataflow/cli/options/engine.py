"""Which model answers, and where it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import typer


@dataclass(frozen=True, kw_only=True)
class EngineOptions:
    """Which model answers, and where it is."""

    PANEL: ClassVar[str] = "Who answers"

    model: Annotated[
        str | None,
        typer.Option(
            help="For the embedded llama.cpp: demo, a local .gguf (with --mmproj) or a repository "
            "of the Hugging Face hub. With --api-url: the model's name there.",
            show_default="ggml-org/SmolVLM-500M-Instruct-GGUF",
        ),
    ] = None
    mmproj: Annotated[
        str | None, typer.Option(help="The picture encoder's .gguf that belongs to --model.")
    ] = None
    vllm: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="Use local vLLM with this hub repository or folder."),
    ] = None
    api_url: Annotated[
        list[str] | None,
        typer.Option(
            metavar="URL",
            help="Use an OpenAI-compatible API; it may cost money. Several times: spread over "
            "them.",
        ),
    ] = None
    endpoints: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="More endpoints of the API, one on each line: its URL and, if it has a key of "
            "its own, the environment variable that holds it.",
        ),
    ] = None
    key_env: Annotated[
        list[str] | None,
        typer.Option(
            metavar="VAR",
            help="The environment variable that holds the API key; one for all, or one for each "
            "--api-url in their order.",
            show_default="DF_API_KEY",
        ),
    ] = None
    key_file: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="A file whose first line is the API key, instead of the variable."
        ),
    ] = None
