"""One run per output: a second one hears who holds the lock.

The lock is the operating system's, so it ends with its process, however that ends. On a
network disk, where another host may not see it, the file also holds a lease: host, process and the
time at which the holder last renewed it.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from dataflow.core.errors import OutputError
from dataflow.core.portable.file_flags import BYTES, NO_LINK, NOT_INHERITED
from dataflow.core.portable.file_lock import is_locked, read_start, try_lock, write_all
from dataflow.core.portable.files import is_windows
from dataflow.core.side_files import FOLDER_ENDING
from dataflow.engine.paths import make_folder
from dataflow.remote.mounts import network_disk_of

LEASE_SECONDS = 120.0
"""A lease that was not renewed for so long is stale: its holder is dead, or cut off."""

RENEW_SECONDS = 20.0
"""Between two renewals."""

_TRIES = 5  # whoever only looks at the lock holds it for an instant
_PAUSE = 0.02


@dataclass(frozen=True, slots=True)
class Lease:
    """Who holds a lock.

    Attributes:
        host: The machine's name.
        process: The process's number there.
        renewed: When the holder last said so, in seconds since 1970.
    """

    host: str
    process: int
    renewed: float

    def __str__(self) -> str:
        return f"process {self.process} on {self.host}"

    def is_stale(self, now: float) -> bool:
        """Whether its holder has not renewed it in time."""
        return not -LEASE_SECONDS <= now - self.renewed <= LEASE_SECONDS


class RunLock:
    """Holds an output's lock until `release` or until the process ends, however it ends.

    Args:
        path: The lock file; it is made where it is missing and goes with `release`.
        host: This machine's name; None to ask it.
        clock: Seconds since 1970.

    Raises:
        OutputError: another process holds it, or the folder cannot be written.
    """

    def __init__(
        self, path: Path, *, host: str | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        self._path = path
        self._host = host or socket.gethostname()
        self._clock = clock
        self._file: int | None = None
        self._over = threading.Event()
        self._disk = network_disk_of(path)
        try:
            make_folder(path.parent)
            while self._file is None:
                self._file = self._take()
            self.renew()
        except OSError as error:
            self.release()
            raise OutputError(
                f"cannot write beside the output ({path}): {error.strerror}; choose an output in "
                "a folder that can be written, on a disk with space"
            ) from error
        if self._disk is not None:
            threading.Thread(target=self._renewals, name="dataflow-lease", daemon=True).start()

    def _take(self) -> int | None:
        """The locked file; None where its holder has just let it go and removed it."""
        flags = os.O_RDWR | os.O_CREAT | NOT_INHERITED | NO_LINK | BYTES
        file = os.open(self._path, flags, 0o666)
        try:
            self._lock(file)
            self._refuse_lease(file)
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

    def _lock(self, file: int) -> None:
        for _ in range(_TRIES):
            if try_lock(file):
                return
            time.sleep(_PAUSE)
        raise self._taken(str(_read(file) or "another run"))

    def _refuse_lease(self, file: int) -> None:
        """Refuse a lock that a run on another host holds, whose ``flock`` is not seen here."""
        lease = _read(file)
        if lease is None or lease.host == self._host or self._disk is None:
            return
        if not lease.is_stale(self._clock()):
            raise self._taken(str(lease))

    def _taken(self, holder: str) -> OutputError:
        return OutputError(
            f"{holder} is writing this output (lock {self._path}); wait for it, stop it, or choose "
            "another output"
        )

    def renew(self) -> None:
        """Write into the file that the lock is held at this moment."""
        assert self._file is not None  # noqa: S101 (for the type checker)
        text = json.dumps(asdict(Lease(self._host, os.getpid(), self._clock())))
        write_all(self._file, text.encode() + b"\n")

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
                if os.path.samestat(os.fstat(file), self._path.stat()):
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


def holder_of(path: Path) -> str | None:
    """Who holds the lock at `path`, for people; None for no holder.

    The lock itself tells: a process number may belong to another program by now. A lease of another
    host counts while it is renewed.
    """
    try:
        file = os.open(path, os.O_RDONLY | NOT_INHERITED | NO_LINK | BYTES)
    except OSError:
        return None
    try:
        lease = _read(file)
        if is_locked(file):
            return str(lease or "another run")
        if lease is None or lease.host == socket.gethostname() or lease.is_stale(time.time()):
            return None
        return str(lease) if network_disk_of(path) else None
    except OSError:
        return None
    finally:
        os.close(file)


def _read(file: int) -> Lease | None:
    """What the lock file says of its holder; None for nothing that makes sense."""
    try:
        value = json.loads(read_start(file, 4096))
        return Lease(str(value["host"]), int(value["process"]), float(value["renewed"]))
    except (OSError, ValueError, TypeError, KeyError):
        return None
