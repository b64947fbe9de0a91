"""Options: what else goes into each request to an API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from dataflow.app.options.option import Option, Options

Detail: TypeAlias = Literal["low", "high", "auto", "original"]
"""How closely an API is to look at a picture."""


@dataclass(frozen=True, kw_only=True)
class RequestOptions(Options):
    """What else goes into each request to an API."""

    GROUP: ClassVar[str] = "API requests"

    body: Annotated[
        dict[str, Any] | None,
        Option(
            "A further field of the request's body; VALUE is JSON, or else text. A dotted name "
            "reaches inside: chat_template_kwargs.enable_thinking=false",
            metavar="FIELD=VALUE",
            pairs="=",
        ),
    ] = None
    header: Annotated[
        dict[str, Any] | None,
        Option(
            "A further HTTP header. $VAR stands for the environment variable VAR, so that no "
            "secret is on the command line.",
            flags=("-H", "--header"),
            metavar="'NAME: VALUE'",
            pairs=":",
        ),
    ] = None
    key_header: Annotated[
        str | None,
        Option(
            "Send the API key in this header, such as api-key for Azure.",
            metavar="NAME",
            default="Authorization: Bearer",
        ),
    ] = None
    detail: Annotated[
        Detail | None,
        Option("How closely the API looks at each picture; low costs least."),
    ] = None
    stream: Annotated[bool, Option("Receive answers as a stream, for servers that need it.")] = (
        False
    )
    drop_params: Annotated[
        bool,
        Option(
            "If the model does not take a parameter that you gave, leave the parameter out instead "
            "of stopping.",
        ),
    ] = False
    ca_file: Annotated[
        str | None,
        Option(
            "A PEM file with certificates to trust besides the system's; also SSL_CERT_FILE.",
            metavar="FILE",
        ),
    ] = None
