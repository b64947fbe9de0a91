"""Whether a path lies on a network disk, by the system's mount table.

``/proc/self/mountinfo`` of Linux lists what is mounted where and with which file system
(https://www.kernel.org/doc/html/latest/filesystems/proc.html, section 3.5). Where there is no such
table, every disk is taken for one of this machine.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

MOUNT_TABLE = Path("/proc/self/mountinfo")

NETWORK_DISKS = {
    "nfs": "NFS",
    "nfs4": "NFS",
    "cifs": "SMB",
    "smb3": "SMB",
    "smbfs": "SMB",
    "lustre": "Lustre",
    "gpfs": "GPFS",
    "beegfs": "BeeGFS",
    "ceph": "CephFS",
    "glusterfs": "GlusterFS",
    "afs": "AFS",
    "fuse": "FUSE",
}
"""File systems on which SQLite's write-ahead log is not safe (https://sqlite.org/wal.html)."""

_LOCAL_FUSE = {"fuse.ext4", "fuse.ntfs", "fuse.ntfs-3g", "fuse.fuse-overlayfs", "fuseblk"}
_ESCAPE = re.compile(r"\\([0-7]{3})")


def network_disk_of(path: Path, table: Path | None = None) -> str | None:
    """The name of the network file system on which `path` lies, such as ``"NFS"``; None for none.

    Args:
        path: A file or folder; it need not be there.
        table: The mount table; None for the system's own.
    """
    try:
        text = (table or MOUNT_TABLE).read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return None
    where = os.path.realpath(path)
    found, longest = "", -1
    for line in text.splitlines():
        mount, kind = _mount(line)
        inside = where == mount or where.startswith(mount.rstrip("/") + "/")
        if inside and len(mount) >= longest:  # a later mount hides an earlier one at its place
            found, longest = kind, len(mount)
    return _name_of(found)


def _mount(line: str) -> tuple[str, str]:
    """The mount point and the file system's type that a line of the table names."""
    before, _, after = line.partition(" - ")
    fields = before.split(" ")
    if len(fields) < 5 or not after:
        return "\0", ""
    # spaces, tabs and backslashes in a name are written as octal escapes
    point = _ESCAPE.sub(lambda match: chr(int(match[1], 8)), fields[4])
    return point, after.split(" ")[0].lower()


def _name_of(kind: str) -> str | None:
    if kind in NETWORK_DISKS:
        return NETWORK_DISKS[kind]
    if kind.startswith("fuse.") and kind not in _LOCAL_FUSE:
        return f"FUSE ({kind.removeprefix('fuse.')})"
    return None
