"""llama.cpp embedded: captions on any machine, without a GPU and without a server to set up."""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import re
import secrets
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from dataflow.core.errors import MissingPackageError, UsageError
from dataflow.core.settings import (
    FROM_1,
    PATH,
    SAMPLING,
    SECONDS,
    ValueRule,
    number,
    one_of,
    take_all,
    whole_number,
)
from dataflow.serving.llamacpp.engine_arguments import (
    NO_ANSWERS,
    check_engine_args,
    is_named_values,
)
from dataflow.serving.llamacpp.model_files import (
    DEMO,
    GgufPair,
    HubPair,
    check_pair,
    context_of,
    read_model_name,
)
from dataflow.serving.llamacpp.server import KEY_VARIABLE, SAYS, LlamaCppSettings
from dataflow.serving.local import memory
from dataflow.serving.local.engine_process import EngineProcess, LaunchSpec
from dataflow.serving.local.local_serving import LOOPBACK, LocalServing
from dataflow.serving.local.process_log import ProcessLog
from dataflow.serving.weights import model_hub
from dataflow.serving.weights.downloads import PROGRESS, Progress
from dataflow.serving.weights.model_hub import HUBS
from dataflow.serving.weights.weights_fingerprint import weights_fingerprint

_log = logging.getLogger("dataflow")
DEFAULT_MODEL = "ggml-org/SmolVLM-500M-Instruct-GGUF"
_LISTENING = re.compile(r'\{"listening": "(http://[^"]+)"\}')
_DEMO_PICTURE_TOKENS = (16, 20)  # what the bundled model was trained with
_SMOLVLM_PICTURE_TOKENS = 64
_PICTURE_TOKENS = 512


_RULES = {
    "model": PATH,
    "mmproj": PATH.or_none(),
    **{name: rule.or_none() for name, rule in SAMPLING.items()},
    "max_tokens": FROM_1,
    "repetition_penalty": number(above=0).or_none(),
    **dict.fromkeys(("context", "slots"), FROM_1),
    **dict.fromkeys(
        ("threads", "image_min_tokens", "image_max_tokens", "max_workers"), FROM_1.or_none()
    ),
    **dict.fromkeys(("timeout", "start_timeout"), SECONDS),
    "engine_timeout": SECONDS.or_none(),
    "max_restarts": whole_number(0),
    "hub": one_of(HUBS),
    "progress": PROGRESS,
    "hub_cache": PATH.or_none(),
    "engine_args": ValueRule("a mapping of names to values", is_named_values).or_none(),
}


class LocalModelVLMServing_llamacpp(LocalServing):  # noqa: N801 - the family's way of naming
    """A vision-language model in llama.cpp, in a child process.

    Args:
        model: ``"demo"`` (bundled; knows drawn scenes only, not photographs), a .gguf file, a
            folder with one, or a repository on the Hugging Face hub, ``"owner/name"`` or
            ``"owner/name:file"``.
        mmproj: The picture projector's file that goes with a .gguf file; None takes the one
            mmproj*.gguf beside it.
        temperature: 0 always takes the likeliest word; None leaves it to llama.cpp (0 for the
            bundled model). So for the next three.
        top_p: Words are drawn from the likeliest ones that make up this share.
        top_k: Words are drawn from this many likeliest ones.
        repetition_penalty: Over 1 makes words that stand in the answer already less likely.
        max_tokens: A caption's length at most, in tokens.
        seed: Makes draws repeatable.
        context: Tokens of question, pictures and answer of one request at most; the model's own
            limit where that is lower.
        slots: Requests answered at the same time.
        threads: CPU threads; None takes all physical cores but one.
        image_min_tokens: Tokens a picture becomes at least.
        image_max_tokens: Tokens a picture becomes at most: more see finer detail and take longer.
            None takes 64 for SmolVLM, 512 for others.
        max_workers: Requests in flight; None takes twice the slots, so that no slot ever waits.
        timeout: Seconds for one request and its whole answer.
        start_timeout: Seconds until the engine must answer, fetching the model not counted.
        engine_timeout: Seconds without any answer after which an engine that has requests is
            restarted; None takes ten times its slowest answer, at least 60.
        max_restarts: How often a dead engine is started again without having worked between.
        hub: Where a repository's name is looked up: ``"huggingface"`` or ``"modelscope"``.
        hub_cache: The folder of the hub's cache; None takes the hub library's own.
        engine_args: Fields of xllamacpp's ``CommonParams`` by name; a dotted name reaches inside.
        progress: Hears how the model's download goes: a name, bytes here, bytes in all.

    Raises:
        MissingPackageError: xllamacpp is not installed.
        UsageError: the projector is missing, or a number is none that can be.
        UnknownModelError: a file is missing or no GGUF file.
    """

    penalty = "repeat_penalty"

    def __init__(
        self,
        model: str = DEFAULT_MODEL,
        *,
        mmproj: str | None = None,
        temperature: float | None = None,
        top_p: float | None = None,
        top_k: int | None = None,
        repetition_penalty: float | None = None,
        max_tokens: int = 512,
        seed: int | None = None,
        context: int = 4096,
        slots: int = 4,
        threads: int | None = None,
        image_min_tokens: int | None = None,
        image_max_tokens: int | None = None,
        max_workers: int | None = None,
        timeout: float = 1800.0,
        start_timeout: float = 300.0,
        engine_timeout: float | None = None,
        max_restarts: int = 3,
        hub: str = "huggingface",
        hub_cache: str | None = None,
        engine_args: Mapping[str, Any] | None = None,
        progress: Progress | None = None,
    ) -> None:
        if importlib.util.find_spec("xllamacpp") is None:
            raise MissingPackageError(
                "the embedded engine needs xllamacpp: pip install 'dataflow-caption[llamacpp]'"
            )
        given = {name: value for name, value in locals().items() if name in _RULES}
        taken = take_all(given, _RULES)
        self._arguments = {name: value for name, value in given.items() if name != "progress"}
        max_tokens, slots, context = (taken[name] for name in ("max_tokens", "slots", "context"))
        self.model = os.path.expanduser(taken["model"])  # noqa: PTH111 - it may be a hub's name
        self.timeout, self.engine_timeout = taken["timeout"], taken["engine_timeout"]
        self.max_workers = max_workers or 2 * slots
        self._further = dict(engine_args or {})
        check_engine_args(self._further)
        self._hub = hub
        self._hub_cache = Path(hub_cache).expanduser() if hub_cache else None
        self._progress = progress
        self._slots, self._wanted_context = slots, context
        self._threads = threads or max(1, _physical_cores() - 1)
        self._image_tokens = _image_tokens(self.model, image_min_tokens, image_max_tokens)
        self._files = read_model_name(self.model, mmproj)
        if isinstance(self._files, HubPair) and (
            found := model_hub.find(self._files.repo, self._files.choose, hub, self._hub_cache)
        ):
            self._files = check_pair(GgufPair(*found))
        if isinstance(self._files, GgufPair):
            self._check_memory(self._files)
        is_demo = self.model == DEMO
        self._sampling = {
            "temperature": 0.0 if temperature is None and is_demo else temperature,
            "top_p": top_p,
            "top_k": top_k,
            "repeat_penalty": repetition_penalty,  # llama.cpp's name for it
            "max_tokens": max_tokens,
            "seed": seed,
        }
        self._key = secrets.token_urlsafe(32)
        self._lock = threading.Lock()
        self._child = EngineProcess(
            "llama.cpp",
            self.launcher(),
            find_reason=find_reason,
            start_timeout=start_timeout,
            max_restarts=max_restarts,
            grace=2.0,
            memory_cure="lower --max-model-len, --slots or --max-image-tokens, or take a smaller "
            "model or quantization",
        )

    def arguments(self) -> Mapping[str, Any]:
        """The constructor's, without `progress`: who watches a download stays behind."""
        return self._arguments

    def make(self, arguments: Mapping[str, Any]) -> None:
        """Make it of `arguments`; its engine starts with the first use."""
        LocalModelVLMServing_llamacpp.__init__(self, **arguments)

    def settings(self) -> Mapping[str, Any]:
        """Weights, what pictures become, and sampling; see `core.serving.AsyncServing`.

        What only decides on speed and memory is no part of it: context, slots, threads.
        """
        files = self._files
        settings = {
            "engine": "llamacpp",
            "weights": f"hub {files.repo}:{files.wanted}"
            if isinstance(files, HubPair)
            else weights_fingerprint([files.model, files.mmproj]),
            "image_tokens": list(self._image_tokens),
            **self.sampling(),
        }
        if further := {n: v for n, v in self._further.items() if n not in NO_ANSWERS}:
            settings["arguments"] = further
        return settings

    def prepare(self, stop: Callable[[], bool] = lambda: False) -> None:
        """See to it that the model is on this disk; downloads it where it is not.

        Raises:
            StopRunError: it cannot be had, or is none that llama.cpp can use.
        """
        with self._lock:
            if isinstance(self._files, HubPair):
                found = model_hub.fetch(
                    self._files.repo,
                    self._files.choose,
                    hub=self._hub,
                    cache=self._hub_cache,
                    progress=self._progress,
                    stop=lambda: stop() or self._child.stopping,
                )
                self._files = check_pair(GgufPair(*found))
                self._check_memory(self._files)

    @property
    def _context(self) -> int:
        """Tokens of one request; a model answers nonsense beyond its own limit."""
        own = None if isinstance(self._files, HubPair) else context_of(self._files)
        return min(self._wanted_context, own or self._wanted_context)

    def _check_memory(self, pair: GgufPair) -> None:
        size = pair.model.stat().st_size + pair.mmproj.stat().st_size
        there = memory.machine_bytes()
        if there is not None:
            there += sum(memory.gpu_bytes()) if size > there else 0
        memory.check_fits(
            self.model,
            size,
            there,
            where="this machine",
            cure="take a smaller quantization or model",
        )

    def child(self) -> EngineProcess:
        """The engine's process."""
        return self._child

    def key(self) -> str:
        """The key that the engine asks of its clients: random, known to this process alone."""
        return self._key

    def sampling(self) -> Mapping[str, Any]:
        """The sampling sent with each request."""
        return {name: value for name, value in self._sampling.items() if value is not None}

    def cleanup(self) -> None:
        """End the engine; a later use starts it again."""
        self._child.stop()

    def _listening(self) -> dict[str, list[str]]:
        return {} if self.host == LOOPBACK else {"hostnames": [self.host]}

    def launch(self) -> LaunchSpec:
        """The command of one run of the engine; fetches the model if it is not here."""
        self.prepare()
        pair = self._files
        assert isinstance(pair, GgufPair)  # noqa: S101 - `prepare` made it
        settings = LlamaCppSettings(
            model=str(pair.model),
            mmproj=str(pair.mmproj),
            slots=self._slots,
            context=self._context,
            threads=self._threads,
            image_min_tokens=self._image_tokens[0],
            image_max_tokens=self._image_tokens[1],
            further={**self._further, **self._listening()},
        )
        _log.info(
            "llama.cpp is started with %s: a context of %d tokens, %d slots, %d threads",
            self.model, self._context, self._slots, self._threads,
        )  # fmt: skip
        root = str(Path(__file__).parents[3])
        paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
        return LaunchSpec(
            command=[
                sys.executable,
                "-m",
                "dataflow.serving.llamacpp.server",
                json.dumps(asdict(settings)),
            ],
            environment={
                KEY_VARIABLE: self._key,
                "PYTHONPATH": os.pathsep.join(paths),
                "PYTHONSAFEPATH": "1",  # a file of the user's named like a library's stays unseen
            },
            ready=_find_address,
        )


def find_reason(lines: Sequence[str]) -> str | None:
    """Why llama.cpp failed: its first error, else the output of its process, else None."""
    own = None
    for line in lines:
        # llama.cpp's errors: seconds since the start, then E, then function and message
        if found := re.match(r"(?:[\d.]+ )?E (.+)", line):
            return found[1]
        if own is None and line.startswith(SAYS):
            own = line[len(SAYS) :]
    return own


def _find_address(output: ProcessLog) -> str | None:
    for line in output.lines():
        if found := _LISTENING.search(line):
            return found[1]
    return None


def _image_tokens(model: str, least: int | None, most: int | None) -> tuple[int, int]:
    """The fewest and the most tokens that a picture becomes."""
    if model == DEMO:
        return _DEMO_PICTURE_TOKENS
    # SmolVLM upscales every picture to 2048 pixels unless it is held: 13 encodings for one of
    # 640 x 480 where 64 tokens take 2.
    usual = _SMOLVLM_PICTURE_TOKENS if "smolvlm" in model.lower() else _PICTURE_TOKENS
    most = most or max(usual, least or 1)
    if least and least > most:
        raise UsageError(f"image_min_tokens ({least}) is above image_max_tokens ({most})")
    return least or 1, most


def _physical_cores() -> int:
    """Cores this process may use, two hyperthreads counted as one; at least 1."""
    try:
        usable = os.sched_getaffinity(0)
        siblings = {
            Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list").read_text()
            for cpu in usable
        }
        return max(1, len(siblings))
    except (AttributeError, OSError):  # not Linux, or a container without /sys
        return max(1, os.cpu_count() or 1)
