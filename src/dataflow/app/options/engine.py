"""Options: which model answers, and where it runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from dataflow.app.options.option import Option, Options


@dataclass(frozen=True, kw_only=True)
class EngineOptions(Options):
    """Which model answers, and where it runs."""

    GROUP: ClassVar[str] = "Model"

    model: Annotated[
        str | None,
        Option(
            "With --api-url: the model's name at that server. Without: a model for the built-in "
            "llama.cpp, which is demo, a local .gguf file (with --mmproj) or a repository of the "
            "Hugging Face Hub.",
            flags=("-m", "--model"),
            default="ggml-org/SmolVLM-500M-Instruct-GGUF",
        ),
    ] = None
    mmproj: Annotated[
        str | None,
        Option("The .gguf file with the image encoder that belongs to --model.", metavar="FILE"),
    ] = None
    vllm: Annotated[
        str | None,
        Option(
            "Run vLLM on this machine with this model: a Hub repository or a folder.",
            metavar="MODEL",
        ),
    ] = None
    api_url: Annotated[
        list[str] | None,
        Option(
            "The base URL of an OpenAI-compatible API, which may cost money. Give it several times "
            "to spread the requests over several servers.",
            hidden=("--base-url", "--api-base", "--url"),
            metavar="URL",
        ),
    ] = None
    endpoints: Annotated[
        str | None,
        Option(
            "A file with one API endpoint per line: its URL and, optionally, the environment "
            "variable that holds its key. A .toml file has a table [[endpoint]] for each, also "
            "with key_header, body, header, stream, detail, price_in and price_out. Or the folder "
            "in which dataflow serve --register enters its servers. Both are read again while the "
            "run works: servers may join and leave.",
            metavar="FILE|FOLDER",
        ),
    ] = None
    key_env: Annotated[
        list[str] | None,
        Option(
            "The environment variable that holds the API key (its name, never the key itself). "
            "Give it once, or once for each --api-url in the same order.",
            metavar="VAR",
            default="DF_API_KEY",
        ),
    ] = None
    key_file: Annotated[
        str | None,
        Option("A file whose first line is the API key, instead of --key-env.", metavar="FILE"),
    ] = None
