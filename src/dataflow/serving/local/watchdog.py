"""The small process between us and an engine: it ends the engine when we end, however we end.

    python -m dataflow.serving.local.watchdog [--grace SECONDS] [--signal NAME] -- COMMAND …

The engine runs in a session of its own, so that Ctrl-C in a terminal does not reach it: what is in
flight is finished first. Its output is the guard's output; the guard's first line there is
``engine PID``. The guard ends the engine when

* the guard's stdin closes, or its parent is gone (the parent ended, even by ``kill -9``),
* it gets SIGTERM or SIGHUP,
* on Linux, the guard itself is killed (the engine asks the kernel for that signal).

Ending means: the named signal to the engine, after the grace SIGKILL to its whole group, and on
Linux SIGKILL to everything that the engine's processes left behind. The exit status is the
engine's; 128 + N where signal N ended it; 127 where it could not be started.

Standard library only, and little of it: it runs for every engine and starts in 50 ms.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_PR_SET_CHILD_SUBREAPER = 36
_LOOK_EVERY = 1.0  # seconds between two looks at whether the parent is still there
_LEFT_BEHIND = 5.0  # seconds to wait for killed processes to be gone


def main(argv: list[str]) -> int:
    """Run and guard the command in `argv`; returns the exit status."""
    grace, stop_signal, command = _arguments(argv)
    parent = os.getppid()
    wake = _hear_signals()
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    try:
        engine = _start(command)
    except OSError as error:
        sys.stderr.write(f"cannot start {command[0]}: {error.strerror}\n")
        return 127
    status = _watch(engine, parent, wake, grace, stop_signal)
    _kill_all(engine)
    return _exit_code(status)


def _arguments(argv: list[str]) -> tuple[float, signal.Signals, list[str]]:
    grace, stop_signal = 10.0, signal.SIGTERM
    rest = list(argv)
    while rest and rest[0] != "--":
        name, value = rest.pop(0), rest.pop(0)
        if name == "--grace":
            grace = float(value)
        elif name == "--signal":
            stop_signal = signal.Signals["SIG" + value]
        else:
            raise SystemExit(f"unknown option {name}")
    if len(rest) < 2:
        raise SystemExit(__doc__)
    return grace, stop_signal, rest[1:]


def _hear_signals() -> int:
    """Turn the signals we live by into bytes on a pipe; returns the pipe's reading end."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return reading


def _prctl(option: int, value: int) -> None:
    """Linux's prctl; elsewhere nothing, and the parent's own look-out has to do."""
    if sys.platform != "linux":
        return
    import ctypes

    ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _start(command: list[str]) -> int:
    """Start the engine and say its process id; returns it."""
    guard = os.getpid()

    def before() -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != guard:  # the guard died before the line above
            os._exit(1)
        os.write(1, b"engine %d\n" % os.getpid())  # here, so that it is the first line

    _prctl(_PR_SET_PDEATHSIG, 0)  # warms ctypes: nothing may be imported between fork and exec
    process = subprocess.Popen(  # noqa: S603 - the command comes from our own serving
        command, stdin=subprocess.DEVNULL, start_new_session=True, preexec_fn=before
    )
    # Its exit status is gathered below, together with those of what it leaves behind.
    process.returncode = 0
    return process.pid


def _watch(engine: int, parent: int, wake: int, grace: float, stop_signal: int) -> int:
    """Wait until the engine has ended, by itself or by us; returns its wait status."""
    deadline = None
    sources = [0, wake]
    while True:
        status = _gather(engine)
        if status is not None:
            return status
        timeout = _LOOK_EVERY
        if deadline is not None:
            timeout = deadline - time.monotonic()
            if timeout <= 0:
                return signal.SIGKILL
        ready = select.select(sources, [], [], timeout)[0]
        stop = os.getppid() != parent
        if wake in ready:
            heard = os.read(wake, 512)
            stop |= bool({signal.SIGTERM, signal.SIGHUP} & set(heard))
        if 0 in ready and not os.read(0, 512):
            sources.remove(0)
            stop = True
        if stop and deadline is None:
            deadline = time.monotonic() + grace
            os.kill(engine, stop_signal)  # it is not gathered yet, so the id is still its own


def _gather(engine: int) -> int | None:
    """Gather ended children; the engine's wait status, or None while it runs."""
    try:
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == engine:
                return status
            if pid == 0:
                return None
    except ChildProcessError:
        return 0


def _kill_all(engine: int) -> None:
    """Kill the engine's group and every process that was left to us, until there is none."""
    deadline = time.monotonic() + _LEFT_BEHIND
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):  # the group may be empty
            os.killpg(engine, signal.SIGKILL)
        for pid in _children():
            with contextlib.suppress(OSError):  # it may have ended meanwhile
                os.kill(pid, signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(0.02)


def _children() -> list[int]:
    """Our children's process ids, from /proc; none where there is no /proc."""
    found = []
    try:
        names = os.listdir("/proc")  # noqa: PTH208 - pathlib takes a third of our start
    except OSError:
        return []
    for pid in map(int, filter(str.isdigit, names)):
        try:
            with open(f"/proc/{pid}/stat", "rb") as file:
                # "pid (name) state ppid …"; a name may hold spaces and brackets
                fields = file.read().rpartition(b")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == os.getpid():
            found.append(pid)
    return found


def _exit_code(status: int) -> int:
    return 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stderr.flush()
    os._exit(code)
