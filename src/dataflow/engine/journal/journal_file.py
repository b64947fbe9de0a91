"""The journal's file: one connection, one thread that writes, and a file that stays in place."""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TypeVar

from dataflow.core.aio import DaemonExecutor
from dataflow.engine.journal.database import guarded, open_database, reopen, save_again

T = TypeVar("T")
_log = logging.getLogger("dataflow")


class JournalFile:
    """An open journal's file.

    Args:
        path: The file, or None for one in memory only.
        durable: Whether each commit waits for the disk.

    Attributes:
        path: As given.
        before_commit: Called before each commit; what it raises keeps the commit from being made.

    Raises:
        JournalError: the file cannot be opened or written.
    """

    def __init__(self, path: Path | None, *, durable: bool = False) -> None:
        self.path = path
        self._durable = durable
        self._db = open_database(path, fsync=durable)
        self._inode = _inode_of(path)
        self._thread = DaemonExecutor("dataflow-journal")
        self._closed = False
        self.before_commit: Callable[[], None] = _nothing
        self._follows = False
        """Whether a file that takes the place of this one is the journal from then on."""

    def _do(self, step: Callable[[], T]) -> T:
        """`step()` in the journal's own thread, in one transaction."""

        def once() -> T:
            with self._guarded():
                self._keep_in_place()
                done = step()
                self._db.commit()
                return done

        return self._thread.submit(once).result()

    def _save_rest(self) -> None:
        """Commit what found no space before; nothing here."""

    def _keep_in_place(self) -> None:
        """Write the journal anew where its file was removed, moved or replaced.

        Raises:
            OSError: that cannot be done.
            OutputError: a run on another machine took the output over.
        """
        self.before_commit()
        if self.path is None or self._inode is None or _inode_of(self.path) == self._inode:
            return
        if self._follows and _inode_of(self.path) is not None:
            self._db.close()
            self._db = reopen(self.path, fsync=self._durable)
            self._inode = _inode_of(self.path)
            return
        _log.warning(
            "the journal %s was removed or replaced while the run goes: it is written again",
            self.path,
        )
        save_again(self._db, self.path)
        self._db = reopen(self.path, fsync=self._durable)
        self._inode = _inode_of(self.path)

    def close(self) -> None:
        """Commit what waits and let go of the file; may be called twice.

        Raises:
            JournalError: answers that found no space on the disk before find none now either.
        """
        if self._closed:
            return
        self._closed = True
        self._thread.shutdown(wait=True)
        try:
            with self._guarded():
                self._keep_in_place()
            self._save_rest()
        finally:
            with contextlib.suppress(sqlite3.Error):
                self._db.close()

    def _guarded(self) -> AbstractContextManager[None]:
        return guarded(self._db, self.path)


def _nothing() -> None:
    """Nothing stands in the way of a commit."""


def _inode_of(path: Path | None) -> tuple[int, int] | None:
    """What tells the file at `path` from any other; None where there is none."""
    if path is None:
        return None
    try:
        found = os.stat(path)  # noqa: PTH116 - at each commit: no object more than needed
    except OSError:
        return None
    return found.st_dev, found.st_ino
