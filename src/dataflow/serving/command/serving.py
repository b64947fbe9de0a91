"""A server of any make on this machine, started by a command line."""

from __future__ import annotations

import secrets
import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dataflow.core.errors import MissingPackageError, UsageError
from dataflow.core.portable.files import is_windows
from dataflow.core.settings import FROM_1, SAMPLING, SECONDS, TEXT, take_all, whole_number
from dataflow.serving.command.health import look
from dataflow.serving.local.engine_process import EngineProcess, LaunchSpec, free_port
from dataflow.serving.local.local_serving import LocalServing
from dataflow.serving.local.process_log import ProcessLog
from dataflow.serving.openai.client import ChatClient, ClientOptions
from dataflow.serving.openai.transport.credentials import credentials
from dataflow.serving.vllm.command import find_reason
from dataflow.serving.weights import checkpoint
from dataflow.serving.weights.weights_fingerprint import weights_fingerprint

_RULES = {
    "command": TEXT,
    "model": TEXT,
    **{name: rule.or_none() for name, rule in SAMPLING.items()},
    "max_tokens": FROM_1,
    "max_workers": FROM_1,
    "timeout": SECONDS,
    "start_timeout": SECONDS,
    "engine_timeout": SECONDS.or_none(),
    "max_restarts": whole_number(0),
}


class LocalModelVLMServing_command(LocalServing):  # noqa: N801 - the family's way of naming
    """A vision-language model in an OpenAI-compatible server that a command starts.

    The server runs as a child process under the same watchdog as vLLM and llama.cpp: it is waited
    for, probed, restarted when it dies or hangs, and ends with this process.

    Args:
        command: What starts it, as in a shell but without one. ``{model}`` and ``{port}`` stand for
            the model and the TCP port that it must listen on, ``{host}`` for the loopback address,
            ``{key}`` for a random key that requests carry.
        model: A folder, a file, or a name that the server knows.
        temperature: 0 always takes the likeliest word; None leaves it to the server. So for the
            next two.
        top_p: Words are drawn from the likeliest ones that make up this share.
        top_k: Words are drawn from this many likeliest ones.
        max_tokens: A caption's length at most, in tokens.
        seed: Makes draws repeatable.
        max_workers: Requests in flight.
        timeout: Seconds for one request and its whole answer.
        start_timeout: Seconds until the server must answer; a download of its own counts.
        engine_timeout: Seconds without any answer after which a server that has requests is
            restarted; None takes ten times its slowest answer, at least 60.
        max_restarts: How often a dead server is started again without having worked between.

    Raises:
        UsageError: the command names no port, or a value is not what its argument takes.
        MissingPackageError: there is no such program.
        UnknownModelError: the model's folder is broken or incomplete.
    """

    def __init__(
        self,
        command: str,
        model: str,
        *,
        temperature: float | None = None,
        top_p: float | None = None,
        top_k: int | None = None,
        max_tokens: int = 512,
        seed: int | None = None,
        max_workers: int = 64,
        timeout: float = 1800.0,
        start_timeout: float = 1800.0,
        engine_timeout: float | None = None,
        max_restarts: int = 3,
    ) -> None:
        given = {name: value for name, value in locals().items() if name in _RULES}
        taken = take_all(given, _RULES)
        self._arguments = given
        self._command = taken["command"]
        self._words = _words(taken["command"])
        path = Path(taken["model"]).expanduser()
        self._path = path.absolute() if path.exists() else None
        self.model = str(self._path or taken["model"])
        self._served = self.model
        if self._path is not None and (self._path / checkpoint.CONFIG).is_file():
            checkpoint.check_checkpoint(self._path)
        self.timeout, self.engine_timeout = taken["timeout"], taken["engine_timeout"]
        self.max_workers = taken["max_workers"]
        names = ("temperature", "top_p", "top_k", "max_tokens", "seed")
        self._sampling = {name: taken[name] for name in names if taken[name] is not None}
        self._key = secrets.token_urlsafe(32)
        self._child = EngineProcess(
            Path(self._words[0]).name,
            self.launcher(),
            find_reason=find_reason,
            start_timeout=taken["start_timeout"],
            max_restarts=taken["max_restarts"],
            memory_cure="lower --concurrency or the server's own settings, or take a smaller model",
        )

    def arguments(self) -> Mapping[str, Any]:
        """The constructor's."""
        return self._arguments

    def make(self, arguments: Mapping[str, Any]) -> None:
        """Make it of `arguments`; its server starts with the first use."""
        LocalModelVLMServing_command.__init__(self, **arguments)

    def settings(self) -> Mapping[str, Any]:
        """Command, weights and sampling; see `core.serving.AsyncServing`."""
        model = {"model": self.model}
        if self._path is not None:
            model = {"weights": weights_fingerprint(_files(self._path))}
        return {"engine": "command", "command": self._command, **model, **self._sampling}

    def sampling(self) -> Mapping[str, Any]:
        """The sampling sent with each request."""
        return self._sampling

    def child(self) -> EngineProcess:
        """The server's process."""
        return self._child

    def key(self) -> str:
        """The key that requests carry: random, known to this process and the server alone."""
        return self._key

    def cleanup(self) -> None:
        """End the server; a later use starts it again."""
        self._child.stop()

    def launch(self) -> LaunchSpec:
        """The command of one run of the server, on a port of its own."""
        port = free_port()
        values = {
            "{model}": self.model,
            "{port}": str(port),
            "{host}": self.host,
            "{key}": self._key,
        }

        def ready(_: ProcessLog) -> str | None:
            server = look(port, self.model, self._key)
            if server is None:
                return None
            self._served = server.model
            return f"http://127.0.0.1:{port}"

        return LaunchSpec([_filled(word, values) for word in self._words], ready)

    def client_of(self, address: str) -> ChatClient:
        """A client of the server at `address`, by the name under which it serves the model."""
        return ChatClient(
            f"{address}/v1",
            model=self._served,
            options=ClientOptions(
                credentials=credentials(self._key),
                sampling=self._sampling,
                timeout=self.timeout,
                connections=self.max_workers,
            ),
        )


def _words(command: str) -> list[str]:
    try:
        words = shlex.split(command, posix=not is_windows())
    except ValueError as error:
        raise UsageError(f"the engine's command cannot be read ({error}): {command}") from None
    if not any("{port}" in word for word in words):
        raise UsageError(
            "the engine's command must hold {port}, where the port that it listens on belongs, "
            f"such as 'serve {{model}} --port {{port}}', not {command!r}"
        )
    program = shutil.which(str(Path(words[0]).expanduser()))
    if program is None:
        raise MissingPackageError(f"there is no program {words[0]}: is the engine installed?")
    return [program, *words[1:]]


def _filled(word: str, values: Mapping[str, str]) -> str:
    for mark, value in values.items():
        word = word.replace(mark, value)
    return word


def _files(path: Path) -> list[Path]:
    """The files that tell which weights these are."""
    if path.is_file():
        return [path]
    found = [*checkpoint.weight_files(path), *path.glob("*.gguf"), path / checkpoint.CONFIG]
    return [file for file in found if file.is_file()]
