"""Whether a model's weights fit where vLLM is to load them, by their size alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dataflow.core.errors import UsageError
from dataflow.serving.local import memory
from dataflow.serving.vllm import command
from dataflow.serving.vllm.options import VllmOptions
from dataflow.serving.weights import checkpoint

_STORED_QUANTIZED = (None, "awq", "gptq", "awq_marlin", "gptq_marlin", "compressed-tensors")
"""With other methods the weights become smaller as they are loaded."""


def check_memory(folder: Path, options: VllmOptions, words: Sequence[str]) -> None:
    """Make sure that there are as many GPUs as are asked for, and that the weights fit.

    Args:
        folder: Where the weights lie.
        options: How vLLM is started.
        words: Further arguments of its server.

    Raises:
        UsageError: they do not fit, or GPUs are missing.
    """
    size = sum(file.stat().st_size for file in checkpoint.weight_files(folder))
    if command.on_cpu():
        memory.check_fits(
            str(folder),
            size,
            memory.machine_bytes(),
            where="this machine",
            cure="take a smaller or a quantized model",
        )
        return
    gpus = memory.gpu_bytes()
    if not gpus:
        return  # other makes of GPU, which vLLM knows
    each = options.vllm_tensor_parallel_size
    wanted = each * options.vllm_data_parallel_size
    if wanted > len(gpus):
        raise UsageError(
            f"{wanted} GPUs are asked for (--tensor-parallel {each}, --data-parallel "
            f"{options.vllm_data_parallel_size}), and this machine has {len(gpus)}"
        )
    if options.vllm_quantization not in _STORED_QUANTIZED or "--cpu-offload-gb" in words:
        return
    memory.check_fits(
        str(folder),
        size,
        int(min(gpus) * each * options.vllm_gpu_memory_utilization),
        where=f"vLLM's share of {each} GPU{'s' * (each > 1)}",
        cure="split it over more GPUs (--tensor-parallel N), or take a smaller or quantized model",
    )
