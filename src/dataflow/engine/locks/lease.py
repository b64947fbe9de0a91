"""Leases: how a run shows runs on other machines that it lives, and how they find out.

The clocks of two machines differ, so the age of a lease by its own words proves nothing. Whoever
wants a lock that another machine has left watches the file instead: a living holder changes it
every few seconds.
"""

from __future__ import annotations

import errno
import json
import os
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from dataflow.core.portable.file_flags import BYTES, NO_LINK, NOT_INHERITED
from dataflow.core.portable.file_lock import is_locked, read_start
from dataflow.remote.mounts import network_disk_of

LEASE_SECONDS = 120.0
"""A lease that is not renewed for so long is stale: its holder is dead, or cut off."""

LOOK_SECONDS = 2.0
"""Between two looks at a lease."""

NO_LOCKS = frozenset({errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP})
"""What file systems without locks say, such as Lustre without ``-o flock``."""

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Lease:
    """Who holds a lock.

    Attributes:
        host: The machine's name.
        process: The process's number there.
        renewed: When the holder last said so, in seconds since 1970 by its own clock.
        machine: The kernel and the mount in which the holder's ``flock`` is seen; empty where the
            lease does not say it.
        token: The holder's own; no two locks have the same.
    """

    host: str
    process: int
    renewed: float
    machine: str = ""
    token: str = ""

    def __str__(self) -> str:
        return f"process {self.process} on {self.host}"

    def is_stale(self, now: float) -> bool:
        """Whether its holder has not renewed it in time, if both clocks are right."""
        return not -LEASE_SECONDS <= now - self.renewed <= LEASE_SECONDS

    def is_of(self, host: str, machine: str) -> bool:
        """Whether the holder's ``flock`` is seen on this machine, so that it alone decides."""
        return self.machine == machine if self.machine else self.host == host


def machine_of(file: int) -> str:
    """Where a ``flock`` on an open file is seen for certain: this kernel, through this mount.

    Two containers of one machine may have the same name, or each a FUSE mount of its own, whose
    locks the other does not see.

    Source: https://www.kernel.org/doc/html/latest/admin-guide/sysctl/kernel.html (boot_id).
    """
    try:
        boot = _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        boot = socket.gethostname()
    return f"{boot}:{os.fstat(file).st_dev}"


def parse_lease(text: bytes) -> Lease | None:
    """What the text of a lock file says of its holder; None for nothing that makes sense."""
    try:
        value = json.loads(text)
        return Lease(
            str(value["host"]),
            int(value["process"]),
            float(value["renewed"]),
            str(value.get("machine", "")),
            str(value.get("token", "")),
        )
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def read_lease(file: int) -> Lease | None:
    """What an open lock file says of its holder; None for nothing that makes sense."""
    try:
        return parse_lease(read_start(file, 4096))
    except OSError:
        return None


def lock_text(path: Path) -> bytes | None:
    """The text of a lock file; None where there is none.

    The file is opened anew, since an NFS client asks the server for changes only then
    (https://nfs.sourceforge.net/#faq_a8).
    """
    try:
        file = os.open(path, os.O_RDONLY | NOT_INHERITED | NO_LINK | BYTES)
    except OSError:
        return None
    try:
        return read_start(file, 4096)
    finally:
        os.close(file)


def holder_of(path: Path, clock: Callable[[], float] = time.time) -> str | None:
    """Who holds the lock at `path`, for people; None for no holder.

    The lock itself tells: a process number may belong to another program by now. A lease of another
    machine counts while it is renewed by its own words; `living_holder` makes sure of that.
    """
    found = _look(path)
    if found is None or isinstance(found, str):
        return found
    return None if found.is_stale(clock()) else str(found)


def living_holder(
    paths: Sequence[Path],
    *,
    pause: Callable[[float], None] = time.sleep,
    on_wait: Callable[[Lease], None] = lambda _: None,
) -> tuple[Path, str] | None:
    """The first of these locks that somebody holds, and who that is; None where nobody does.

    Locks that other machines left on a network disk are watched, all together, until one of them
    changes or `LEASE_SECONDS` have passed.

    Args:
        paths: The lock files.
        pause: Waits for so many seconds.
        on_wait: Called once, with one of the leases, before the wait.
    """
    watched: dict[Path, bytes | None] = {}
    first: Lease | None = None
    for path in paths:
        found = _look(path)
        if isinstance(found, str):
            return path, found
        if found is not None:
            watched[path], first = lock_text(path), first or found
    if first is not None:
        on_wait(first)
    for _ in range(round(LEASE_SECONDS / LOOK_SECONDS) if watched else 0):
        pause(LOOK_SECONDS)
        for path, former in list(watched.items()):
            text = lock_text(path)
            if text is None:
                del watched[path]  # it was released
            elif text != former:
                return path, str(parse_lease(text) or "another run")
        if not watched:
            break
    return None


def _look(path: Path) -> Lease | str | None:
    """Who holds a lock (a text), a lease that may be stale, or None for nobody."""
    try:
        file = os.open(path, os.O_RDONLY | NOT_INHERITED | NO_LINK | BYTES)
    except OSError:
        return None
    try:
        lease = read_lease(file)
        disk = network_disk_of(path)
        try:
            if is_locked(file):
                return str(lease or "another run")
            locks = True
        except OSError as error:
            locks = disk is None or error.errno not in NO_LOCKS
        if lease is None or disk is None:
            return None
        return None if locks and lease.is_of(socket.gethostname(), machine_of(file)) else lease
    finally:
        os.close(file)
