"""Runs an engine and ends it when its owner is gone, with what every system has.

``plain_watchdog.py [--grace SECONDS] [--signal NAME] -- COMMAND…`` starts the command, reports
``engine PID``, and waits for the end of its own input, which comes when the owner closes it or ends
in any way. Then it asks the engine to end, and after the grace it ends it. The exit status is the
engine's. It is the watchdog of Windows; `watchdog` does more where the system can.

It is standard library only and is run by its path.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading


def main(argv: list[str]) -> int:
    """Run the command after ``--``; returns its exit status, 127 where it cannot be started."""
    grace, command = _arguments(argv)
    try:
        engine = subprocess.Popen(command, stdin=subprocess.DEVNULL)  # noqa: S603 - our serving's
    except OSError as error:
        sys.stderr.write(f"cannot start {command[0]}: {error.strerror}\n")
        return 127
    os.write(1, b"engine %d\n" % engine.pid)
    threading.Thread(target=_end_with_owner, args=(engine, grace), daemon=True).start()
    return engine.wait()


def _arguments(argv: list[str]) -> tuple[float, list[str]]:
    grace, rest = 10.0, list(argv)
    while rest and rest[0] != "--":
        name, value = rest.pop(0), rest.pop(0)
        if name == "--grace":
            grace = float(value)
    if len(rest) < 2:
        raise SystemExit(__doc__)
    return grace, rest[1:]


def _end_with_owner(engine: subprocess.Popen[bytes], grace: float) -> None:
    while os.read(0, 512):
        pass
    engine.terminate()
    try:
        engine.wait(grace)
    except subprocess.TimeoutExpired:
        engine.kill()


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stderr.flush()
    os._exit(code if 0 <= code < 256 else 1)
