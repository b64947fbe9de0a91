"""Opening the journal's file: made where it is missing, mended where it is damaged."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

from dataflow.core.database import sqlite
from dataflow.core.errors import JournalError
from dataflow.core.side_files import refuse_link
from dataflow.engine.journal import schema
from dataflow.engine.journal.salvage import salvage
from dataflow.engine.paths import free_name, make_folder
from dataflow.remote.mounts import network_disk_of

_SIDE_FILES = ("-wal", "-shm", "-journal")
_FILE_VERSIONS = {1, 2}
"""Bytes 18 and 19 of a SQLite file that can be written (https://sqlite.org/fileformat.html)."""

_TRANSIENT = re.compile(
    r"locked|busy|unable to open|disk i/o|out of memory|readonly|read-only|is full", re.IGNORECASE
)
"""What SQLite says where not the file is at fault but the moment, the rights or the machine."""

_log = logging.getLogger("dataflow")


def open_database(path: Path | None, *, fsync: bool) -> sqlite3.Connection:
    """Open or make the journal at `path`; in memory where it is None.

    A file that is damaged is set aside under a new name beside it, and what reads of it goes into a
    new one; both are said before anything is spent. One of another program, or of a later layout,
    is set aside, too. Nothing is deleted.

    Raises:
        JournalError: the folder or the file cannot be written, or is a link.
    """
    if path is None:
        return _prepare(sqlite.connect(":memory:"), fsync=False, disk=None)
    try:
        make_folder(path.parent)
        for ending in ("", *_SIDE_FILES):
            refuse_link(path.with_name(path.name + ending))
        if path.exists() and not os.access(path, os.W_OK):
            raise JournalError(
                f"the journal {path} belongs to {_owner(path)}, and you may not write it; ask for "
                "the right to, or choose another output"
            )
        if (disk := network_disk_of(path)) is not None:
            _log.warning(
                "the journal %s lies on a network disk (%s): it is written without a write-ahead "
                "log, which is slower, and by one machine at a time; --journal FOLDER keeps it on "
                "a disk of this machine, and a copy there",
                path,
                disk,
            )
        if not path.exists():
            _make(path)
        reason = _damage(path)
        if reason:
            return _replaced(path, reason, fsync=fsync)
        is_empty = _is_empty(path)
        db = _prepare(sqlite.connect(str(path)), fsync=fsync, disk=disk)
        if is_empty:
            _note_loss(db, "was an empty file")
            _log.warning("the journal %s is an empty file: it holds no answer", path)
        return db
    except (OSError, sqlite3.Error) as error:
        raise JournalError(
            f"cannot open the journal {path}: {error}; choose an output in a folder that can be "
            "written, on a disk with space"
        ) from error


def _make(path: Path) -> None:
    """Make a journal with its tables at once, so that an empty file is one that was emptied.

    Raises:
        OSError: the folder cannot be written.
        sqlite3.Error: likewise.
    """
    if any(path.with_name(path.name + ending).exists() for ending in _SIDE_FILES):
        return  # a file was there; SQLite knows best what can be had of the others
    part = path.with_name(path.name + ".part")
    for ending in ("", *_SIDE_FILES):
        part.with_name(part.name + ending).unlink(missing_ok=True)
    db = sqlite.connect(str(part))
    try:
        schema.create(db)
    finally:
        db.close()
    with contextlib.suppress(FileExistsError):  # another process was faster
        try:
            os.link(part, path)
        except FileExistsError:
            raise
        except OSError:  # a file system without hard links
            part.rename(path)
    part.unlink(missing_ok=True)


def _is_empty(path: Path) -> bool:
    """Whether there is a file without a byte, and none beside it that may hold answers."""
    log = path.with_name(path.name + "-wal")
    return path.is_file() and not path.stat().st_size and not log.exists()


@contextlib.contextmanager
def guarded(db: sqlite3.Connection, path: Path | None) -> Iterator[None]:
    """Turn SQLite's errors into ours, with the file's name; a half-done write is rolled back.

    Raises:
        JournalError: the file cannot be read or written.
    """
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        with contextlib.suppress(sqlite3.Error):
            if db.in_transaction:
                db.rollback()
        raise JournalError(
            f"the journal {path} cannot be read or written: {error}; free disk space, or where the "
            "file is damaged run the same command again, which saves what can be read of it"
        ) from error


def set_aside(path: Path) -> Path:
    """Rename the journal, with its write-ahead files, to a free name beside it; returns that."""
    aside = free_name(path)
    for ending in (*_SIDE_FILES, ""):
        part = path.with_name(path.name + ending)
        if part.exists():
            part.rename(aside.with_name(aside.name + ending))
    return aside


def save_again(db: sqlite3.Connection, path: Path) -> None:
    """Write the journal that is open as `db` to `path` again, where it is no longer.

    A file that took its place is kept under a free name. `db` is closed.

    Raises:
        OSError: the folder cannot be written.
        sqlite3.Error: the same, or what is open cannot be read any more.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    copy = sqlite.connect(str(part))
    try:
        db.backup(copy)
    finally:
        copy.close()
    # closing removes the names of its write-ahead files, so the new file must not have its own yet
    db.close()
    if path.exists():
        _log.warning("another file took the place of the journal %s: kept as %s",
                     path, set_aside(path))  # fmt: skip
    part.rename(path)


def reopen(path: Path, *, fsync: bool) -> sqlite3.Connection:
    """Open a journal that this process wrote itself."""
    return _prepare(sqlite.connect(str(path)), fsync=fsync, disk=network_disk_of(path))


def _prepare(db: sqlite3.Connection, *, fsync: bool, disk: str | None) -> sqlite3.Connection:
    try:
        if disk is None:
            sqlite.write_ahead(db, fsync=fsync)
        else:
            sqlite.exclusive(db)
        if not sqlite.tables(db):
            schema.create(db)
        schema.migrate(db)
    except BaseException:
        db.close()
        raise
    return db


def _replaced(path: Path, reason: str, *, fsync: bool) -> sqlite3.Connection:
    """Set the file aside and begin a new one with what can be read of it."""
    aside = set_aside(path)
    db = _prepare(sqlite.connect(str(path)), fsync=fsync, disk=network_disk_of(path))
    saved = salvage(aside, db)
    kept = f"{saved:,} answers could be read and are kept" if saved else "no answer could be read"
    _note_loss(db, f"{reason}, and {kept}; the damaged file is {aside}")
    _log.warning("the journal %s %s: %s; the file is kept as %s", path, reason, kept, aside)
    return db


def _note_loss(db: sqlite3.Connection, what: str) -> None:
    """Keep that answers may be missing which were paid for, and why.

    Args:
        db: The file that took the journal's place.
        what: A clause that has the journal as its subject.
    """
    db.execute("INSERT INTO losses (what, noted) VALUES (?, ?)", (what, time.time()))
    db.commit()


def latest_loss(db: sqlite3.Connection) -> str | None:
    """Why answers may be missing; None where none are, or where that was accepted."""
    found = db.execute(
        "SELECT what FROM losses WHERE accepted IS NULL ORDER BY number DESC LIMIT 1"
    ).fetchone()
    return None if found is None else str(found[0])


def accept_loss(db: sqlite3.Connection) -> None:
    """What is missing may be asked for again from now on; the caller commits."""
    db.execute("UPDATE losses SET accepted = ? WHERE accepted IS NULL", (time.time(),))


def _owner(path: Path) -> str:
    try:
        return path.owner()
    except (KeyError, OSError):
        return "another user"


def _damage(path: Path) -> str | None:
    """Why the file at `path` cannot be used as it is, or None."""
    with open(path, "rb") as file:
        head = file.read(20)
    if not head and not path.with_name(path.name + "-wal").exists():
        return None
    if head and not set(head[18:20]) <= _FILE_VERSIONS:
        return "is damaged (its header)"  # SQLite would open it for reading only
    db = sqlite.connect(str(path))
    try:
        verdict = db.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if verdict != "ok":
            return f"is damaged ({_one_line(verdict)})"
        return schema.mismatch(db)
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # the latter in SQLite's messages
        if isinstance(error, sqlite3.OperationalError) and _TRANSIENT.search(str(error)):
            raise  # the file may be whole: nothing is set aside, nothing asked again
        return f"is damaged ({_one_line(str(error))})"
    finally:
        db.close()


def _one_line(text: str) -> str:
    return " ".join(text.replace("*** in database main ***", "").split())
