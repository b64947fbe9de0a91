"""A local engine as a server for other machines, entered in a folder while it is up."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

from dataflow.app.options.commands.caption import CaptionOptions
from dataflow.app.options.commands.serve import ServeOptions
from dataflow.app.options.option import shared_values
from dataflow.app.planning.local_engine import local_engine_of
from dataflow.app.reporter import SILENT, Reporter
from dataflow.core.errors import UsageError
from dataflow.serving.local.local_serving import LocalServing
from dataflow.serving.registration import registered

LOOK_SECONDS = 0.5
"""How often it is looked whether the engine is up."""

ALL_ADDRESSES = "0.0.0.0"  # noqa: S104 - other machines are to reach it


def serve(
    options: ServeOptions, reporter: Reporter = SILENT, *, stop: Callable[[], bool] = lambda: False
) -> None:
    """Start an engine, enter it in the folder, and keep it up until it is stopped.

    An engine that dies is taken out of the folder, started again and entered again. At the end the
    entry goes first, and the engine when what it has is finished.

    Args:
        options: Which model, and where it is entered.
        reporter: Who hears what happens.
        stop: Asked now and then; True ends it, as Ctrl-C does.

    Raises:
        UsageError: There is no key, or the options contradict each other.
        StopRunError: The engine cannot be had, or dies again and again.
        OutputError: The folder cannot be written.
    """
    key = os.environ.get(options.key_env, "").strip()
    if not key:
        raise UsageError(
            f"a server for other machines asks for a key: set {options.key_env} to one of your "
            "own, here and where dataflow caption runs"
        )
    serving = _serving_of(options)
    serving.listen(ALL_ADDRESSES, key)
    try:
        serving.prepare(stop)
        while not stop():
            port = serving.child().ensure_running().rpartition(":")[2]
            url = f"http://{options.host or socket.gethostname()}:{port}/v1"
            _serve_at(url, serving, options, reporter, stop)
    finally:
        serving.cleanup()


def _serve_at(
    url: str,
    serving: LocalServing,
    options: ServeOptions,
    reporter: Reporter,
    stop: Callable[[], bool],
) -> None:
    """Be in the folder until the engine dies or is to stop; then finish what it has."""
    reporter.say(
        f"{url} serves {serving.model} and is entered in {options.register}; ask it with "
        f"dataflow caption … --endpoints {options.register} --model {serving.model}"
    )
    try:
        with registered(Path(options.register), url, serving.model):
            while serving.child().running and not stop():
                time.sleep(LOOK_SECONDS)
    finally:
        if serving.child().running:
            reporter.say(f"{url} has left {options.register}; what it has is finished first")
            _finish(options.drain)
    if not stop():
        reporter.say(f"{url} died and is started again", is_warning=True)


def _finish(seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(min(LOOK_SECONDS, seconds))


def _serving_of(options: ServeOptions) -> LocalServing:
    name = options.model
    is_llamacpp = name == "demo" or name.endswith(".gguf") or "gguf" in name.lower()
    values = dict(shared_values(options, CaptionOptions))
    values |= {"key_env": None, "model": None, "source": ""}
    if is_llamacpp or options.engine is not None:
        values["model"] = name
    else:
        values["vllm"] = name
    serving = local_engine_of(CaptionOptions(**values), lambda *_: None)
    if not isinstance(serving, LocalServing):
        raise UsageError(f"{name} is no engine of this machine")
    return serving
