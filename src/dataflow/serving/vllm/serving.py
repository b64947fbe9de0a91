"""vLLM on this machine: its own server as a child process."""

from __future__ import annotations

import inspect
import os
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from dataflow.core.errors import UnknownModelError, UnreachableError, UsageError
from dataflow.core.settings import (
    FROM_1,
    PATH,
    SECONDS,
    WHOLE,
    number,
    take_all,
    whole_number,
)
from dataflow.serving.local import hf_hub
from dataflow.serving.local.engine_process import EngineProcess, LaunchSpec, free_port
from dataflow.serving.local.local_serving import LocalServing, weights_of
from dataflow.serving.local.process_log import ProcessLog
from dataflow.serving.vllm import command, local_dir

_GPU_WORKERS, _CPU_WORKERS = 256, 32
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)?")


@dataclass(frozen=True, slots=True)
class _Options:
    """The arguments of `LocalModelVLMServing_vllm`, by their names."""

    hf_model_name_or_path: str | None
    hf_cache_dir: str | None
    hf_local_dir: str | None
    vllm_tensor_parallel_size: int
    vllm_temperature: float
    vllm_top_p: float
    vllm_max_tokens: int
    vllm_top_k: int
    vllm_repetition_penalty: float
    vllm_seed: int | None
    vllm_max_model_len: int | None
    vllm_gpu_memory_utilization: float
    max_workers: int | None
    start_timeout: float
    max_restarts: int
    vllm_api_servers: int | None
    vllm_args: Sequence[str]

    def checked(self) -> _Options:
        """The same, with each value checked and ``~`` in folders expanded.

        Raises:
            UsageError: a value is not what its argument takes.
        """
        given = {one.name: getattr(self, one.name) for one in fields(self)}
        taken = take_all(given, _RULES)
        for name in ("hf_cache_dir", "hf_local_dir"):
            if taken[name] is not None:
                taken[name] = str(Path(taken[name]).expanduser())
        return _Options(**taken)


_RULES = {
    "hf_model_name_or_path": PATH.or_none(),
    "hf_cache_dir": PATH.or_none(),
    "hf_local_dir": PATH.or_none(),
    "vllm_tensor_parallel_size": FROM_1,
    "vllm_temperature": number(0),
    "vllm_top_p": number(above=0, most=1),
    "vllm_max_tokens": FROM_1,
    "vllm_top_k": whole_number(-1),
    "vllm_repetition_penalty": number(above=0),
    "vllm_seed": WHOLE.or_none(),
    "vllm_max_model_len": FROM_1.or_none(),
    "vllm_gpu_memory_utilization": number(above=0, most=1),
    "max_workers": FROM_1.or_none(),
    "start_timeout": SECONDS,
    "max_restarts": whole_number(0),
    "vllm_api_servers": FROM_1.or_none(),
}


class LocalModelVLMServing_vllm(LocalServing):  # noqa: N801 - users' scripts hold this name
    """A vision-language model in vLLM, whose server runs as a child process.

    The child is started by the first use; without a model, by the first use after `load_model()`.
    Up to 8 pictures a request. The weights' own sampling defaults don't apply: what is given here
    does.

    Args:
        hf_model_name_or_path: A name on the Hugging Face hub, or a folder with the weights.
        hf_cache_dir: The folder of the hub's cache; None takes the hub library's own.
        hf_local_dir: A folder with the weights, or where a hub model's weights are put.
        vllm_tensor_parallel_size: GPUs that share the model.
        vllm_temperature: 0 always takes the likeliest word.
        vllm_top_p: Words are drawn from the likeliest ones that make up this share.
        vllm_max_tokens: A caption's length at most, in tokens.
        vllm_top_k: Words are drawn from this many likeliest ones; -1 from all.
        vllm_repetition_penalty: Over 1 makes words that stand in the answer already less likely.
        vllm_seed: Makes draws repeatable; None doesn't.
        vllm_max_model_len: Tokens of question, pictures and answer of one request at most; the
            model's own limit where that is lower, or with None.
        vllm_gpu_memory_utilization: The share of a GPU's memory that vLLM may take, 0 to 1.
        max_workers: Requests in flight; None takes 256, with vLLM's build for CPUs 32.
        start_timeout: Seconds until the server must answer; it may fetch the weights in them.
        max_restarts: How often a dead server is started again without having worked between.
        vllm_api_servers: Processes of vLLM's that prepare pictures for the engine, each one at a
            time. None takes one for every 8 CPU cores, at most 4; with vLLM's build for CPUs 1.
        vllm_args: Further arguments of vLLM's server; they win over ours.

    Raises:
        MissingPackageError: vLLM is not installed.
        UnknownModelError: the folder does not exist.
        UsageError: a value is not what its argument takes.
    """

    penalty = "repetition_penalty"

    def __init__(
        self,
        hf_model_name_or_path: str | None = None,
        hf_cache_dir: str | None = None,
        hf_local_dir: str | None = None,
        vllm_tensor_parallel_size: int = 1,
        vllm_temperature: float = 0.7,
        vllm_top_p: float = 0.9,
        vllm_max_tokens: int = 1024,
        vllm_top_k: int = 40,
        vllm_repetition_penalty: float = 1.0,
        vllm_seed: int | None = 42,
        vllm_max_model_len: int | None = 4096,
        vllm_gpu_memory_utilization: float = 0.9,
        *,
        max_workers: int | None = None,
        start_timeout: float = 1800.0,
        max_restarts: int = 3,
        vllm_api_servers: int | None = None,
        vllm_args: Sequence[str] = (),
    ) -> None:
        command.check_installed()
        given = {
            name: value for name, value in locals().items() if name not in ("self", "__class__")
        }
        self._use(_Options(**given))

    def load_model(self, model_name_or_path: str | None = None, *args: Any, **kwargs: Any) -> None:
        """Take another model, or the first one; it is loaded by the first use.

        Takes the constructor's arguments, in its order and by its names; those left out stay as
        they are.

        Raises:
            UnknownModelError: the folder does not exist.
            UsageError: a number is none that can be.
        """
        if model_name_or_path is not None:
            args = (model_name_or_path, *args)
        given = inspect.signature(LocalModelVLMServing_vllm).bind(*args, **kwargs).arguments
        self.cleanup()
        self._use(replace(self._options, **given))

    def settings(self) -> Mapping[str, Any]:
        """Model and sampling; see `core.serving.AsyncServing`."""
        settings = {
            "engine": "vllm",
            "model": self.model,
            "max_model_len": self._context,
            **self.sampling(),
        }
        if (folder := Path(self._weights)).is_dir():
            # Other weights under the same name are another model.
            files = sorted(folder.glob("*.safetensors"))
            settings["files"] = [weights_of(file) for file in files]
        return settings

    def sampling(self) -> Mapping[str, Any]:
        """The sampling sent with each request."""
        options = self._options
        # vLLM ends an answer where the context is full, but refuses a limit beyond the context.
        most = min(options.vllm_max_tokens, self._context or options.vllm_max_tokens)
        sampling = {
            "temperature": options.vllm_temperature,
            "top_p": options.vllm_top_p,
            "top_k": options.vllm_top_k,
            "repetition_penalty": options.vllm_repetition_penalty,
            "max_tokens": most,
        }
        return sampling if options.vllm_seed is None else {**sampling, "seed": options.vllm_seed}

    def arguments(self) -> Mapping[str, Any]:
        """The constructor's, as they hold now."""
        return {one.name: getattr(self._options, one.name) for one in fields(self._options)}

    def make(self, arguments: Mapping[str, Any]) -> None:
        """Make it of `arguments`; its server starts with the first use."""
        self._use(_Options(**arguments))

    def child(self) -> EngineProcess:
        """The server's process.

        Raises:
            UsageError: no model was given yet.
        """
        if not self.model:
            raise UsageError("no model: give hf_model_name_or_path, or call load_model() first")
        return self._child

    def key(self) -> str:
        """The key that the server asks of its clients: random, known to this process alone."""
        return self._key

    def cleanup(self) -> None:
        """End the server; a later use starts it again."""
        self._child.stop()

    def _use(self, options: _Options) -> None:
        options = options.checked()
        if (options.vllm_api_servers or 1) > 1:
            command.check_several()
        self._options = options
        self._weights = _find_weights(options)
        # vLLM refuses to start with a longer context than the model can do.
        limits = (options.vllm_max_model_len, command.own_limit(self._weights))
        self._context = min((limit for limit in limits if limit), default=None)
        self.model = options.hf_model_name_or_path or self._weights
        self.max_workers = options.max_workers or (
            _CPU_WORKERS if command.on_cpu() else _GPU_WORKERS
        )
        self._key = secrets.token_urlsafe(32)
        self._child = EngineProcess(
            "vLLM",
            self.launcher(),
            find_reason=command.find_reason,
            start_timeout=options.start_timeout,
            max_restarts=options.max_restarts,
            stop_signal="INT",
        )

    def launch(self) -> LaunchSpec:
        """The command of one run of the server, on a port of its own."""
        options, key, name, port = self._options, self._key, self.model, free_port()
        server = command.VllmServer(
            weights=self._weights,
            name=name,
            tensor_parallel_size=options.vllm_tensor_parallel_size,
            max_model_len=self._context,
            gpu_memory_utilization=options.vllm_gpu_memory_utilization,
            api_servers=options.vllm_api_servers or command.api_servers(_cores()),
            arguments=tuple(options.vllm_args),
        )
        offline = self._fetch_or_be_sure()

        def ready(_: ProcessLog) -> str | None:
            is_up = command.answers(port, name, key)
            return f"http://127.0.0.1:{port}" if is_up else None

        return LaunchSpec(
            command=server.command(port),
            environment=command.environment(key, options.hf_cache_dir, offline=offline),
            ready=ready,
        )

    def _fetch_or_be_sure(self) -> bool:
        """See to it that the weights can be had; True when the hub need not be asked for them.

        vLLM fetches weights by itself, but tries an unreachable hub for minutes before it fails.

        Raises:
            UnreachableError: they are not on this machine, and the hub does not answer.
        """
        options, repo = self._options, self._options.hf_model_name_or_path
        folder = Path(self._weights)
        if repo is None or local_dir.is_whole(folder) or not local_dir.is_from_hub(folder):
            return True
        if Path(self._weights).is_dir() and self._weights != options.hf_local_dir:
            return True  # a folder without a config: vLLM says what it misses
        cache = Path(options.hf_cache_dir) if options.hf_cache_dir else None
        if options.hf_local_dir:
            local_dir.note_owner(Path(options.hf_local_dir), repo)
            hf_hub.fetch_all(repo, Path(options.hf_local_dir), stop=lambda: self._child.stopping)
            return True
        if not hf_hub.is_cached(repo, "config.json", cache):
            hf_hub.check_reachable(f"the model {repo}")
            return False
        try:
            hf_hub.check_reachable(repo)
        except UnreachableError:
            return True
        return False


def _cores() -> int:
    """CPU cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not Linux
        return os.cpu_count() or 1


def _find_weights(options: _Options) -> str:
    """The folder with the weights, or the model's name on the hub; empty where none is given.

    Raises:
        UnknownModelError: what looks like a folder is not there.
    """
    name, folder = options.hf_model_name_or_path, options.hf_local_dir
    if folder and name and _HUB_NAME.fullmatch(name) and not Path(name).is_dir():
        local_dir.check_owner(Path(folder), name)
    if folder and Path(folder, "config.json").is_file():
        return folder
    if name is None:
        if folder:
            raise UnknownModelError(f"{folder} holds no model: there is no config.json in it")
        return ""
    path = Path(name).expanduser()
    if path.is_dir():
        return str(path.absolute())
    if path.exists() or not _HUB_NAME.fullmatch(name):
        raise UnknownModelError(f"there is no folder {name}, and it is no model's name on the hub")
    return folder or name
