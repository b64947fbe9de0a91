"""Learn a fault kind of one's own: two files of captions in, a file for ``--check`` out."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from dataflow.app.options.commands.check import CheckOptions
from dataflow.app.quality.check import opened
from dataflow.app.reporter import SILENT, Reporter
from dataflow.checks.model.learned import LearnedCheck, learn
from dataflow.checks.suite import KINDS
from dataflow.core.errors import OutputError, UsageError
from dataflow.core.text import path_text

ENDING = ".check.json"


@dataclass(frozen=True, slots=True)
class LearnResult:
    """What was learned.

    Attributes:
        check: The check.
        path: The file that holds it.
    """

    check: LearnedCheck
    path: Path


def learn_kind(options: CheckOptions, reporter: Reporter = SILENT) -> LearnResult:
    """Learn from the captions of ``options.learn`` and ``options.output``, and write the file.

    Args:
        options: The two files; what else is in it says how they are read.
        reporter: Who shows how accurate it is.

    Raises:
        UsageError: The files cannot be read, or there is too little to learn from.
        OutputError: The file cannot be written.
    """
    if options.fix or options.learn is None:
        raise UsageError("--learn checks no dataset and changes none: leave --fix out")
    faulty = Path(options.learn)
    kind = re.sub(r"[^a-z0-9]+", "_", faulty.name.partition(".")[0].lower()).strip("_")
    if kind in KINDS:
        raise UsageError(f"there is a check {kind!r} already: call {path_text(faulty)} otherwise")
    check = learn(
        kind,
        _captions(replace(options, output=options.learn)),
        _captions(options),
    )
    target = faulty.with_name(f"{kind}{ENDING}")
    try:
        check.save(target)
    except OSError as error:
        reason = (error.strerror or "it cannot be written").lower()
        raise OutputError(f"{path_text(target)}: {reason}") from error
    found, faults, false, sound = check.accuracy
    reporter.say(
        f"{kind}: by cross-validation it finds {found} of {faults} faulty captions, with {false} "
        f"false alarms in {sound} sound ones. It is in {path_text(target)}: give that to --check "
        "of dataflow caption or dataflow check.",
    )
    return LearnResult(check, target)


def _captions(options: CheckOptions) -> list[str]:
    """The captions of ``options.output``: lines of a text file, or those of a dataset."""
    path = Path(options.output)
    if path.suffix == ".txt":
        try:
            lines = path.read_text("utf-8-sig").splitlines()
        except OSError as error:
            reason = (error.strerror or "it cannot be read").lower()
            raise UsageError(f"{path_text(path)}: {reason}") from error
        except UnicodeDecodeError as error:
            raise UsageError(f"{path_text(path)} is not in UTF-8: save it so") from error
        return [line.strip() for line in lines if line.strip()]
    data = opened(options)
    return [
        found.text
        for row in data.reader.rows()
        for column in data.columns
        for found in data.of(row, column)
        if found.text.strip()
    ]
