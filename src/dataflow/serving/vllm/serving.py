"""vLLM on this machine: its own server as a child process."""

from __future__ import annotations

import inspect
import logging
import os
import re
import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from dataflow.core.errors import NoVisionError, UnknownModelError, UsageError
from dataflow.serving.local.engine_process import EngineProcess, LaunchSpec, free_port
from dataflow.serving.local.local_serving import LocalServing
from dataflow.serving.local.process_log import ProcessLog
from dataflow.serving.vllm import command, local_dir, log_lines
from dataflow.serving.vllm.engine_arguments import as_words, that_change_answers
from dataflow.serving.vllm.options import VllmOptions
from dataflow.serving.vllm.preflight import check_memory
from dataflow.serving.weights import checkpoint, model_hub
from dataflow.serving.weights.downloads import PROGRESS, Progress
from dataflow.serving.weights.weights_fingerprint import weights_fingerprint

_GPU_WORKERS, _CPU_WORKERS = 256, 32
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)?")
_MEMORY_CURE = (
    "lower --max-model-len, --gpu-memory, --slots or --concurrency, or take a smaller or a "
    "quantized model"
)
_log = logging.getLogger("dataflow")


class LocalModelVLMServing_vllm(LocalServing):  # noqa: N801 - users' scripts hold this name
    """A vision-language model in vLLM, whose server runs as a child process.

    The child is started by the first use; without a model, by the first use after `load_model()`.
    The weights' own sampling defaults don't apply: what is given here does.

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
        timeout: Seconds for one request and its whole answer.
        start_timeout: Seconds until the server must answer; a download does not count.
        engine_timeout: Seconds without any answer after which a server that has requests is
            restarted; None takes ten times its slowest answer, at least 60.
        max_restarts: How often a dead server is started again without having worked between.
        hub: Where a model's name is looked up: ``"huggingface"`` or ``"modelscope"``.
        progress: Hears how a download goes: a name, bytes that are here, bytes in all.
        vllm_data_parallel_size: Copies of the model, each on GPUs of its own.
        vllm_dtype: The number format: ``"auto"``, ``"bfloat16"``, ``"float16"``, ``"float32"``.
        vllm_quantization: How weights are quantized, such as ``"fp8"`` or ``"awq"``; None takes
            what the model's config says.
        vllm_max_num_seqs: Requests that the engine works on at once; None takes vLLM's own number.
        vllm_images_per_request: Pictures of one request at most.
        vllm_min_image_tokens: Tokens that a picture becomes at least, for models with Qwen's
            picture processor. So for the next one.
        vllm_max_image_tokens: Tokens that a picture becomes at most.
        vllm_api_servers: Processes of vLLM's that prepare pictures for the engine, each one at a
            time. None takes one for every 8 CPU cores, at most 4; with vLLM's build for CPUs 1.
        vllm_engine_args: Further arguments of vLLM's server by name; a list gives several words.
        vllm_args: Further arguments as they stand on its command line; they win over ours.

    Raises:
        MissingPackageError: vLLM is not installed.
        UnknownModelError: the folder does not exist, or its model is broken or incomplete.
        NoVisionError: it is a text model.
        UsageError: a value is not what its argument takes.
    """

    penalty = "repetition_penalty"
    _folder: Path | None
    _repo: str | None

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
        timeout: float = 1800.0,
        start_timeout: float = 1800.0,
        engine_timeout: float | None = None,
        max_restarts: int = 3,
        hub: str = "huggingface",
        progress: Progress | None = None,
        vllm_data_parallel_size: int = 1,
        vllm_dtype: str = "auto",
        vllm_quantization: str | None = None,
        vllm_max_num_seqs: int | None = None,
        vllm_images_per_request: int = 8,
        vllm_min_image_tokens: int | None = None,
        vllm_max_image_tokens: int | None = None,
        vllm_api_servers: int | None = None,
        vllm_engine_args: Mapping[str, Any] | None = None,
        vllm_args: Sequence[str] = (),
    ) -> None:
        given = dict(locals())
        command.check_installed()
        self._progress = PROGRESS.take("progress", progress)
        self._use(VllmOptions(**{one.name: given[one.name] for one in fields(VllmOptions)}))

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
        self._progress = given.pop("progress", self._progress)
        self._use(replace(self._options, **given))

    def settings(self) -> Mapping[str, Any]:
        """Weights and sampling; see `core.serving.AsyncServing`.

        What only decides on speed and memory is no part of it: context, slots, GPUs.
        """
        options = self._options
        changed = {
            name: value
            for name in _ANSWER_SETTINGS
            if (value := getattr(options, name)) not in ("auto", None)
        }
        if words := that_change_answers(self._words):
            changed["arguments"] = words
        return {
            "engine": "vllm",
            "weights": self._fingerprint(),
            **changed,
            **self.sampling(),
            "max_tokens": options.vllm_max_tokens,
        }

    def sampling(self) -> Mapping[str, Any]:
        """The sampling sent with each request."""
        options, context = self._options, self._context()
        # vLLM ends an answer where the context is full, but refuses a limit beyond the context.
        sampling = {
            "temperature": options.vllm_temperature,
            "top_p": options.vllm_top_p,
            "top_k": options.vllm_top_k,
            "repetition_penalty": options.vllm_repetition_penalty,
            "max_tokens": min(options.vllm_max_tokens, context or options.vllm_max_tokens),
        }
        return sampling if options.vllm_seed is None else {**sampling, "seed": options.vllm_seed}

    def arguments(self) -> Mapping[str, Any]:
        """The constructor's, as they hold now."""
        return {one.name: getattr(self._options, one.name) for one in fields(self._options)}

    def make(self, arguments: Mapping[str, Any]) -> None:
        """Make it of `arguments`; its server starts with the first use."""
        self._progress = None
        self._use(VllmOptions(**arguments))

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

    def prepare(self, stop: Callable[[], bool] = lambda: False) -> None:
        """See to it that the weights are on this disk; downloads them where they are not.

        Raises:
            StopRunError: they cannot be had, or are none that this engine can use.
        """
        with self._lock:
            options, repo = self._options, self._repo
            if self._folder is None and repo is not None:
                target = Path(options.hf_local_dir) if options.hf_local_dir else None
                if target is not None:
                    local_dir.note_owner(target, repo)
                self._folder = model_hub.fetch_checkpoint(
                    repo,
                    hub=options.hub,
                    cache=Path(options.hf_cache_dir) if options.hf_cache_dir else None,
                    folder=target,
                    progress=self._progress,
                    stop=lambda: stop() or self._child.stopping,
                )
                self._check_folder(self._folder)

    def _use(self, options: VllmOptions) -> None:
        options = options.checked()
        if (options.vllm_api_servers or 1) > 1:
            command.check_several()
        self._words = (*as_words(options.vllm_engine_args), *options.vllm_args)
        self._options = options
        self._lock = threading.RLock()
        self._key = secrets.token_urlsafe(32)
        folder, repo = _find_weights(options)
        self._folder, self._repo = folder, repo
        self.model = options.hf_model_name_or_path or str(self._folder or "")
        if self._folder is not None:
            self._check_folder(self._folder)
        self.timeout, self.engine_timeout = options.timeout, options.engine_timeout
        usual = _CPU_WORKERS if command.on_cpu() else _GPU_WORKERS
        self.max_workers = options.max_workers or usual * options.vllm_data_parallel_size
        self._child: EngineProcess = EngineProcess(
            "vLLM",
            self.launcher(),
            find_reason=command.find_reason,
            start_timeout=options.start_timeout,
            max_restarts=options.max_restarts,
            stop_signal="INT",
            find_step=log_lines.find_step,
            memory_cure=_MEMORY_CURE,
        )

    def launch(self) -> LaunchSpec:
        """The command of one run of the server, on a port of its own."""
        self.prepare()
        options, key, name, port = self._options, self._key, self.model, free_port()
        server = command.VllmServer(
            weights=str(self._folder),
            name=name,
            tensor_parallel_size=options.vllm_tensor_parallel_size,
            max_model_len=self._context(),
            gpu_memory_utilization=options.vllm_gpu_memory_utilization,
            api_servers=options.vllm_api_servers or command.api_servers(_cores()),
            data_parallel_size=options.vllm_data_parallel_size,
            images_per_request=options.vllm_images_per_request,
            dtype=options.vllm_dtype,
            quantization=options.vllm_quantization,
            max_num_seqs=options.vllm_max_num_seqs,
            pixels=self._pixels(),
            arguments=self._words,
            host=self.host,
        )
        _log.info("vLLM is started with %s", self._choices())

        def ready(output: ProcessLog) -> str | None:
            if not command.answers(port, name, key):
                return None
            if chosen := log_lines.find_choices(output.lines()):
                _log.info("vLLM chose %s", chosen)
            return f"http://127.0.0.1:{port}"

        return LaunchSpec(
            command=server.command(port),
            environment=command.environment(key, options.hf_cache_dir, offline=True),
            ready=ready,
        )

    def _context(self) -> int | None:
        """Tokens of one request; vLLM refuses to start with more than the model can do."""
        limits = (
            self._options.vllm_max_model_len,
            checkpoint.own_limit(self._folder) if self._folder else None,
        )
        return min((limit for limit in limits if limit), default=None)

    def _pixels(self) -> tuple[int | None, int | None]:
        options = self._options
        least, most = options.vllm_min_image_tokens, options.vllm_max_image_tokens
        if least is None and most is None:
            return (None, None)
        each = checkpoint.pixels_per_token(self._folder) if self._folder else None
        if each is None:
            raise UsageError(
                f"how many tokens a picture becomes cannot be set for {self.model}: its picture "
                "processor is not Qwen's; give --engine-arg mm-processor-kwargs=JSON instead"
            )
        return (least and least * each, most and most * each)

    def _choices(self) -> str:
        """What was chosen, for people."""
        options, folder = self._options, self._folder
        own = checkpoint.own_limit(folder) if folder else None
        context = self._context()
        whose = " (the model's own limit)" if own and own == context else ""
        return (
            f"{self.model}: a context of {context or 'its own'} tokens{whose}, up to "
            f"{options.vllm_images_per_request} pictures a request, {self.max_workers} requests in "
            f"flight, {options.vllm_tensor_parallel_size * options.vllm_data_parallel_size} GPU(s)"
        )

    def _fingerprint(self) -> str:
        if self._folder is None:
            return f"{self._options.hub} {self._repo}"
        names = (self._folder / name for name in _TELLING_FILES)
        files = [*checkpoint.weight_files(self._folder), *(f for f in names if f.is_file())]
        return weights_fingerprint(files)

    def _check_folder(self, folder: Path) -> None:
        """Find what is wrong with the weights before an engine spends minutes on it."""
        checkpoint.check_checkpoint(folder)
        self._pixels()
        check_memory(folder, self._options, self._words)


_ANSWER_SETTINGS = (
    "vllm_dtype",
    "vllm_quantization",
    "vllm_min_image_tokens",
    "vllm_max_image_tokens",
)
"""Arguments that may change an answer."""

_TELLING_FILES = (
    "config.json", "preprocessor_config.json", "processor_config.json", "tokenizer.json",
    "tokenizer_config.json", "chat_template.json", "chat_template.jinja",
)  # fmt: skip
"""Files beside the weights that decide on what a model answers."""


def _cores() -> int:
    """CPU cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not Linux
        return os.cpu_count() or 1


def _find_weights(options: VllmOptions) -> tuple[Path | None, str | None]:
    """The folder with the weights, if they are on this disk, and the model's name on the hub.

    Raises:
        UnknownModelError: what looks like a folder is not there, or it holds another model.
        NoVisionError: it is a text model.
    """
    name, folder = options.hf_model_name_or_path, options.hf_local_dir
    target = Path(folder) if folder else None
    path = Path(name).expanduser() if name else None
    if path is not None and path.is_dir():
        return path.absolute(), None
    if name is None or path is None:
        if target is not None and not target.is_dir():
            raise UnknownModelError(f"{folder} holds no model: there is no such folder")
        return target, None
    if path.suffix.lower() == ".gguf":
        raise UnknownModelError(
            f"{name} is a file for llama.cpp: give it with --model (LocalModelVLMServing_llamacpp)"
        )
    if path.exists() or not _HUB_NAME.fullmatch(name):
        raise UnknownModelError(f"there is no folder {name}, and it is no model's name on the hub")
    if target is None:
        cache = Path(options.hf_cache_dir) if options.hf_cache_dir else None
        return model_hub.find_checkpoint(name, hub=options.hub, cache=cache), name
    local_dir.check_owner(target, name)
    try:
        checkpoint.check_checkpoint(target)
    except NoVisionError:
        raise
    except UnknownModelError:
        if not local_dir.is_from_hub(target):
            raise  # it is the user's own, and nothing is put into it
        return None, name
    return target, name
