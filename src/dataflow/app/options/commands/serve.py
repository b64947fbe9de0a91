"""The options of `dataflow serve`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from dataflow.app.options.local_engine import LocalEngineOptions
from dataflow.app.options.option import Option


@dataclass(frozen=True, kw_only=True)
class ServeOptions(LocalEngineOptions):
    """The options of `dataflow serve`."""

    GROUP: ClassVar[str] = "Server"

    model: Annotated[
        str,
        Option(
            "A Hub repository or a folder for vLLM; demo, a .gguf file or a repository of GGUF "
            "files for llama.cpp.",
            is_argument=True,
            metavar="MODEL",
        ),
    ]
    register: Annotated[
        str,
        Option(
            "Enter the server in this folder while it is up, for the --endpoints of "
            "dataflow caption. All machines must see the folder.",
            metavar="FOLDER",
        ),
    ]
    mmproj: Annotated[
        str | None,
        Option("The .gguf file with the image encoder that belongs to MODEL.", metavar="FILE"),
    ] = None
    host: Annotated[
        str | None,
        Option(
            "The name or address by which other machines reach this one.",
            metavar="HOST",
            default="this machine's name",
        ),
    ] = None
    key_env: Annotated[
        str,
        Option(
            "The environment variable with the key that the server asks for; the same must be set "
            "where dataflow caption runs.",
            metavar="VAR",
        ),
    ] = "DF_API_KEY"
    drain: Annotated[
        float,
        Option(
            "Seconds from leaving the folder to the end, in which it finishes what it has.",
            metavar="SECONDS",
            least=0.0,
        ),
    ] = 20.0
    concurrency: Annotated[
        int | None,
        Option("How many requests it works on at once.", metavar="N", least=1, most=4096),
    ] = None
