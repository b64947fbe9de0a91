"""One run per output: a second one hears who holds the lock.

The lock is the operating system's, so it ends with its process, however that ends. On a
network disk, where another host may not see it, the file also holds a lease (see `lease`), which
its holder renews. A run that finds another one's lease in its lock file has lost the lock, and
stops before it writes anything more.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from dataflow.core.errors import OutputError
from dataflow.core.portable.file_flags import BYTES, NO_LINK, NOT_INHERITED
from dataflow.core.portable.file_lock import try_lock, write_all
from dataflow.core.portable.files import is_windows
from dataflow.core.side_files import FOLDER_ENDING
from dataflow.engine.locks.lease import (
    LEASE_SECONDS,
    LOOK_SECONDS,
    NO_LOCKS,
    Lease,
    lock_text,
    machine_of,
    parse_lease,
    read_lease,
)
from dataflow.engine.paths import make_folder
from dataflow.remote.mounts import network_disk_of

RENEW_SECONDS = 10.0
"""Between two renewals."""

SETTLE_SECONDS = 2.0
"""On a network disk, after a lock is taken: another machine may take it at the same moment."""

_TRIES = 5  # whoever only looks at the lock holds it for an instant
_PAUSE = 0.02

_log = logging.getLogger("dataflow")


class RunLock:
    """Holds an output's lock until `release` or until the process ends, however it ends.

    Args:
        path: The lock file; it is made where it is missing and goes with `release`.
        host: This machine's name; None to ask it.
        machine: See `Lease`; None to ask the system.
        clock: Seconds since 1970.
        pause: Waits for so many seconds.
        stop: Asked while another machine's lease is watched; where it says so, the wait ends.

    Raises:
        OutputError: another process holds it, or the folder cannot be written.
        KeyboardInterrupt: `stop` said so.
    """

    def __init__(
        self,
        path: Path,
        *,
        host: str | None = None,
        machine: str | None = None,
        clock: Callable[[], float] = time.time,
        pause: Callable[[float], None] = time.sleep,
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        self._path = path
        self._host = host or socket.gethostname()
        self._machine = machine
        self._clock, self._pause, self._stop = clock, pause, stop
        self._file: int | None = None
        self._over = threading.Event()
        self._token = secrets.token_hex(8)
        self._renewed_at = clock()
        self._taken_by: str | None = None
        self._disk = network_disk_of(path)
        try:
            make_folder(path.parent)
            while self._file is None:
                self._file = self._take()
            self._write_lease()
            if self._disk is not None:
                self._settle()
        except OSError as error:
            self.release()
            raise OutputError(
                f"cannot write beside the output ({path}): {error.strerror}; choose an output in "
                "a folder that can be written, on a disk with space"
            ) from error
        except BaseException:
            self.release()
            raise
        if self._disk is not None:
            threading.Thread(target=self._renewals, name="dataflow-lease", daemon=True).start()

    def _take(self) -> int | None:
        """The locked file; None where its holder has just let it go and removed it."""
        flags = os.O_RDWR | os.O_CREAT | NOT_INHERITED | NO_LINK | BYTES
        file = os.open(self._path, flags, 0o666)
        try:
            has_locks = self._lock(file)
            self._machine = self._machine or machine_of(file)
            self._await_stale(file, has_locks=has_locks)
            is_ours = os.path.samestat(os.fstat(file), self._path.stat())
        except FileNotFoundError:
            is_ours = False
        except BaseException:
            os.close(file)
            raise
        if not is_ours:
            os.close(file)
            return None
        return file

    def _lock(self, file: int) -> bool:
        """Lock the file; returns whether its file system has locks, which on a network disk may be.

        Raises:
            OutputError: another process has locked it.
            OSError: a disk of this machine has no locks.
        """
        for _ in range(_TRIES):
            try:
                if try_lock(file):
                    return True
            except OSError as error:
                if self._disk is None or error.errno not in NO_LOCKS:
                    raise
                return False
            time.sleep(_PAUSE)
        raise self._taken(str(read_lease(file) or "another run"))

    def _await_stale(self, file: int, *, has_locks: bool) -> None:
        """Watch a lease that another machine left, until it is renewed, released or stale.

        Raises:
            OutputError: it is renewed.
        """
        lease = read_lease(file)
        if lease is None or self._disk is None:
            return
        if has_locks and lease.is_of(self._host, self._machine or ""):
            return
        former = lock_text(self._path)
        _log.warning(
            "%s left the lock %s, on a network disk (%s): whether it still runs shows within %.0f "
            "seconds",
            lease, self._path, self._disk, LEASE_SECONDS,
        )  # fmt: skip
        for _ in range(round(LEASE_SECONDS / LOOK_SECONDS)):
            if self._stop():
                raise KeyboardInterrupt
            self._pause(LOOK_SECONDS)
            text = lock_text(self._path)
            if text is None:
                raise FileNotFoundError(self._path)  # released
            if text != former:
                raise self._taken(str(parse_lease(text) or lease))

    def _taken(self, holder: str) -> OutputError:
        return OutputError(
            f"{holder} is writing this output (lock {self._path}); wait for it, stop it, or choose "
            "another output"
        )

    def _settle(self) -> None:
        """Make sure that no other machine took the lock at the same moment.

        Raises:
            OutputError: one did, a moment later.
        """
        self._pause(SETTLE_SECONDS)
        if (other := self._other()) is not None:
            self._taken_by = str(other)
            raise self._taken(str(other))

    def _other(self) -> Lease | None:
        """The lease of another run that stands in the lock file; None where it is ours or gone."""
        lease = parse_lease(lock_text(self._path) or b"")
        return lease if lease is not None and lease.token != self._token else None

    def renew(self) -> None:
        """Write into the file that the lock is held at this moment, unless another run took it.

        Raises:
            OSError: the disk does not take it.
        """
        if self._disk is not None and (other := self._other()) is not None:
            self._taken_by = str(other)
            return
        self._write_lease()

    def _write_lease(self) -> None:
        assert self._file is not None  # noqa: S101 (for the type checker)
        lease = Lease(self._host, os.getpid(), self._clock(), self._machine or "", self._token)
        write_all(self._file, json.dumps(asdict(lease)).encode() + b"\n")
        if self._disk is not None:
            os.fsync(self._file)  # an NFS client keeps what is written to itself for a while
        self._renewed_at = lease.renewed

    def check(self) -> None:
        """Make sure that the lock is still ours; to be called before anything is written.

        Raises:
            OutputError: a run on another machine took it over, since this one did not renew it.
        """
        if self._disk is None:
            return
        # the machine slept, or this process was stopped; by a clock that goes on meanwhile
        if not 0 <= self._clock() - self._renewed_at <= LEASE_SECONDS / 2:
            with contextlib.suppress(OSError):
                self.renew()
        if self._taken_by is not None:
            raise OutputError(
                f"{self._taken_by} is writing this output now (lock {self._path}), because this "
                f"run did not renew its lock for {LEASE_SECONDS:.0f} seconds; this run writes "
                "nothing more: run the same command again when the other run has ended"
            )

    def _renewals(self) -> None:
        while not self._over.wait(RENEW_SECONDS):
            with contextlib.suppress(OSError, AssertionError):  # a disk that is away comes back
                self.renew()

    def release(self) -> None:
        """Let go and remove the file; may be called twice."""
        self._over.set()
        if self._file is not None:
            file, self._file = self._file, None
            # removed while it is still held, so that no process holds a file that is gone; another
            # run's, that took its place after the folder was removed, stays
            with contextlib.suppress(OSError):
                is_ours = self._taken_by is None and (self._disk is None or not self._other())
                if is_ours and os.path.samestat(os.fstat(file), self._path.stat()):
                    self._path.unlink()
            os.close(file)
            if is_windows():  # which removes no file that is open, and none that another run opened
                with contextlib.suppress(OSError):
                    self._path.unlink()
        folder = self._path.parent
        if not any(one.name.endswith(FOLDER_ENDING) for one in (folder, *folder.parents[:2])):
            return
        with contextlib.suppress(OSError):  # they go where nothing but the lock was ever in them
            for one in (folder, *folder.parents[:2]):
                one.rmdir()
                if one.name.endswith(FOLDER_ENDING):
                    break
