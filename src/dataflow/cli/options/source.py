"""Which pictures are captioned."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Annotated, ClassVar

import typer


class OnBadRow(str, Enum):
    """What to do about a row of INPUT that cannot be read."""

    fail = "fail"
    skip = "skip"


@dataclass(frozen=True, kw_only=True)
class PictureOptions:
    """Where the pictures of a row are, and how they are sent."""

    PANEL: ClassVar[str] = "Which pictures"

    image_key: Annotated[str, typer.Option(help="The column with the pictures.")] = "image"
    image_root: Annotated[
        str | None,
        typer.Option(metavar="FOLDER", help="Picture paths may not leave this folder."),
    ] = None
    allow_private_urls: Annotated[
        bool,
        typer.Option("--allow-private-urls", help="Let picture URLs point into private networks."),
    ] = False
    max_side: Annotated[
        int, typer.Option(min=28, max=16384, help="Shrink pictures to this side, in pixels.")
    ] = 1024


@dataclass(frozen=True, kw_only=True)
class SourceOptions(PictureOptions):
    """Which pictures are captioned."""

    PANEL: ClassVar[str] = "Which pictures"

    source: Annotated[
        str,
        typer.Argument(
            metavar="INPUT",
            help="A folder of pictures, a quoted pattern of them ('photos/**/*.png'), one "
            "picture; a .json, .jsonl, .csv, .tsv, .parquet, .arrow, .feather, .tar or COCO "
            "dataset, several of a kind by a quoted pattern ('out-*-of-*.jsonl', "
            "'{000..123}.tar') or in a folder; hf:NAME[:CONFIG][:SPLIT] of the Hugging Face hub, "
            "ms:NAME… of ModelScope. All files and folders also at s3://…, gs://…, hf://…, "
            "https://….",
        ),
    ]
    include: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATTERN",
            help="Of a folder, only pictures that fit, such as '*.png' or 'a/**'.",
        ),
    ] = None
    exclude: Annotated[
        list[str] | None,
        typer.Option(metavar="PATTERN", help="Of a folder, no pictures that fit, nor folders."),
    ] = None
    limit: Annotated[int | None, typer.Option(min=1, help="Take only so many rows.")] = None
    on_bad_row: Annotated[
        OnBadRow,
        typer.Option(
            "--on-bad-row",
            help="A row that cannot be read stops the run before anything is spent, or is left "
            "out and listed in the errors file.",
        ),
    ] = OnBadRow.fail
