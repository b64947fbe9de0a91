"""The command line run inside this process, as a process of its own would run it.

A process costs a second of processor time before it reads its first option. Where the process
itself is the promise (signals, start-up, terminals, closed streams, memory, kills), it is started.
"""

from __future__ import annotations

import contextlib
import gc
import io
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from dataflow.cli import main as command_line
from dataflow.cli.shell import reporting, signals, streams
from dataflow.cli.shell.console import console


def run_command(
    arguments: Sequence[object], folder: Path, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run ``dataflow ARGUMENTS`` in `folder` and return its exit code and what it wrote.

    An exception that the command does not turn into a message is raised here.
    """
    words = ["dataflow", *map(str, arguments)]
    out, err = _stream(), _stream()
    with _state(folder, environment, words, out, err):
        try:
            command_line.main()
            code: object = 0
        except SystemExit as end:
            code = end.code
    texts = [stream.buffer.getvalue().decode("utf-8", "replace") for stream in (out, err)]
    plain = [text.replace("\r\n", "\n") for text in texts]
    return subprocess.CompletedProcess(words, code if isinstance(code, int) else 0, *plain)


class _Captured(io.TextIOWrapper):
    """A text stream whose bytes can be read after the command closed nothing."""

    buffer: io.BytesIO

    def close(self) -> None:
        """Keep the bytes: the command's end closes no stream of the tests."""
        with contextlib.suppress(ValueError):
            self.flush()


def _stream() -> _Captured:
    return _Captured(io.BytesIO(), encoding="utf-8", errors="backslashreplace", write_through=True)


@contextlib.contextmanager
def _state(
    folder: Path,
    environment: Mapping[str, str],
    words: list[str],
    out: _Captured,
    err: _Captured,
) -> Iterator[None]:
    """All that a process has of its own; what was before is there again afterwards."""
    before = dict(os.environ)
    working = Path.cwd()
    handled = {number: signal.getsignal(number) for number in signals.ENDING}
    argv, old_out, old_err, prepare = sys.argv, sys.stdout, sys.stderr, streams.prepare
    logger = logging.getLogger("dataflow")
    handlers, propagates, level = list(logger.handlers), logger.propagate, logger.level
    try:
        os.environ.clear()
        os.environ.update(environment)
        os.chdir(folder)
        sys.argv, sys.stdout, sys.stderr = words, out, err
        streams.prepare = lambda: None  # of the process's own stderr
        reporting._REPORTERS.clear()
        _as_at_the_start()
        yield
    finally:
        sys.argv, sys.stdout, sys.stderr, streams.prepare = argv, old_out, old_err, prepare
        logger.handlers[:], logger.propagate = handlers, propagates
        logger.setLevel(level)
        for number, handler in handled.items():
            signal.signal(number, handler)
        os.environ.clear()
        os.environ.update(before)
        os.chdir(working)
        _as_at_the_start()


def _as_at_the_start() -> None:
    """Forget what was read from the environment."""
    console.__init__(stderr=True)  # type: ignore[misc]  # its width and colours
    filesystem = sys.modules.get("dataflow.remote.filesystem")
    if filesystem is not None:
        filesystem.filesystem.cache_clear()
    fsspec = sys.modules.get("fsspec")
    if fsspec is not None:
        fsspec.AbstractFileSystem.clear_instance_cache()
    gc.collect(0)
