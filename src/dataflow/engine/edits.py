"""The decisions of people about an output's captions, beside what the machine says."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from dataflow.core.errors import UsageError
from dataflow.engine.journal.database import guarded, open_database
from dataflow.engine.journal.decisions import Decision, DecisionKind, DecisionTable, text_digest
from dataflow.engine.journal.read_only import open_read_only, unreadable
from dataflow.engine.journal.result_table import sound_results
from dataflow.engine.journal.written_table import exact_digest, in_one_line
from dataflow.engine.paths import SideFiles, escaped_name, resolved_path
from dataflow.remote.path import AnyPath, RemotePath


@dataclass(frozen=True, slots=True)
class Edit:
    """A decision in force.

    Attributes:
        number: By which it is named, from 1; it stays while others come and go.
        kind: ``"edit"``, ``"accept"`` or ``"reject"``.
        column: The caption's column.
        picture: The row's picture, as it is named there.
        source: Where the row stood.
        text: What the person wrote; None where the kind is not ``"edit"``.
        machine: The machine's latest caption; None where there is none.
        author: Who decided.
        decided_at: When, in seconds since 1970.
        is_conflict: Whether the machine's caption is another one than the person saw.
    """

    number: int
    kind: DecisionKind
    column: str
    picture: str
    source: str
    text: str | None
    machine: str | None
    author: str
    decided_at: float
    is_conflict: bool


def edits_of(output: AnyPath) -> list[Edit]:
    """The decisions in force about the captions of `output`, the oldest first.

    Raises:
        UsageError: nothing was ever written or decided there.
        JournalError: the journal cannot be read.
    """
    path = _journal_of(output)
    try:
        with closing(open_read_only(path)) as db:
            return [_edit(db, number, decision) for number, decision in _numbered(db)]
    except sqlite3.Error as error:
        raise unreadable(path, error) from error


def in_force_of(journal: Path) -> dict[tuple[bytes, str], Decision]:
    """Request key and column → the decision in force.

    Raises:
        JournalError: the journal cannot be read.
    """
    try:
        with closing(open_read_only(journal)) as db:
            return dict(DecisionTable(db).latest())
    except sqlite3.Error as error:
        raise unreadable(journal, error) from error


def machine_captions(journal: Path) -> set[bytes]:
    """The `exact_digest` of every text that an engine gave, as it came and in one line.

    Raises:
        JournalError: the journal cannot be read.
    """
    texts = (
        "SELECT caption FROM results WHERE caption NOT NULL UNION "
        "SELECT caption FROM former_results UNION SELECT text FROM attempts"
    )
    try:
        with closing(open_read_only(journal)) as db:
            found = [text for (text,) in db.execute(texts)]
            given = {exact_digest(text) for text in found}
            given |= {exact_digest(in_one_line(text)) for text in found}
            return {digest for digest in given if digest is not None}
    except sqlite3.Error as error:
        raise unreadable(journal, error) from error


def restore(
    output: AnyPath, number: int, author: str, *, clock: Callable[[], float] = time.time
) -> Edit:
    """Take a decision back; the caption before it is in the next output.

    Args:
        output: The output.
        number: See `Edit.number`.
        author: Who takes it back.
        clock: Seconds since 1970.

    Returns:
        The decision.

    Raises:
        UsageError: there is no decision in force of that number.
        JournalError: the journal cannot be written.
    """
    path = _journal_of(output)
    with closing(open_database(path, fsync=True)) as db, guarded(db, path):
        found = dict(_numbered(db)).get(number)
        if found is None:
            raise UsageError(f"{output} has no edit {number}; dataflow edits {output} lists them")
        edit = _edit(db, number, found)
        undo = replace(found, kind="undo", text=None, author=author, decided_at=clock())
        DecisionTable(db).append([undo])
    return edit


def _journal_of(output: AnyPath) -> Path:
    here = resolved_path(escaped_name(output) if isinstance(output, RemotePath) else output)
    path = SideFiles(here).journal
    if not path.exists():
        raise UsageError(f"nothing was written or decided for {output}: there is no {path}")
    return path


def _numbered(db: sqlite3.Connection) -> list[tuple[int, Decision]]:
    """The decisions in force, each with its number among all."""
    table = DecisionTable(db)
    order = {decision: number for number, decision in enumerate(table.all(), 1)}
    found = [(order[decision], decision) for _, decision in table.latest()]
    return sorted(found, key=lambda pair: pair[0])


def _edit(db: sqlite3.Connection, number: int, decision: Decision) -> Edit:
    result = sound_results(db, [decision.key]).get(decision.key)
    machine = None if result is None else result.caption
    return Edit(
        number,
        decision.kind,
        decision.column,
        decision.picture,
        decision.source,
        decision.text,
        machine,
        decision.author,
        decision.decided_at,
        is_conflict=decision.seen_digest not in (None, text_digest(machine)),
    )
