"""A local engine as a child process: started, waited for, restarted a few times, ended with us."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from dataflow.core.errors import EngineFailedError
from dataflow.core.portable.signals import KILL, kill_group
from dataflow.serving.local import plain_watchdog, watchdog
from dataflow.serving.local.engine_log import EngineLog
from dataflow.serving.local.memory import oom_kills
from dataflow.serving.local.process_log import ProcessLog

_log = logging.getLogger("dataflow")
_LOOK_EVERY = 0.05  # seconds between two looks at a starting engine
_SAY_EVERY = 10.0  # seconds between two lines about a starting engine
_SHOW_EVERY = 1.0  # seconds between two looks at how far it is
_PORT_TRIES = 3
RESTART_WAITS = (0.0, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
"""Seconds before each restart since the engine last did its work; the last one repeats."""


@dataclass(frozen=True, slots=True)
class LaunchSpec:
    """How one engine process is started.

    Attributes:
        command: Program and arguments; no secrets, everyone on the machine can read them.
        environment: Variables added to ours; secrets go here.
        ready: Given the output so far, the engine's address (``http://127.0.0.1:PORT``) once it
            answers, else None. Called every 50 ms; must not block for longer than a second.
    """

    command: Sequence[str]
    ready: Callable[[ProcessLog], str | None]
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)


class EngineProcess:
    """One engine that is kept alive.

    Safe to use from several threads. The child ends with `stop()`, when this object is collected,
    and when this process ends, however it ends.

    Args:
        name: The engine's name in messages.
        launch: Makes the command afresh for every start (a new port, say).
        find_reason: Picks from the output's lines why the engine failed, or None.
        start_timeout: Seconds until it must answer.
        max_restarts: How often a dead engine is started again without having worked between.
        stop_signal: What the engine is asked to end with: ``"TERM"`` or ``"INT"``.
        grace: Seconds it has for that before it is killed.
        find_step: Picks from the output's lines how far a start is: ``"loading weights 3/8"``.
        memory_cure: What to lower where the system ended it for memory.

    Attributes:
        log: Keeps what the engine writes, for people; None for nowhere.
        observe: Called every second while it starts with what it does, for people; None for no
            caller. Called with an empty text once it answers.
    """

    def __init__(
        self,
        name: str,
        launch: Callable[[], LaunchSpec],
        *,
        find_reason: Callable[[Sequence[str]], str | None],
        start_timeout: float = 600.0,
        max_restarts: int = 3,
        stop_signal: str = "TERM",
        grace: float = 8.0,
        find_step: Callable[[Sequence[str]], str] = lambda _: "",
        memory_cure: str = "free memory",
    ) -> None:
        self.name = name
        self.log: EngineLog | None = None
        self.observe: Callable[[str], None] | None = None
        self._find_step = find_step
        self._memory_cure = memory_cure
        self._waits = 0
        self.start_timeout = start_timeout
        self.restarts = 0
        self.restarts_left = max_restarts
        self._max_restarts = max_restarts
        self._launch = launch
        self._find_reason = find_reason
        self._guarding = ["--grace", str(grace), "--signal", stop_signal]
        self._patience = grace + 6.0
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._process: _Process | None = None
        self._address = ""

    @property
    def running(self) -> bool:
        """Whether the engine's process is there."""
        process = self._process
        return process is not None and process.running

    @property
    def engine_pid(self) -> int | None:
        """The engine's process id, or None when none was started."""
        return self._process.output.engine if self._process else None

    def ensure_running(self) -> str:
        """Start the engine if it is not running, again if it died; wait until it answers.

        Blocks; of several callers one starts it and all get its address.

        Returns:
            The engine's address, ``http://127.0.0.1:PORT``.

        Raises:
            EngineFailedError: it does not start, or died more often than it may; with its reason.
        """
        with self._lock:
            if self.running:
                return self._address
            self._stopping.clear()
            if self._process is None:
                self._address = self._start()
            else:
                self._address = self._restart()
            return self._address

    @property
    def stopping(self) -> bool:
        """Whether a start under way has been given up."""
        return self._stopping.is_set()

    def abort(self) -> None:
        """Give up a start under way in another thread; its `ensure()` raises."""
        self._stopping.set()

    def stop(self) -> None:
        """End the engine, cleanly if it can; does nothing where none runs."""
        self._stopping.set()
        with self._lock:
            if self._process is not None:
                self._process.end()
                self._process = None

    def kill(self) -> None:
        """End an engine that hangs, at once; `ensure_running` starts it again."""
        process, pid = self._process, self.engine_pid
        if process is not None and process.running and pid:
            process.is_ended_by_us = True
            with contextlib.suppress(OSError):  # it may have ended meanwhile
                kill_group(pid)

    def reason(self) -> str:
        """Why the engine died, in its own words; its last line where it gave no reason."""
        process = self._process
        if process is None:
            return "it was stopped"
        process.output.finish()
        if process.is_ended_by_us:
            return "it did not answer any more"
        if process.was_killed:
            is_known = oom_kills() > process.oom_kills
            likely = "the system ended it" if is_known else "most likely the system ended it"
            return f"{likely} for lack of memory: {self._memory_cure}{self._where_log()}"
        if reason := self._find_reason(process.output.lines()):
            return reason + self._where_log()
        last = process.output.last()
        reason = last if last != process.ready_line else "it gave no reason"
        return reason + self._where_log()

    def _where_log(self) -> str:
        return f" (all that it wrote: {self.log.path})" if self.log is not None else ""

    def has_worked(self) -> None:
        """It has done its work since it was started: what killed it before has passed."""
        self.restarts_left, self._waits = self._max_restarts, 0

    def excuse(self) -> None:
        """It died of what it was asked and not of itself: the restart does not count."""
        self.restarts_left, self._waits = self._max_restarts, 0

    def _restart(self) -> str:
        """Start a dead engine again, as long as that is allowed."""
        while True:
            assert self._process is not None  # noqa: S101 - `ensure` saw it
            reason, how = self.reason(), self._process.how_it_ended()
            self._process.end()
            if self.restarts_left <= 0:
                raise EngineFailedError(
                    f"{self.name} died again and is not restarted any more ({how}): {reason}",
                    reason=reason,
                )
            self.restarts_left -= 1
            self.restarts += 1
            wait = RESTART_WAITS[min(self._waits, len(RESTART_WAITS) - 1)]
            self._waits += 1
            later = f" in {wait:g} s" if wait else ""
            _log.warning("%s died (%s): %s; starting it again%s", self.name, how, reason, later)
            self._say(f"{self.name} died and is started again{later}")
            if wait and self._stopping.wait(wait):
                raise EngineFailedError(f"{self.name} was stopped before it was started again")
            try:
                return self._start()
            except EngineFailedError:
                if self._stopping.is_set() or self.restarts_left <= 0:
                    raise

    def _start(self) -> str:
        for attempt in range(_PORT_TRIES):
            launch = self._launch()
            began = time.monotonic()
            if self.log is not None:
                self.log.begin(self.name)
            process = self._process = _Process(self._guarding, launch, self._patience, self.log)
            # The process ends with this object, or at the interpreter's exit at the latest.
            weakref.finalize(self, process.end)
            try:
                address = self._wait(process, launch, began)
            except BaseException:
                process.end()
                raise
            if address:
                process.ready_line = process.output.last()
                self._say("")
                _log.info("%s is ready after %.0f s", self.name, time.monotonic() - began)
                return address
            process.end()
            reason = self.reason()
            # Somebody may have taken the port between our choosing it and the engine's.
            if "address already in use" not in reason.lower() or attempt == _PORT_TRIES - 1:
                break
        raise EngineFailedError(
            f"{self.name} does not start ({process.how_it_ended()}): {reason}", reason=reason
        )

    def _wait(self, process: _Process, launch: LaunchSpec, began: float) -> str | None:
        """The engine's address once it answers; None if it ended before that."""
        reported = shown = began
        while process.running:
            if address := launch.ready(process.output):
                return address
            now = time.monotonic()
            last = process.output.last()
            if now - began > self.start_timeout:
                raise EngineFailedError(
                    f"{self.name} does not answer {self.start_timeout:g} s after its start "
                    f"(--start-timeout); its last line: {last}{self._where_log()}",
                    reason=last,
                )
            if now - shown >= _SHOW_EVERY:
                shown = now
                step = self._find_step(process.output.lines()) or "loading"
                self._say(f"starting {self.name}: {step}, {now - began:.0f} s")
                if now - reported >= _SAY_EVERY:
                    reported = now
                    _log.info("%s is starting, %.0f s: %s", self.name, now - began, step)
            if self._stopping.wait(_LOOK_EVERY):
                raise EngineFailedError(f"{self.name} was stopped while it started", reason="")
        return None

    def _say(self, text: str) -> None:
        if self.observe is not None:
            self.observe(text)


def _watchdog() -> str:
    """The file of the watchdog that this system can run."""
    return watchdog.__file__ if hasattr(os, "killpg") else plain_watchdog.__file__


class _Process:
    """One run of an engine under its guard."""

    def __init__(
        self, guarding: Sequence[str], launch: LaunchSpec, patience: float, log: EngineLog | None
    ) -> None:
        self.ready_line = ""  # the last line when the engine began to answer
        self.is_ended_by_us = False
        self.oom_kills = oom_kills()
        self._patience = patience
        self._owner = os.getpid()
        self._lock = threading.Lock()
        reading, writing = os.pipe()
        try:
            # By its file's path, isolated: the guard is standard library only, and nothing in the
            # environment or the working directory can stand in its way.
            self._guard = subprocess.Popen(  # noqa: S603 - our own file, our own arguments
                [sys.executable, "-I", "-S", _watchdog(), *guarding, "--", *launch.command],
                stdin=subprocess.PIPE,
                stdout=writing,
                stderr=writing,
                env={**os.environ, **launch.environment},
                start_new_session=True,
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            )
        except BaseException:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        self.output = ProcessLog(reading, log)

    @property
    def running(self) -> bool:
        return self._guard.poll() is None

    @property
    def was_killed(self) -> bool:
        return self._guard.poll() in (-KILL, 128 + KILL)

    def end(self) -> None:
        """End engine and guard and wait for it; harmless when they have ended."""
        if os.getpid() != self._owner:
            return  # a fork of ours: the engine is not its own
        with self._lock:
            if self._guard.stdin is not None and not self._guard.stdin.closed:
                self._guard.stdin.close()  # what the guard waits for
            try:
                self._guard.wait(self._patience)
            except subprocess.TimeoutExpired:
                self._guard.kill()
                self._guard.wait()
            if self._guard.returncode < 0 and self.output.engine:
                # The guard was killed: what it would have ended is ours to end.
                with contextlib.suppress(OSError):  # there may be nothing left
                    kill_group(self.output.engine)
        self.output.finish()

    def how_it_ended(self) -> str:
        code = self._guard.poll()
        if code is None:
            return "it runs"
        if code > 128 or code < 0:
            number = code - 128 if code > 0 else -code
            try:
                return f"ended by {signal.Signals(number).name}"
            except ValueError:
                pass
        return f"exit status {code}"


def free_port() -> int:
    """A TCP port of the loopback address that is free at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
