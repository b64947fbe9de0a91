"""Shows the package's own modules a system without what Windows does not have.

`install()` hides modules such as `fcntl` and names such as `os.fork` and `signal.SIGHUP` from what
is imported as ``dataflow.*`` afterwards; the standard library and other packages keep them, since
theirs are made for each system. `os.name` is ``"nt"`` there, and `msvcrt` locks by ``flock``.

It is a plugin of pytest, too: ``pytest -p tests.windows.hide FILES`` runs tests under it.
"""

from __future__ import annotations

import asyncio
import builtins
import errno
import importlib
import os
import sys
import types
from typing import Any

POSIX_MODULES = frozenset({"fcntl", "grp", "pty", "pwd", "resource", "syslog", "termios", "tty"})

POSIX_NAMES = {
    "os": frozenset(
        {
            *("O_CLOEXEC", "O_DIRECTORY", "O_NOCTTY", "O_NOFOLLOW", "O_NONBLOCK", "WNOHANG"),
            *("WEXITSTATUS", "WIFSIGNALED", "WTERMSIG", "chown", "chroot", "fchmod", "fchown"),
            *("fork", "forkpty", "getegid", "geteuid", "getgid", "getgroups", "getloadavg"),
            *("getpgid", "getpgrp", "getpriority", "getsid", "getuid", "killpg", "lchown"),
            *("mkfifo", "mknod", "nice", "openpty", "posix_spawn", "pread", "preadv", "pwrite"),
            *("sched_getaffinity", "sched_setaffinity", "setsid", "statvfs", "sync", "sysconf"),
            *("tcgetpgrp", "ttyname", "uname", "wait", "wait3", "wait4"),
        }
    ),
    "signal": frozenset(
        {
            *("SIGALRM", "SIGCHLD", "SIGCONT", "SIGHUP", "SIGKILL", "SIGPIPE", "SIGQUIT"),
            *("SIGSTOP", "SIGTSTP", "SIGUSR1", "SIGUSR2", "SIGWINCH", "alarm", "pause"),
            *("pthread_kill", "pthread_sigmask", "set_itimer", "setitimer", "siginterrupt"),
            *("sigwait", "sigpending"),
        }
    ),
}
"""What `os` and `signal` lack on Windows: https://docs.python.org/3/library/os.html"""

POSIX_ONLY = frozenset({"dataflow.serving.local.watchdog"})
"""Modules that Windows never runs; it has others in their place."""


def install() -> None:
    """Hide from here on."""
    real_import = builtins.__import__
    shown = {name: _without(name) for name in POSIX_NAMES}
    sys.modules.setdefault("msvcrt", _msvcrt())

    def import_module(name: str, *args: Any, **more: Any) -> Any:
        names = args[0] if args else more.get("globals")
        level = args[3] if len(args) > 3 else more.get("level", 0)
        if level == 0 and _is_ours((names or {}).get("__name__", "")):
            if name in POSIX_MODULES:
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)
            if name in shown:
                return shown[name]
        return real_import(name, *args, **more)

    builtins.__import__ = import_module
    loop = asyncio.SelectorEventLoop
    loop.add_signal_handler = _not_there  # type: ignore[method-assign,assignment]
    already = [name for name in sys.modules if _is_ours(name)]
    if already:
        raise RuntimeError(f"imported before it was hidden: {already[:3]}")


def _is_ours(name: str) -> bool:
    ours = name == "dataflow" or name.startswith("dataflow.")
    return ours and name not in POSIX_ONLY


def _not_there(*_: object) -> None:
    raise NotImplementedError


class _Shown(types.ModuleType):
    """A module without some of its names."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__dict__["_real"] = importlib.import_module(name)
        self.__dict__["_hidden"] = POSIX_NAMES[name]

    def __getattr__(self, name: str) -> Any:
        if name in self.__dict__["_hidden"]:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        return getattr(self.__dict__["_real"], name)


def _without(name: str) -> types.ModuleType:
    module = _Shown(name)
    if name == "os":
        module.__dict__["name"] = "nt"
    return module


def _msvcrt() -> types.ModuleType:
    """The part of Windows' `msvcrt` that locks; as there, one holder of a file at a time."""
    import fcntl

    module = types.ModuleType("msvcrt")
    module.LK_NBLCK, module.LK_UNLCK = 2, 0  # type: ignore[attr-defined]

    def locking(file: int, mode: int, _bytes: int) -> None:
        if mode == 0:
            fcntl.flock(file, fcntl.LOCK_UN)
            return
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise OSError(errno.EACCES, os.strerror(errno.EACCES)) from error

    module.locking = locking  # type: ignore[attr-defined]
    return module


if "pytest" in sys.modules and any("tests.windows.hide" in word for word in sys.argv):
    install()
