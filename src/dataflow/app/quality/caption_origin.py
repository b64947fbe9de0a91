"""Whose words the captions of a dataset are, and how they were asked for, by its journal."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from dataflow.app.known_output import known_output
from dataflow.app.options.commands.caption import CaptionOptions
from dataflow.app.options.commands.check import CheckOptions
from dataflow.app.options.option import names_of
from dataflow.app.options.prompt import QuestionOptions
from dataflow.app.planning.run_options import options_of_run
from dataflow.app.planning.source import affixes_of
from dataflow.app.reporter import Reporter
from dataflow.checks.dataset.scan import Fault
from dataflow.core.errors import UsageError
from dataflow.engine.edits import machine_captions
from dataflow.engine.journal.written_table import exact_digest
from dataflow.engine.paths import SideFiles
from dataflow.formats.base.affixes import NO_AFFIXES, CaptionAffixes
from dataflow.formats.caption_patch import CaptionPosition
from dataflow.remote.path import is_remote

_QUESTION = names_of(QuestionOptions)
_AFFIXES = ("trigger", "prefix", "suffix")


@dataclass(frozen=True, slots=True)
class CaptionOrigin:
    """What the journals of a dataset tell of its captions.

    Attributes:
        machine: The digests of the texts that engines gave; None where no journal is there, so
            that nobody can tell.
        affixes: What stands around each caption.
        options: Of the latest run; None where they are not known.
    """

    machine: frozenset[bytes] | None = None
    affixes: CaptionAffixes = NO_AFFIXES
    options: CaptionOptions | None = None

    def is_persons(self, text: str) -> bool:
        """Whether a person wrote or changed a caption."""
        if self.machine is None or not text.strip():
            return False
        given = {exact_digest(text), exact_digest(self.affixes.remove(text))}
        return not given & self.machine

    def asked_as_before(self, choices: CheckOptions) -> CheckOptions:
        """The options with the question and affixes, and at an API the model, of the captions' run.

        Each only where the options say nothing of it themselves.
        """
        default, former = CaptionOptions(source=""), self.options
        if former is None:
            return choices
        changes: dict[str, object] = {}
        if all(getattr(choices, name) == getattr(default, name) for name in _QUESTION):
            changes = {name: getattr(former, name) for name in _QUESTION}
        if not affixes_of(choices):
            changes |= {name: getattr(former, name) for name in _AFFIXES}
        if (choices.api_url or choices.endpoints) and choices.model is None:
            changes["model"] = former.model
        return replace(choices, **changes)  # type: ignore[arg-type]


def origin_of(dataset: str, fixed: Path) -> CaptionOrigin:
    """What the journals of `dataset`, and of what was fixed of it before, tell.

    Args:
        dataset: As its user named it.
        fixed: Where its fixed captions go.

    Raises:
        JournalError: a journal cannot be read.
    """
    if is_remote(dataset):
        return CaptionOrigin()
    try:
        place = known_output(dataset)
    except UsageError:  # several runs made captions of this folder
        return CaptionOrigin()
    journal = SideFiles(Path(str(place))).journal
    if not journal.exists():
        return CaptionOrigin()
    machine, again = machine_captions(journal), SideFiles(fixed).journal
    if again.exists():
        machine |= machine_captions(again)
    options = options_of_run(journal)
    affixes = NO_AFFIXES if options is None else affixes_of(options)
    return CaptionOrigin(frozenset(machine), affixes, options)


class PersonsCaptions:
    """Leaves captions that people wrote as they are.

    Args:
        origin: Of the dataset's captions.
        is_kept: Whether they are left at all.
    """

    def __init__(self, origin: CaptionOrigin, *, is_kept: bool) -> None:
        self._origin = origin
        self._is_kept = is_kept
        self._left: set[CaptionPosition] = set()

    def leaves(self, fault: Fault) -> bool:
        """Whether the caption of `fault` is not asked for again."""
        if not self._is_kept or not self._origin.is_persons(fault.caption.text):
            return False
        self._left.add(position_of(fault))
        return True

    def report(self, reporter: Reporter) -> None:
        """Say how many captions were left."""
        if self._left:
            reporter.say(
                f"{len(self._left):,} captions with a fault were written by people and stay as "
                "they are; --fix-edits asks for them, too",
                is_warning=True,
            )


def position_of(fault: Fault) -> CaptionPosition:
    """Where the caption of `fault` stands."""
    caption = fault.caption
    return CaptionPosition(caption.row, caption.column, caption.number)
