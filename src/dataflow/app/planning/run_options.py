"""What the journal keeps of a run's options, and where the run keeps the journal."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from dataflow.app.options.commands.caption import CaptionOptions
from dataflow.app.options.option import names_of
from dataflow.app.options.output import OutputOptions
from dataflow.app.options.prompt import QuestionOptions
from dataflow.app.options.shell_command import has_secret
from dataflow.app.options.source import PictureOptions, SourceOptions
from dataflow.core.errors import JournalError, UsageError
from dataflow.engine.journal.read_only import open_read_only, unreadable
from dataflow.engine.plan import SERVING
from dataflow.engine.shards.local_journal import check_folder
from dataflow.remote.path import AnyPath, RemotePath, is_url

_KEPT = names_of(OutputOptions, QuestionOptions, PictureOptions, SourceOptions) | {
    "source",
    "more",
    "limit",
    "model",
    "vllm",
}
"""What determines the rows, the question and the output. None is the model's key or address."""


def options_text(options: CaptionOptions) -> str | None:
    """The options that say which rows there are and what is written of them, as JSON.

    None where one of them holds a secret, such as the signature in a URL: the journal keeps none,
    and without it the rows cannot be had.
    """
    kept = {name: value for name, value in asdict(options).items() if name in _KEPT}
    return None if has_secret(kept) else json.dumps(kept, sort_keys=True, default=str)


def options_from(text: str) -> CaptionOptions:
    """The options that `options_text` made `text` of; the rest as nobody gave it.

    Raises:
        JournalError: another version of the program wrote it.
    """
    known = {field.name for field in fields(CaptionOptions)}
    try:
        return CaptionOptions(**{k: v for k, v in json.loads(text).items() if k in known})
    except (TypeError, ValueError) as error:
        raise JournalError(f"the options in the journal cannot be read: {error}") from error


def settings_from(text: str) -> Mapping[str, Any] | None:
    """The settings of the run's serving that the journal keeps beside its options; None for none.

    Raises:
        JournalError: another version of the program wrote it.
    """
    try:
        found = json.loads(text).get(SERVING)
    except (AttributeError, ValueError) as error:
        raise JournalError(f"the options in the journal cannot be read: {error}") from error
    return found if isinstance(found, dict) else None


def options_of_run(journal: Path) -> CaptionOptions | None:
    """The options of the latest run that kept them; None where none did.

    Raises:
        JournalError: the journal cannot be read, or another version of the program wrote it.
    """
    text = kept_options(journal)
    return None if text is None else options_from(text)


def kept_options(journal: Path) -> str | None:
    """The same as the text that the journal keeps.

    Raises:
        JournalError: the journal cannot be read, or another version of the program wrote it.
    """
    try:
        with closing(open_read_only(journal)) as db:
            found = db.execute(
                "SELECT options FROM runs WHERE options NOT NULL ORDER BY run DESC LIMIT 1"
            ).fetchone()
    except sqlite3.Error as error:
        raise unreadable(journal, error) from error
    return None if found is None else str(found[0])


def journal_folder_of(choices: CaptionOptions, place: AnyPath) -> Path | None:
    """The folder in which the journal of an output on a disk is kept; None for beside it.

    Raises:
        UsageError: it is no folder of this machine.
    """
    if choices.journal is None or isinstance(place, RemotePath):
        return None
    if is_url(choices.journal):
        raise UsageError("--journal takes a folder of this machine")
    folder = Path(choices.journal)
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"--journal {folder} is no folder; give one on a disk of this machine")
    check_folder(folder)
    return folder
