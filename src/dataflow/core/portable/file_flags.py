"""Flags of `os.open` that not every system has; 0 where it has none."""

from __future__ import annotations

import os

NO_LINK: int = getattr(os, "O_NOFOLLOW", 0)
"""A symbolic link is an error. Windows lets only administrators and developers make one."""

NOT_INHERITED: int = getattr(os, "O_CLOEXEC", getattr(os, "O_NOINHERIT", 0))
"""Child processes do not get the file."""

NO_WAIT: int = getattr(os, "O_NONBLOCK", 0)
"""A pipe that no process writes to opens at once. Windows has no pipes among its files."""

NO_TERMINAL: int = getattr(os, "O_NOCTTY", 0)
"""A terminal does not become the process's own."""

BYTES: int = getattr(os, "O_BINARY", 0)
"""Line ends are not translated, which Windows does otherwise."""
