"""The card of an output, written beside it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from dataflow.app.card.croissant import croissant
from dataflow.app.card.facts import facts_of
from dataflow.app.card.markdown import MARK, card, questions_of
from dataflow.app.options.commands.card import CardOptions
from dataflow.core.errors import OutputError, UsageError


@dataclass(frozen=True, slots=True)
class CardResult:
    """What `write_card` wrote.

    Attributes:
        card: The dataset card.
        croissant: The Croissant metadata; None where the captions are sidecars.
        questions: What only the person who publishes can say, and has not said.
    """

    card: Path
    croissant: Path | None
    questions: list[str]


def write_card(options: CardOptions) -> CardResult:
    """Write the dataset card and the Croissant metadata of an output.

    Args:
        options: The output, and what only a person knows about it.

    Raises:
        UsageError: There is no output with a record, or a README.md of somebody else stands there.
        OutputError: A file cannot be written.
        JournalError: The journal cannot be read.
    """
    facts = facts_of(options)
    folder = facts.path.parent if options.folder is None else Path(options.folder)
    page, metadata = folder / "README.md", folder / "croissant.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not options.overwrite and not _is_ours(page):
            raise UsageError(
                f"{page} was not written by dataflow card: name another folder with -o, or replace "
                "it with --overwrite"
            )
        page.write_text(card(facts, options), encoding="utf-8", errors="backslashreplace")
        if not facts.path.is_file():
            return CardResult(page, None, questions_of(options))
        text = json.dumps(croissant(facts, options), indent=2, ensure_ascii=False)
        metadata.write_text(text + "\n", encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise OutputError(f"cannot write {error.filename}: {error.strerror}") from error
    return CardResult(page, metadata, questions_of(options))


def _is_ours(page: Path) -> bool:
    """Whether nothing is lost where a card is written to `page`."""
    try:
        return MARK in page.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return True
