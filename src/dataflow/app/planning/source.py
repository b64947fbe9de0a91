"""The dataset that the options name: looked at once, opened, and its columns found."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from dataflow.app.options.commands.caption import CaptionOptions
from dataflow.app.options.commands.check import CheckOptions
from dataflow.app.reporter import Reporter
from dataflow.core.errors import InputError, UsageError
from dataflow.core.protocols.dataset import Reader, notices_of
from dataflow.engine.paths import SideFiles
from dataflow.formats.base.affixes import CaptionAffixes
from dataflow.formats.columns.input_columns import QUESTIONS, InputColumns, input_columns
from dataflow.formats.folder.sidecar import SidecarFiles, sidecar_ending
from dataflow.formats.folder.sidecar_backup import SidecarBackup
from dataflow.formats.patterns.glob_filter import GlobFilter, split_pattern
from dataflow.formats.registry import InputSpec, ReadOptions, resolve_inputs
from dataflow.operators.core_vision.prompts import Prompt


@dataclass(frozen=True, slots=True)
class Source:
    """The dataset of a run.

    Attributes:
        reader: What reads it.
        columns: Where its pictures and conversations are.
        sidecars: Those of its pictures, where captions go there; else None.
        spec: What it is; None for rows in memory.
        is_text: Whether its rows are asked about as texts, without pictures.
    """

    reader: Reader
    columns: InputColumns
    sidecars: SidecarFiles | None = None
    spec: InputSpec | None = None
    is_text: bool = False


def input_of(choices: CaptionOptions) -> InputSpec:
    """What the options name as input.

    Raises:
        UsageError: there is nothing, or several inputs are not of one kind.
    """
    if not choices.source:
        raise UsageError("the input is empty; if it comes from a variable, that is not set")
    of_pictures = bool(
        choices.sidecar or choices.include or choices.exclude or choices.all_pictures
    )
    try:
        return resolve_inputs(
            [choices.source, *(choices.more or ())],
            of_pictures=of_pictures,
            is_table=bool(choices.columns or choices.delimiter),
        )
    except InputError as error:  # nothing has begun yet
        raise UsageError(error.message) from error


def open_source(
    choices: CaptionOptions, spec: InputSpec, target: Path, *, is_text: bool = False
) -> Source:
    """Open the dataset `spec`.

    Args:
        choices: The options.
        spec: The dataset.
        target: The output, beside which lies what stood in sidecars before.
        is_text: Whether the rows are asked about as texts, without pictures.

    Raises:
        UsageError: an option does not fit the dataset, no picture in the folder fits, or it is not
            clear which column holds the pictures.
        InputError: the dataset cannot be read.
    """
    sidecars = _sidecars(choices, target)
    try:
        reader = spec.open(read_options(choices, sidecars))
        columns = (
            InputColumns(choices.image_key) if is_text else input_columns(reader, choices.image_key)
        )
    except InputError as error:
        if not Path(choices.source).is_dir():
            raise  # the dataset is at fault, not the command
        raise UsageError(error.message) from error
    return Source(reader, columns, sidecars, spec, is_text)


def source_of_rows(choices: CaptionOptions, rows: Reader) -> Source:
    """The dataset `rows`, which is in memory.

    Raises:
        UsageError: it is not clear which column holds the pictures.
    """
    return Source(rows, input_columns(rows, choices.image_key))


def read_options(choices: CaptionOptions, sidecars: SidecarFiles | None) -> ReadOptions:
    """How the options say that the dataset is read."""
    return ReadOptions(
        picture_key=choices.image_key,
        skip_bad_rows=choices.on_bad_row == "skip",
        pick=GlobFilter(tuple(choices.include or ()), tuple(choices.exclude or ())),
        sidecars=sidecars,
        takes_all=choices.all_pictures,
        wds_key=choices.wds_key,
        columns=columns_named(choices.columns),
        delimiter=choices.delimiter,
    )


def columns_named(given: list[str] | None) -> tuple[str, ...]:
    """The columns of ``--columns a,b`` or of several such."""
    return tuple(name.strip() for part in given or () for name in part.split(","))


def affixes_of(choices: CaptionOptions | CheckOptions) -> CaptionAffixes:
    """What stands around every caption."""
    return CaptionAffixes(choices.trigger or "", choices.prefix or "", choices.suffix or "")


def say_about(source: Source, prompts: Sequence[Prompt], to: Reporter) -> None:
    """Tell the user what was found in the dataset and is easily missed.

    Raises:
        InputError: the dataset cannot be read.
    """
    for notice in notices_of(source.reader):
        to.say(notice, is_warning=True)
    if source.columns.is_guessed:
        to.say(
            f"the pictures are taken from the column {source.columns.picture!r}; "
            "--image-key names another"
        )
    conversation = source.columns.conversation
    if conversation is None:
        _say_unasked(source, prompts, to)
        return
    if any(asks_own(prompt) for prompt in prompts):
        to.say(f"each row is asked its own question, from the column {conversation!r}")
    else:
        to.say(
            f"the rows have questions of their own in {conversation!r}, and are not asked those: "
            "the options name another question",
            is_warning=True,
        )


def _say_unasked(source: Source, prompts: Sequence[Prompt], to: Reporter) -> None:
    if not any(asks_own(prompt) for prompt in prompts):
        return
    for name in source.columns.unasked:
        is_text = name.strip().lower() in QUESTIONS
        cure = f"--prompt-template '{{{name}}}' asks it" if is_text else "call it 'messages'"
        to.say(f"the rows have a column {name!r}, which is not asked; {cure}", is_warning=True)


def asks_own(prompt: Prompt) -> bool:
    """Whether a row that has a conversation is asked what that asks."""
    return prompt.template is None and prompt.sent_question is None


def folder_of_sidecars(choices: CaptionOptions) -> str:
    """The folder of the pictures, whose shape the sidecars' folder has."""
    names = [choices.source, *(choices.more or ())]
    roots = []
    for name in names:
        root = name if os.path.lexists(name) else split_pattern(name)[0]
        is_folder = os.path.isdir(root)  # noqa: PTH112 (names may be odd)
        roots.append(os.path.abspath(root if is_folder else os.path.dirname(root)))  # noqa: PTH100, PTH120
    return os.path.commonpath(roots)


def sidecar_files(
    choices: CaptionOptions, existing: str, originals: SidecarBackup | None = None
) -> SidecarFiles:
    """The sidecars that the options ask for.

    Args:
        choices: The options; they ask for sidecars.
        existing: What is done with a caption that is there.
        originals: What stood there before the run.

    Raises:
        UsageError: the ending is none.
    """
    root = choices.sidecar_root
    return SidecarFiles(
        choices.sidecar or ".txt",
        existing,
        choices.output_key,
        originals,
        newlines=choices.newlines,
        affixes=affixes_of(choices),
        root=root,
        base="." if root is None else folder_of_sidecars(choices),
        keeps_changes=choices.edits != "overwrite",
    )


def _sidecars(choices: CaptionOptions, target: Path) -> SidecarFiles | None:
    if choices.sidecar is None:
        return None
    existing = choices.existing or "skip"
    originals = SidecarBackup(SideFiles(target).originals, _run(choices))
    return sidecar_files(choices, existing, originals)


def _run(choices: CaptionOptions) -> str:
    """What determines the captions and what becomes of them, as a digest."""
    if choices.output is not None:
        return "beside a dataset"  # which has all rows: no earlier caption of ours stands for one
    model = choices.model, choices.vllm, choices.max_tokens, choices.temperature, choices.seed
    asked = choices.prompt or choices.prompt_template, choices.system_prompt or "", choices.max_side
    ending = sidecar_ending(choices.sidecar or ".txt")
    written = ending, choices.existing, choices.output_key
    more = (choices.preset,) if choices.preset else ()
    affixes = (affixes_of(choices),) if affixes_of(choices) else ()
    keeps = (choices.newlines,) if choices.newlines != "space" else ()
    text = repr((model, asked, written, *more, *affixes, *keeps))
    return blake2b(text.encode("utf-8", "backslashreplace"), digest_size=16).hexdigest()
