"""A journal on a disk of this machine, for an output on a network disk.

The run writes it as fast as any, and a copy of it beside the output is renewed every minute and at
the end. Another machine goes on from the copy, so that what it may ask twice is what was answered
since. Where both went on apart, their answers are united.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from hashlib import blake2b
from pathlib import Path

from dataflow.core.database import sqlite
from dataflow.core.errors import DataflowError, JournalError, UsageError
from dataflow.engine.journal.database import guarded, set_aside
from dataflow.engine.journal.journal import Journal
from dataflow.engine.paths import make_folder
from dataflow.engine.shards.unite import unite_answers, unite_decisions
from dataflow.remote.mounts import network_disk_of

COPY_SECONDS = 60.0
"""Between two copies."""

FIRST_COPY_SECONDS = 1.0
"""Before the first one, by which others see that the run has begun."""

MOST_SHARE = 0.05
"""Copying takes at most this share of the time: a large journal is copied less often."""

_SIDE_FILES = ("-wal", "-journal")

_log = logging.getLogger("dataflow")


def check_folder(folder: Path) -> None:
    """Make sure that a folder for journals is of use.

    Raises:
        UsageError: it lies on a network disk itself.
    """
    if (disk := network_disk_of(folder)) is not None:
        raise UsageError(
            f"--journal {folder} lies on a network disk ({disk}); give a folder on a disk of this "
            "machine"
        )


@contextlib.contextmanager
def local_journal(
    copy: Path, folder: Path | None, check: Callable[[], None], *, restart: bool = False
) -> Iterator[Path]:
    """Where a run keeps its journal; the lock of the output is held meanwhile.

    Args:
        copy: Its place beside the output.
        folder: The folder of this machine; None to keep the journal beside the output.
        check: Raises where another run has the output by now.
        restart: Whether a journal that is there is set aside.

    Yields:
        The journal's path.

    Raises:
        JournalError: a journal cannot be read or written.
    """
    path = copy if folder is None else local_path(copy, folder)
    for old in {copy, path} if restart else ():
        if old.exists():
            _log.warning("the former journal is kept as %s", set_aside(old))
    if folder is None:
        yield copy
        return
    local = LocalJournal(copy, path, check)
    try:
        local.fetch()
    except (OSError, sqlite3.Error) as error:
        raise JournalError(
            f"cannot copy the journal {copy} to {path}: {error}; free disk space, or choose "
            "another folder with --journal"
        ) from error
    over = threading.Event()
    thread = threading.Thread(
        target=local.keep_saving, args=(over,), name="dataflow-journal-copy", daemon=True
    )
    thread.start()
    try:
        yield path
    finally:
        over.set()
        thread.join()
        local.save_or_say()


def local_path(copy: Path, folder: Path) -> Path:
    """Where in `folder` the journal lies whose copy is at `copy`."""
    digest = blake2b(os.fsencode(os.path.realpath(copy)), digest_size=8).hexdigest()
    return folder / f"{copy.parent.name}-{digest}" / copy.name


class LocalJournal:
    """A journal of this machine and its copy; see `local_journal`.

    Args:
        copy: The copy's path.
        path: The journal's path.
        check: Raises where another run has the output by now.
    """

    def __init__(self, copy: Path, path: Path, check: Callable[[], None]) -> None:
        self.copy, self.path = copy, path
        self._check = check
        self._note = path.with_name("copied")

    def fetch(self) -> None:
        """Let the journal of this machine hold all that it and the copy know.

        Raises:
            JournalError: one of them cannot be read.
            OSError: this machine's folder cannot be written.
            sqlite3.Error: likewise.
        """
        make_folder(self.path.parent)
        stamp = _stamp(self.copy)
        if stamp is None or (self.path.exists() and self._noted() == stamp):
            return  # nobody went on from the copy: what is here is the newest
        Journal(self.copy, is_run=False).close()  # saves what can be read of a damaged one
        former = set_aside(self.path) if self.path.exists() else None
        part = self.path.with_name(self.path.name + ".part")
        _back_up(self.copy, part)
        part.rename(self.path)
        if former is not None:
            Journal(former, is_run=False).close()
            _log.warning(
                "another machine went on from %s: the answers that this one has besides, in %s, "
                "are taken in",
                self.copy, former,
            )  # fmt: skip
            with closing(Journal(self.path)) as journal:
                run = journal.run
            with _attached(self.path, former) as db:
                unite_answers(db, run)
                unite_decisions(db)
        self._note.write_text(_stamp(self.copy) or "", encoding="ascii")

    def save(self) -> None:
        """Renew the copy; what people decided in it meanwhile is taken in before.

        Raises:
            DataflowError: another run has the output, or the journal cannot be read.
            OSError: the copy cannot be written.
            sqlite3.Error: likewise.
        """
        self._check()
        if not self.path.exists():
            return
        if (stamp := _stamp(self.copy)) is not None and stamp != self._noted():
            with _attached(self.path, self.copy) as db:
                unite_decisions(db)
        snapshot = self.path.with_name("snapshot.sqlite")
        _back_up(self.path, snapshot)
        if any(self.copy.with_name(self.copy.name + one).exists() for one in _SIDE_FILES):
            _back_up(snapshot, self.copy, keeps_file=True)  # another program has it open
        else:
            self._replace_copy(snapshot)
        snapshot.unlink()
        self._note.write_text(_stamp(self.copy) or "", encoding="ascii")

    def _replace_copy(self, snapshot: Path) -> None:
        make_folder(self.copy.parent)
        part = self.copy.with_name(self.copy.name + ".part")
        try:
            with open(snapshot, "rb") as source, open(part, "wb") as file:
                shutil.copyfileobj(source, file, 1 << 20)
                file.flush()
                os.fsync(file.fileno())
            self._check()
            part.replace(self.copy)
        finally:
            part.unlink(missing_ok=True)

    def save_or_say(self) -> None:
        """Renew the copy; where that fails, say so: the journal of this machine has everything."""
        try:
            self.save()
        except (DataflowError, OSError, sqlite3.Error) as error:
            _log.warning(
                "the copy of the journal at %s cannot be renewed: %s; every answer is in %s, from "
                "which the same command on this machine goes on",
                self.copy, error, self.path,
            )  # fmt: skip

    def keep_saving(self, over: threading.Event) -> None:
        """Renew the copy from time to time, until `over` is set."""
        seconds = FIRST_COPY_SECONDS
        while not over.wait(seconds):
            began = time.monotonic()
            self.save_or_say()
            seconds = max(COPY_SECONDS, (time.monotonic() - began) / MOST_SHARE)

    def _noted(self) -> str | None:
        try:
            return self._note.read_text(encoding="ascii")
        except (OSError, UnicodeDecodeError):
            return None


def _stamp(path: Path) -> str | None:
    """What tells a copy that somebody wrote; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    log = path.with_name(path.name + "-wal")
    written = log.stat() if log.exists() else None
    more = f" {written.st_size} {written.st_mtime_ns}" if written and written.st_size else ""
    return f"{found.st_size} {found.st_mtime_ns}{more}"


def _back_up(source: Path, target: Path, *, keeps_file: bool = False) -> None:
    """Copy a journal as it is at one moment, also while it is written."""
    if not keeps_file:
        target.unlink(missing_ok=True)
    with closing(sqlite.connect(str(source))) as theirs, closing(sqlite.connect(str(target))) as db:
        theirs.backup(db)
        if not keeps_file:
            db.execute("PRAGMA journal_mode = DELETE")  # one file, and none beside it


@contextlib.contextmanager
def _attached(ours: Path, theirs: Path) -> Iterator[sqlite3.Connection]:
    """The journal `ours` with `theirs` attached as ``shard``, in one transaction."""
    with closing(sqlite.connect(str(ours))) as db, guarded(db, ours):
        db.execute("ATTACH ? AS shard", (str(theirs),))
        yield db
        db.commit()
        db.execute("DETACH shard")
