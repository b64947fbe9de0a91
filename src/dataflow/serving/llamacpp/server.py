"""The embedded llama.cpp server as a process of its own.

    python -m dataflow.serving.llamacpp.server SETTINGS

SETTINGS is a JSON object of `LlamaCppSettings`; the key that clients must send stands in the
environment variable ``DATAFLOW_ENGINE_KEY``. Once a first question is answered, one line
``{"listening": "http://127.0.0.1:PORT"}`` goes to stdout. A failure is said on stderr in a line
that begins with ``dataflow: ``, beside llama.cpp's own ``E`` lines.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import dataclass, field
from typing import Any

KEY_VARIABLE = "DATAFLOW_ENGINE_KEY"
SAYS = "dataflow: "
_FIRST_ANSWER_SECONDS = 300.0
_ORDERLY_END_SECONDS = 5


@dataclass(frozen=True, slots=True)
class LlamaCppSettings:
    """What the server is started with.

    Attributes:
        model: The text model's file.
        mmproj: The picture projector's file.
        slots: Requests answered at the same time.
        context: Tokens of context of each slot.
        threads: CPU threads.
        image_min_tokens: Tokens a picture becomes at least.
        image_max_tokens: Tokens a picture becomes at most.
        further: Fields of ``CommonParams`` by name; a dotted name reaches inside.
    """

    model: str
    mmproj: str
    slots: int
    context: int
    threads: int
    image_min_tokens: int
    image_max_tokens: int
    further: dict[str, Any] = field(default_factory=dict)


def main(argv: list[str]) -> None:
    """Serve until the process is ended; never returns."""
    # The end is always abrupt: taking the server down in order can hang for ever.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    key = os.environ.pop(KEY_VARIABLE)
    try:
        server = _load(LlamaCppSettings(**json.loads(argv[0])), key)
    except ImportError as error:
        _say(f"xllamacpp cannot be loaded: {error}{_cure(error)}")
        os._exit(1)
    except (RuntimeError, OSError, ValueError, TypeError, AttributeError) as error:
        _say(str(error))
        # llama.cpp's reason is written by a thread of its own, which only an orderly end waits for.
        if hasattr(signal, "alarm"):
            signal.alarm(_ORDERLY_END_SECONDS)
        sys.exit(1)
    try:
        _ask_something(server.listening_address, key)
    except (OSError, ValueError) as error:
        _say(str(error))
        # A server that never answered anything may hang when it ends.
        os._exit(1)
    sys.stdout.write(json.dumps({"listening": server.listening_address}) + "\n")
    sys.stdout.flush()
    while True:
        signal.pause()


def _load(settings: LlamaCppSettings, key: str) -> Any:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = settings.model
    params.mmproj.path = settings.mmproj
    params.n_parallel = settings.slots
    params.n_ctx = settings.context * settings.slots  # it is shared out over the slots
    params.cpuparams.n_threads = settings.threads
    params.cpuparams_batch.n_threads = settings.threads
    params.image_min_tokens = settings.image_min_tokens
    params.image_max_tokens = settings.image_max_tokens
    params.api_keys = [key]
    params.ui = False
    params.verbosity = 1  # errors only
    params.fit_params = False  # no shrinking of what was asked for to the memory at hand
    params.cache_ram_mib = 0  # each picture is seen once: prompts kept for later are never used
    params.endpoint_metrics = True  # they tell whether a silent engine works
    for name, value in settings.further.items():
        set_parameter(params, name, value)
    return xllamacpp.Server(params)


def parameters() -> Any:
    """llama.cpp's parameters with their defaults.

    Raises:
        ImportError: xllamacpp cannot be loaded.
    """
    import xllamacpp

    return xllamacpp.CommonParams()


def set_parameter(params: Any, name: str, value: Any) -> None:
    """Set a field of llama.cpp's parameters by its name; a dotted name reaches inside.

    Raises:
        AttributeError: there is no such field.
        TypeError: it does not take this value.
    """
    *inner, last = name.lstrip("-").replace("-", "_").split(".")
    for step in inner:
        params = getattr(params, step)
    if not hasattr(params, last):
        raise AttributeError(f"there is no {last}")
    if isinstance(getattr(params, last), bool) and not isinstance(value, bool):
        raise TypeError(f"{name} is true or false")
    setattr(params, last, value)


def _ask_something(address: str, key: str) -> None:
    import urllib.request

    question = {"role": "user", "content": [{"type": "text", "text": "Hello"}]}
    request = urllib.request.Request(  # noqa: S310 - our own server on loopback
        f"{address}/v1/chat/completions",
        json.dumps({"messages": [question], "max_tokens": 1}).encode(),
        {"Content-Type": "application/json", "Authorization": f"Bearer {key}"},
    )
    without_proxy = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with without_proxy.open(request, timeout=_FIRST_ANSWER_SECONDS) as answer:
        answer.read()


def _cure(error: ImportError) -> str:
    if "libgomp" in str(error):
        return " (install the system's OpenMP library: apt install libgomp1)"
    return ""


def _say(message: str) -> None:
    sys.stderr.write(f"{SAYS}{message}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
