"""Options: which pictures are captioned, and how they are read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, TypeAlias

from dataflow.app.options.option import Option, Options

OnBadRow: TypeAlias = Literal["fail", "skip"]
"""What to do with a row of INPUT that cannot be read."""


@dataclass(frozen=True, kw_only=True)
class PictureOptions(Options):
    """Where the pictures of a row are, and how they are sent."""

    GROUP: ClassVar[str] = "Input"

    image_key: Annotated[str, Option("The column with the pictures.", metavar="COLUMN")] = "image"
    image_root: Annotated[
        str | None,
        Option("Refuse picture paths that lead out of this folder.", metavar="FOLDER"),
    ] = None
    allow_private_urls: Annotated[
        bool | str,
        Option(
            "Let picture URLs point into private networks: any, or only those that you list, such "
            "as =10.0.0.0/8,192.168.0.0/16",
            metavar="NETWORKS",
        ),
    ] = False
    max_side: Annotated[
        int,
        Option(
            "Shrink pictures whose longest side has more pixels than this.",
            metavar="PIXELS",
            least=28,
            most=16384,
        ),
    ] = 1024
    max_pixels: Annotated[
        int,
        Option(
            "Refuse pictures with more decoded pixels than this, width times height.",
            metavar="N",
            least=1,
        ),
    ] = 220_000_000
    max_picture_bytes: Annotated[
        str | None,
        Option("Refuse picture files larger than this.", metavar="SIZE", default="256MiB"),
    ] = None
    max_picture_memory: Annotated[
        str | None,
        Option(
            "Refuse pictures whose decoding takes more memory than this.",
            metavar="SIZE",
            default="2GiB",
        ),
    ] = None
    picture_connections: Annotated[
        int,
        Option("How many pictures are fetched from one host at once.", metavar="N", least=1),
    ] = 4
    user_agent: Annotated[
        str | None,
        Option(
            "How picture hosts are told who asks; some want an address to write to.",
            metavar="TEXT",
            default="this program's name and address",
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class SourceArgument(Options):
    """The dataset."""

    GROUP: ClassVar[str] = "Input"

    source: Annotated[
        str,
        Option(
            "A folder of pictures, a quoted pattern ('photos/**/*.png') or one picture; a .json, "
            ".jsonl, .csv, .tsv, .parquet, .arrow, .feather, .tar or COCO dataset; several of a "
            "kind by a quoted pattern ('out-*-of-*.jsonl', '{000..123}.tar') or as a folder; "
            "hf:NAME[:CONFIG][:SPLIT] from the Hugging Face Hub, ms:NAME… from ModelScope. Files "
            "and folders may also be at s3://…, gs://…, hf://… and https://….",
            is_argument=True,
            metavar="INPUT",
        ),
    ]
    more: Annotated[
        list[str] | None,
        Option(
            "Further inputs of the same kind, as a shell makes them of photos/*.jpg: pictures and "
            "folders, or dataset files of one format.",
            is_argument=True,
            metavar="[INPUT]...",
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class SourceOptions(PictureOptions):
    """Which pictures of the dataset are captioned."""

    GROUP: ClassVar[str] = "Input"

    include: Annotated[
        list[str] | None,
        Option(
            "From a folder, take only pictures that match, such as '*.png' or 'a/**'.",
            metavar="PATTERN",
        ),
    ] = None
    exclude: Annotated[
        list[str] | None,
        Option("From a folder, leave out pictures and folders that match.", metavar="PATTERN"),
    ] = None
    all_pictures: Annotated[
        bool,
        Option(
            "From a folder, also take masks beside their pictures, thumbnails, recycle bins and "
            "hidden files, which are left out otherwise.",
        ),
    ] = False
    wds_key: Annotated[
        Literal["first-dot", "last-dot"] | None,
        Option(
            "Where the key of a WebDataset's sample ends in a file's name: at its first dot, as "
            "the format says, or at its last, for names such as 2024.05.17.png.",
            default="first-dot; an error where that throws pictures together",
        ),
    ] = None
    columns: Annotated[
        list[str] | None,
        Option(
            "The names of the columns of a CSV or TSV file without a header line, with commas "
            "between them.",
            metavar="NAMES",
        ),
    ] = None
    delimiter: Annotated[
        str | None,
        Option(
            "What stands between two values of a CSV or TSV file: one character, or tab.",
            metavar="SIGN",
            default="looked up in the first line",
        ),
    ] = None
    limit: Annotated[
        int | None, Option("Take only the first rows, this many.", metavar="ROWS", least=1)
    ] = None
    on_bad_row: Annotated[
        OnBadRow,
        Option(
            "What a row that cannot be read does: fail stops the run before anything is spent; "
            "skip leaves the row out and lists it in the errors file.",
        ),
    ] = "fail"
