"""Options: what is written, and where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, TypeAlias

from dataflow.app.options.option import Option, Options

ExistingCaption: TypeAlias = Literal["skip", "append", "prepend", "overwrite"]
"""What to do with a picture that already has a sidecar with a caption."""


@dataclass(frozen=True, kw_only=True)
class OutputOptions(Options):
    """What is written, and where."""

    GROUP: ClassVar[str] = "Output"

    output: Annotated[
        str | None,
        Option(
            "The output file; its ending decides the format. s3://… and gs://… work too.",
            flags=("-o", "--output"),
            default="NAME.captions.jsonl beside INPUT",
        ),
    ] = None
    journal: Annotated[
        str | None,
        Option(
            "A folder of this machine for the journal, where the output is a URL or on a network "
            "disk. A copy of it is kept beside an output on a disk, and renewed every minute.",
            metavar="FOLDER",
            default="beside the output; for a URL, ~/.local/state/dataflow",
        ),
    ] = None
    output_format: Annotated[
        str | None,
        Option("The output format by name, if the ending does not tell.", metavar="FORMAT"),
    ] = None
    output_key: Annotated[str, Option("The column to add.", metavar="COLUMN")] = "caption"
    overwrite_column: Annotated[bool, Option("Replace that column if INPUT already has it.")] = (
        False
    )
    meta: Annotated[
        bool,
        Option(
            "Add a column COLUMN_meta with status, finish reason, attempts, seconds, model, tokens "
            "and cost of each caption.",
        ),
    ] = False
    provenance: Annotated[
        bool,
        Option(
            "Add a column COLUMN_provenance with the model, the prompt's SHA-256, the date and the "
            "author, machine or person, of each caption.",
        ),
    ] = False
    show: Annotated[bool, Option("Print the name and caption of each picture at the end.")] = False
    sidecar: Annotated[
        str | None,
        Option(
            "Write each caption into a file beside its picture, as trainers read them: .txt, "
            ".caption, .json or any other ending. With -o, a dataset is written, too.",
            metavar="ENDING",
        ),
    ] = None
    existing: Annotated[
        ExistingCaption | None,
        Option(
            "With --sidecar, for a picture that already has one: skip it, append or prepend the "
            "new caption, or overwrite. {existing} in --prompt stands for the caption that is "
            "there.",
            default="skip",
        ),
    ] = None
    sidecar_root: Annotated[
        str | None,
        Option(
            "With --sidecar, write the files into this folder, in the same sub-folders as the "
            "pictures, and not beside them.",
            metavar="FOLDER",
        ),
    ] = None
    newlines: Annotated[
        Literal["space", "keep"],
        Option("With --sidecar, what becomes of line breaks: a space each, or they stay."),
    ] = "space"
    trigger: Annotated[
        str | None,
        Option(
            "A word that every written caption must have: put before it unless it has it already. "
            "The model does not see it.",
            metavar="WORD",
        ),
    ] = None
    prefix: Annotated[
        str | None,
        Option("A text put before every written caption, once.", metavar="TEXT"),
    ] = None
    suffix: Annotated[
        str | None,
        Option("A text put behind every written caption, once.", metavar="TEXT"),
    ] = None
    csv_safe: Annotated[
        bool,
        Option(
            "In CSV and TSV, put a quote before cells that a spreadsheet would run as formulas.",
        ),
    ] = False
    with_pictures: Annotated[
        bool,
        Option(
            "With --output-format webdataset, put each picture into the shard, as it is.",
        ),
    ] = False
    shard_size: Annotated[
        str | None,
        Option(
            "With --with-pictures, begin a new shard after about this many bytes.",
            metavar="SIZE",
        ),
    ] = None
    edits: Annotated[
        Literal["keep", "ask", "overwrite"],
        Option(
            "Captions that somebody changed in the output since it was written: keep them, ask at "
            "a terminal, or overwrite them.",
        ),
    ] = "keep"
    rows_per_file: Annotated[
        int | None,
        Option(
            "Split the output into files of this many rows: NAME-00000-of-00012.jsonl and so on.",
            metavar="ROWS",
            least=1,
        ),
    ] = None
    push_to_hub: Annotated[
        str | None,
        Option(
            "At the end, upload the .parquet output to this Hugging Face dataset in one commit, as "
            "its train split or the one you name. A new dataset is private.",
            metavar="REPO[:SPLIT]",
        ),
    ] = None
    keep: Annotated[
        list[str] | None,
        Option("Write only these fields of the input rows.", metavar="FIELD"),
    ] = None
    drop: Annotated[
        list[str] | None,
        Option("Leave these fields of the input rows out.", metavar="FIELD"),
    ] = None
