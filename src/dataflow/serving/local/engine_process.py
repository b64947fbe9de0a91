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
from dataflow.serving.local import watchdog
from dataflow.serving.local.process_log import ProcessLog

_log = logging.getLogger("dataflow")
_LOOK_EVERY = 0.05  # seconds between two looks at a starting engine
_SAY_EVERY = 10.0  # seconds between two lines about a starting engine
_PORT_TRIES = 3


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
        grace: float = 10.0,
    ) -> None:
        self.name = name
        self.start_timeout = start_timeout
        self.restarts = 0
        self.restarts_left = max_restarts
        self._max_restarts = max_restarts
        self._launch = launch
        self._find_reason = find_reason
        self._guarding = ["--grace", str(grace), "--signal", stop_signal]
        self._patience = grace + 10.0
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

    def reason(self) -> str:
        """Why the engine died, in its own words; its last line where it gave no reason."""
        if self._process is None:
            return "it was stopped"
        output = self._process.output
        output.finish()
        if reason := self._find_reason(output.lines()):
            return reason
        last = output.last()
        return last if last != self._process.ready_line else "it gave no reason"

    def has_worked(self) -> None:
        """It has done its work since it was started: what killed it before has passed."""
        self.restarts_left = self._max_restarts

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
            _log.warning("%s died (%s): %s; starting it again", self.name, how, reason)
            try:
                return self._start()
            except EngineFailedError:
                if self._stopping.is_set() or self.restarts_left <= 0:
                    raise

    def _start(self) -> str:
        for attempt in range(_PORT_TRIES):
            launch = self._launch()
            began = time.monotonic()
            process = self._process = _Process(self._guarding, launch, self._patience)
            # The process ends with this object, or at the interpreter's exit at the latest.
            weakref.finalize(self, process.end)
            try:
                address = self._wait(process, launch, began)
            except BaseException:
                process.end()
                raise
            if address:
                process.ready_line = process.output.last()
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
        reported = began
        while process.running:
            if address := launch.ready(process.output):
                return address
            now = time.monotonic()
            last = process.output.last()
            if now - began > self.start_timeout:
                raise EngineFailedError(
                    f"{self.name} does not answer {self.start_timeout:g} s after its start; "
                    f"its last line: {last}",
                    reason=last,
                )
            if now - reported >= _SAY_EVERY:
                reported = now
                _log.info("%s is starting, %.0f s: %s", self.name, now - began, last[:200])
            if self._stopping.wait(_LOOK_EVERY):
                raise EngineFailedError(f"{self.name} was stopped while it started", reason="")
        return None


class _Process:
    """One run of an engine under its guard."""

    def __init__(self, guarding: Sequence[str], launch: LaunchSpec, patience: float) -> None:
        self.ready_line = ""  # the last line when the engine began to answer
        self._patience = patience
        self._owner = os.getpid()
        self._lock = threading.Lock()
        reading, writing = os.pipe()
        try:
            # By its file's path, isolated: the guard is standard library only, and nothing in the
            # environment or the working directory can stand in its way.
            self._guard = subprocess.Popen(  # noqa: S603 - our own file, our own arguments
                [sys.executable, "-I", "-S", watchdog.__file__, *guarding, "--", *launch.command],
                stdin=subprocess.PIPE,
                stdout=writing,
                stderr=writing,
                env={**os.environ, **launch.environment},
                start_new_session=True,
            )
        except BaseException:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        self.output = ProcessLog(reading)

    @property
    def running(self) -> bool:
        return self._guard.poll() is None

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
                    os.killpg(self.output.engine, signal.SIGKILL)
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
