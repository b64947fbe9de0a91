"""How fast, how patiently and how safely a run goes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import typer


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """How fast, how patiently and how safely a run goes."""

    PANEL: ClassVar[str] = "How it runs"

    concurrency: Annotated[
        int | None,
        typer.Option(
            min=1, max=4096, help="Requests in flight.", show_default="found while it runs"
        ),
    ] = None
    rpm: Annotated[
        float | None,
        typer.Option(
            "--rpm", min=0.001, help="Requests a minute at most.", show_default="no limit"
        ),
    ] = None
    tpm: Annotated[
        float | None,
        typer.Option(
            "--tpm",
            min=1.0,
            help="Tokens a minute at most, read and written.",
            show_default="no limit",
        ),
    ] = None
    timeout: Annotated[
        float,
        typer.Option(min=1.0, help="Seconds for one request to an API, and its whole answer."),
    ] = 600.0
    give_up_after: Annotated[
        float, typer.Option(min=0.0, help="Seconds a server may be down before the run stops.")
    ] = 600.0
    durable: Annotated[
        bool, typer.Option("--durable", help="Survive a power cut, not only a crash; slower.")
    ] = False
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Ask everything again; a former journal is set aside.")
    ] = False
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Ask again for rows the engine turned down.")
    ] = False
    image_cache: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER",
            help="Keep pictures that are given by URL in this folder: another run fetches none of "
            "them again.",
        ),
    ] = None
    image_cache_max: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE",
            help="Bytes that the folder may hold, such as 500MB (10^6 bytes) or 2GiB (2^30); the "
            "pictures that were not used for longest go.",
            show_default="10GB",
        ),
    ] = None
