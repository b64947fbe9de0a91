"""The engine on this machine that the arguments ask for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from dataflow.app.options.commands.caption import CaptionOptions
from dataflow.core.errors import UsageError
from dataflow.core.protocols.serving import AsyncServing

OnFetch: TypeAlias = "Callable[[str, int, int], None]"
"""Hears a model's name, the bytes that are here and all its bytes, while it is downloaded."""

SHARED: Mapping[str, str] = {
    "concurrency": "max_workers",
    "timeout": "timeout",
    "start_timeout": "start_timeout",
    "engine_timeout": "engine_timeout",
    "max_restarts": "max_restarts",
}
"""Option → argument of every local serving."""

VLLM: Mapping[str, str] = {
    **SHARED,
    "hub": "hub",
    "hub_cache": "hf_cache_dir",
    "model_folder": "hf_local_dir",
    "max_model_len": "vllm_max_model_len",
    "images_per_request": "vllm_images_per_request",
    "min_image_tokens": "vllm_min_image_tokens",
    "max_image_tokens": "vllm_max_image_tokens",
    "tensor_parallel": "vllm_tensor_parallel_size",
    "data_parallel": "vllm_data_parallel_size",
    "gpu_memory": "vllm_gpu_memory_utilization",
    "dtype": "vllm_dtype",
    "quantization": "vllm_quantization",
    "slots": "vllm_max_num_seqs",
    "engine_arg": "vllm_engine_args",
    "max_tokens": "vllm_max_tokens",
    "temperature": "vllm_temperature",
    "seed": "vllm_seed",
}
"""Option → argument of `LocalModelVLMServing_vllm`."""

LLAMACPP: Mapping[str, str] = {
    **SHARED,
    "model": "model",
    "mmproj": "mmproj",
    "hub": "hub",
    "hub_cache": "hub_cache",
    "max_model_len": "context",
    "min_image_tokens": "image_min_tokens",
    "max_image_tokens": "image_max_tokens",
    "slots": "slots",
    "threads": "threads",
    "engine_arg": "engine_args",
    "max_tokens": "max_tokens",
    "temperature": "temperature",
    "seed": "seed",
}
"""Option → argument of `LocalModelVLMServing_llamacpp`."""


COMMAND: Mapping[str, str] = {
    **SHARED,
    "engine": "command",
    "model": "model",
    "max_tokens": "max_tokens",
    "temperature": "temperature",
    "seed": "seed",
}
"""Option → argument of `LocalModelVLMServing_command`."""


def local_engine_of(choices: CaptionOptions, on_fetch: OnFetch) -> AsyncServing:
    """The serving of the engine; nothing is started or downloaded yet.

    Raises:
        UsageError: the arguments contradict each other.
        StopRunError: the engine cannot be had: no package, no such model.
    """
    from dataflow.serving import local_model_vlm_serving as servings

    if choices.vllm is not None:
        if choices.model is not None:
            raise UsageError("--vllm MODEL names the model already; leave --model out")
        given = _arguments(choices, VLLM)
        return servings.LocalModelVLMServing_vllm(choices.vllm, progress=on_fetch, **given)
    if choices.engine is not None:
        if choices.model is None:
            raise UsageError("--engine needs --model: a folder, a file or a name that it knows")
        return servings.LocalModelVLMServing_command(**_arguments(choices, COMMAND))
    return servings.LocalModelVLMServing_llamacpp(
        progress=on_fetch, **_arguments(choices, LLAMACPP)
    )


def _arguments(choices: CaptionOptions, names: Mapping[str, str]) -> dict[str, Any]:
    """What the options say, by the serving's names; its own defaults hold for the rest."""
    given = {argument: getattr(choices, option) for option, argument in names.items()}
    return {argument: value for argument, value in given.items() if value is not None}


def sampling_choices(choices: CaptionOptions) -> dict[str, Any]:
    """What the arguments say of the sampling; None where nothing."""
    return {
        "max_tokens": choices.max_tokens,
        "temperature": choices.temperature,
        "seed": choices.seed,
    }
