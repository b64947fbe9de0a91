"""Reading a journal without changing anything, in it or beside it, also while a run writes it."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

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
        if not keys or not self._path.exists():
            return {}
        settled = is_settled(retry_failed=retry_failed, check_fingerprint=0)
        try:
            with closing(open_read_only(self._path)) as db:
                sql = f"SELECT {_COLUMNS} FROM results WHERE key IN (*) AND {settled}"  # noqa: S608
                return {
                    key: AnsweredRequest(bool(has), *rest)
                    for key, has, *rest in select_in(db, sql, keys)
                }
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
