"""What is written, and where."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Annotated, ClassVar

import typer


class ExistingCaption(str, Enum):
    """What to do about a picture that has a sidecar with a caption."""

    skip = "skip"
    append = "append"
    prepend = "prepend"
    overwrite = "overwrite"


@dataclass(frozen=True, kw_only=True)
class OutputOptions:
    """What is written, and where."""

    PANEL: ClassVar[str] = "What is written"

    output: Annotated[
        str | None,
        typer.Option(
            "-o",
            "--output",
            help="Where the rows go; the ending decides the format. Also s3://… and gs://….",
            show_default="NAME.captions.jsonl beside INPUT",
        ),
    ] = None
    journal: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER",
            help="The folder of this machine for the journal, where OUTPUT is a URL.",
            show_default="~/.local/state/dataflow",
        ),
    ] = None
    output_format: Annotated[
        str | None,
        typer.Option(metavar="FORMAT", help="Its format by name, where the ending does not tell."),
    ] = None
    output_key: Annotated[str, typer.Option(help="The column to add.")] = "caption"
    overwrite_column: Annotated[
        bool,
        typer.Option("--overwrite-column", help="Replace that column where INPUT has it already."),
    ] = False
    meta: Annotated[
        bool,
        typer.Option(
            "--meta",
            help="Add a column, the caption's name with _meta, with status, finish reason, "
            "attempts, seconds, model, tokens and cost.",
        ),
    ] = False
    show: Annotated[
        bool, typer.Option("--show", help="Print each picture's name and caption at the end.")
    ] = False
    sidecar: Annotated[
        str | None,
        typer.Option(
            metavar="ENDING",
            help="Write each caption into a file beside its picture, as trainers read them: .txt, "
            ".caption or .json.",
        ),
    ] = None
    existing: Annotated[
        ExistingCaption | None,
        typer.Option(
            help="With --sidecar, a picture that has one: leave it and do not ask, add after or "
            "before what is there, or replace it. {existing} in --prompt stands for what is there.",
            show_default="skip",
        ),
    ] = None
    rows_per_file: Annotated[
        int | None,
        typer.Option(min=1, help="Write several files: NAME-00000-of-00012.jsonl and so on."),
    ] = None
    push_to_hub: Annotated[
        str | None,
        typer.Option(
            metavar="REPO[:SPLIT]",
            help="At the end, put the .parquet output into this dataset of the Hugging Face hub, "
            "in one commit: as its split train, or another. A new one is private.",
        ),
    ] = None
    keep: Annotated[
        list[str] | None,
        typer.Option(metavar="FIELD", help="Of the rows' own fields, write only these."),
    ] = None
    drop: Annotated[
        list[str] | None, typer.Option(metavar="FIELD", help="Of the rows' own fields, not these.")
    ] = None
