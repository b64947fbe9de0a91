"""The local engines, under the name that users' scripts import them by."""

from dataflow.serving.command.serving import LocalModelVLMServing_command
from dataflow.serving.llamacpp.serving import LocalModelVLMServing_llamacpp
from dataflow.serving.vllm.serving import LocalModelVLMServing_vllm

__all__ = [
    "LocalModelVLMServing_command",
    "LocalModelVLMServing_llamacpp",
    "LocalModelVLMServing_vllm",
]
