"""The arguments of `LocalModelVLMServing_vllm`, checked by name before anything is loaded."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from dataflow.core.errors import UsageError
from dataflow.core.settings import (
    FROM_1,
    PATH,
    SECONDS,
    WHOLE,
    ValueRule,
    number,
    one_of,
    take_all,
    whole_number,
)
from dataflow.serving.weights.model_hub import HUBS


@dataclass(frozen=True, slots=True, kw_only=True)
class VllmOptions:
    """The constructor's arguments, by their names."""

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
    timeout: float
    start_timeout: float
    engine_timeout: float | None
    max_restarts: int
    hub: str
    vllm_data_parallel_size: int
    vllm_dtype: str
    vllm_quantization: str | None
    vllm_max_num_seqs: int | None
    vllm_images_per_request: int
    vllm_min_image_tokens: int | None
    vllm_max_image_tokens: int | None
    vllm_api_servers: int | None
    vllm_engine_args: Mapping[str, Any] | None
    vllm_args: Sequence[str]

    def checked(self) -> VllmOptions:
        """The same, with each value checked and ``~`` in folders expanded.

        Raises:
            UsageError: a value is not what its argument takes.
        """
        given = {one.name: getattr(self, one.name) for one in fields(self)}
        taken = take_all(given, RULES)
        for name in ("hf_cache_dir", "hf_local_dir"):
            if taken[name] is not None:
                taken[name] = str(Path(taken[name]).expanduser())
        least, most = taken["vllm_min_image_tokens"], taken["vllm_max_image_tokens"]
        if least and most and least > most:
            raise UsageError(
                f"vllm_min_image_tokens ({least}) is above vllm_max_image_tokens ({most})"
            )
        return VllmOptions(**taken)


def _is_words(value: object) -> bool:
    return isinstance(value, (list, tuple)) and all(isinstance(word, str) for word in value)


def _is_mapping(value: object) -> bool:
    return isinstance(value, Mapping) and all(isinstance(name, str) and name for name in value)


METHOD = ValueRule(
    "the name of a method, such as fp8 or awq",
    lambda value: isinstance(value, str) and bool(re.fullmatch(r"[a-z][\w-]*", value)),
)

RULES: Mapping[str, ValueRule] = {
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
    "timeout": SECONDS,
    "start_timeout": SECONDS,
    "engine_timeout": SECONDS.or_none(),
    "max_restarts": whole_number(0),
    "hub": one_of(HUBS),
    "vllm_data_parallel_size": FROM_1,
    "vllm_dtype": one_of(("auto", "bfloat16", "float16", "float32", "half", "float")),
    "vllm_quantization": METHOD.or_none(),
    "vllm_max_num_seqs": FROM_1.or_none(),
    "vllm_images_per_request": FROM_1,
    "vllm_min_image_tokens": FROM_1.or_none(),
    "vllm_max_image_tokens": FROM_1.or_none(),
    "vllm_api_servers": FROM_1.or_none(),
    "vllm_engine_args": ValueRule("a mapping of names to values", _is_mapping).or_none(),
    "vllm_args": ValueRule("a list of words, such as ['--dtype', 'half']", _is_words, tuple),
}
