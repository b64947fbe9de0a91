"""Reading a journal without changing anything, in it or beside it, also while a run writes it."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dataflow.core.database.sqlite import connect, select_in
from dataflow.core.errors import JournalError
from dataflow.engine.journal.records import is_settled

_COLUMNS = "key, caption IS NOT NULL, prompt_tokens, completion_tokens, max(asks, 1)"


@dataclass(frozen=True, slots=True)
class AnsweredRequest:
    """A request that needs no asking any more.

    Attributes:
        has_caption: Otherwise it failed for good.
        prompt_tokens: As the server counted them, or None.
        completion_tokens: As the server counted them, or None.
        asks: Answers for which these tokens are; at least 1.
    """

    has_caption: bool
    prompt_tokens: int | None
    completion_tokens: int | None
    asks: int = 1


@dataclass(frozen=True, slots=True)
class EarlierAnswer:
    """A text that a model gave for a request, whatever became of it.

    Attributes:
        text: The text as it came.
        model: The model's name; empty where it is not known.
        answered_at: In seconds since 1970.
        kind: What a check found; empty for nothing.
        reason: Why, in words; empty for nothing.
    """

    text: str
    model: str
    answered_at: float
    kind: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class NewResult:
    """A result that the journal has had for a short time.

    Attributes:
        key: The request's key.
        caption: The caption; None where there is only an error.
        error_kind: The kind of the error, or of what a check found; empty for none.
        error: The error in words; empty for none.
        model: The model's name.
        committed_at: In seconds since 1970.
    """

    key: bytes
    caption: str | None
    error_kind: str
    error: str
    model: str
    committed_at: float


class JournalView:
    """What a journal knows; nothing, where there is none.

    Args:
        path: The journal's file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def answered(
        self, keys: Sequence[bytes], *, retry_failed: bool = False
    ) -> dict[bytes, AnsweredRequest]:
        """Those of `keys` that need no asking.

        Args:
            keys: Of requests.
            retry_failed: Whether what failed for good, or was flagged, is to be asked again.

        Raises:
            JournalError: the file cannot be read, or is no journal.
        """
        if not keys:
            return {}
        settled = is_settled(retry_failed=retry_failed, check_fingerprint=0)
        sql = f"SELECT {_COLUMNS} FROM results WHERE key IN (*) AND {settled}"  # noqa: S608
        found = self._read(lambda db: list(select_in(db, sql, keys)))
        return {key: AnsweredRequest(bool(has), *rest) for key, has, *rest in found}

    def new_results(self, since: float) -> list[NewResult]:
        """The results that were committed at `since`, in seconds since 1970, or later.

        Raises:
            JournalError: the file cannot be read, or is no journal.
        """
        sql = (
            "SELECT key, caption, ifnull(error_kind, ''), ifnull(error, ''), model, committed_at"
            " FROM results WHERE committed_at >= ? ORDER BY committed_at"
        )
        return [NewResult(*values) for values in self._rows(sql, (since,))]

    def planned_captions(self) -> list[tuple[int, int, bytes]]:
        """Row, index in the row, and request key of each caption of the latest run, in order.

        Raises:
            JournalError: the file cannot be read, or is no journal.
        """
        return self._rows(
            "SELECT row, caption_index, key FROM plan ORDER BY row, caption_index", ()
        )

    def is_running(self) -> bool:
        """Whether the latest run has not noted its end: it goes, or was killed.

        Raises:
            JournalError: the file cannot be read, or is no journal.
        """
        found = self._rows("SELECT ended IS NULL FROM runs ORDER BY run DESC LIMIT 1", ())
        return bool(found and found[0][0])

    def earlier_answers(self, key: bytes) -> list[EarlierAnswer]:
        """The answers to a request that were turned down or replaced, the oldest first.

        Raises:
            JournalError: the file cannot be read, or is no journal.
        """
        sql = (
            "SELECT text, model, committed_at, ifnull(kind, ''), ifnull(reason, '') FROM attempts"
            " WHERE key = ?1 UNION ALL SELECT caption, model, committed_at, '', ''"
            " FROM former_results WHERE key = ?1 ORDER BY committed_at"
        )
        return [EarlierAnswer(*values) for values in self._rows(sql, (key,))]

    def _rows(self, sql: str, values: Sequence[object]) -> list[Any]:
        def query(db: sqlite3.Connection) -> list[Any]:
            if not db.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone():
                return []  # it is being made
            return db.execute(sql, values).fetchall()

        return self._read(query)

    def _read(self, query: Callable[[sqlite3.Connection], list[Any]]) -> list[Any]:
        if not self._path.exists():
            return []
        try:
            with closing(open_read_only(self._path)) as db:
                return query(db)
        except sqlite3.Error as error:
            raise unreadable(self._path, error) from error


def unreadable(path: Path, error: Exception) -> JournalError:
    """The error for a journal that cannot be read."""
    return JournalError(
        f"the journal {path} cannot be read: {error}; the next run saves what can be read of it, "
        "and sets the file aside"
    )


def open_read_only(path: Path) -> sqlite3.Connection:
    """The journal at `path`, for reading only; whoever writes it is not held up.

    SQLite makes files beside a database that it only reads, too. Where the journal belongs to
    somebody else, these would keep its owner out: then a copy is read.

    Raises:
        sqlite3.Error: it cannot be opened.
    """
    log = path.with_name(path.name + "-wal")
    if (
        not log.exists()
    ):  # no process writes; SQLite would make files of its own beside it otherwise
        return connect(f"{path.absolute().as_uri()}?immutable=1", uri=True)
    if os.access(path, os.W_OK):
        return connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    return _copy_of(path, log)


def _copy_of(path: Path, log: Path) -> sqlite3.Connection:
    """The journal as it was a moment ago, in memory."""
    memory = connect(":memory:")
    with tempfile.TemporaryDirectory(prefix="dataflow-") as folder:
        copy = Path(folder, "journal.sqlite")
        try:
            shutil.copyfile(path, copy)
            shutil.copyfile(log, copy.with_name(copy.name + "-wal"))
        except OSError as error:
            raise sqlite3.OperationalError(f"cannot be copied: {error.strerror}") from error
        with closing(connect(str(copy))) as db:
            db.backup(memory)
    return memory
