"""Moving files into their places, and making that durable, on every system."""

from __future__ import annotations

import os
import time
from pathlib import Path

_WAITS = (0.05, 0.1, 0.2, 0.4, 0.8)  # a virus scanner or an indexer lets go within a second


def is_windows() -> bool:
    """Whether this is Windows."""
    return os.name == "nt"


def replace_file(source: Path, target: Path) -> None:
    """Move `source` to `target`, whatever file stood there.

    Windows refuses while another program has either of them open. Scanners and indexers do for an
    instant, so that is tried again for a while.

    Raises:
        OSError: it cannot be moved.
    """
    for wait in _WAITS if is_windows() else ():
        try:
            source.replace(target)
        except PermissionError:  # noqa: PERF203 - that is the loop's purpose
            time.sleep(wait)
        else:
            return
    source.replace(target)


def sync_folder(folder: Path) -> None:
    """Wait until the names in `folder` are on the disk; Windows does so by itself.

    Raises:
        OSError: the disk fails.
    """
    if is_windows():
        return  # a folder cannot be opened there
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
